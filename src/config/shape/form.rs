//! Forms of strings: how each is read, and the pattern that says the same to an editor.

use super::super::diagnostic::Report;
use super::super::node::Node;
use super::super::{broker, metadata, quantity, reader, tenant, test, told, topic};
use crate::money::Money;

/// A host and a port.
macro_rules! server {
    () => {
        r"([A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
    };
}

/// From 1 to a milliard.
macro_rules! count {
    () => {
        "0*([1-9][0-9]{0,8}|1000000000)"
    };
}

/// A word of a subject of NATS.
macro_rules! word {
    () => {
        concat!("[^", blank!(), ".*>]+")
    };
}

/// White space and control characters, as Rust counts them: within brackets.
macro_rules! blank {
    () => {
        r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    };
}

#[derive(Debug)]
pub(crate) struct Form {
    /// In a table.
    pub called: &'static str,
    /// What an editor says of one that is none.
    pub wanted: &'static str,
    /// ECMA 262, without looking around; empty: any.
    pub pattern: &'static str,
    /// Of those that have the pattern, which are none all the same; empty: none.
    pub except: &'static str,
    /// In characters.
    pub least: usize,
    pub most: Option<usize>,
    pub examples: &'static [&'static str],
    pub read: Read,
}

/// Reads one, reports what it is not, and gives it as it stands.
type Read = for<'n> fn(&'n Node, &str, &mut Report<'_>) -> Option<&'n str>;

/// Of which [`Form`] the others are variations.
const STRING: Form = Form {
    called: "string",
    wanted: "",
    pattern: "",
    except: "",
    least: 0,
    most: None,
    examples: &[],
    read: |node, path, report| reader::string(node, path, report),
};

pub(crate) static ANY: Form = STRING;

pub(crate) static NAME: Form = Form {
    called: "name",
    wanted: "lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part",
    pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    most: Some(253),
    read: metadata::name,
    ..STRING
};

pub(crate) static BACKING: Form = Form {
    called: "backing",
    wanted: "queue, KafkaSink/<name> or NatsSink/<name>",
    pattern: "^(queue|(KafkaSink|NatsSink)/.+)$",
    examples: &["queue", "KafkaSink/orders", "NatsSink/orders"],
    read: broker::backing,
    ..STRING
};

pub(crate) static LABEL: Form = Form {
    called: "label",
    wanted: "lower-case letters, digits and '-', with a letter or digit at both ends",
    pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    most: Some(63),
    read: metadata::label,
    ..STRING
};

pub(crate) static PATH: Form =
    Form { called: "path", least: 1, examples: &["../functions/payment.wasm"], ..STRING };

pub(crate) static SCRIPT: Form =
    Form { called: "path", least: 1, examples: &["../functions/payment-js/payment.js"], ..STRING };

/// Of a ConfigMap, too.
pub(crate) static CONFIG_KEY: Form = Form {
    called: "strings or secret",
    wanted: "letters, digits, '-', '_' and '.'",
    pattern: "^[A-Za-z0-9_.-]+$",
    most: Some(told::LONGEST_KEY),
    examples: &["threshold"],
    ..STRING
};

pub(crate) static VARIABLE: Form = Form {
    called: "strings or secret",
    wanted: "letters, digits, '_', '-' and '.', with no digit first",
    pattern: "^[A-Za-z_.-][A-Za-z0-9_.-]*$",
    most: Some(told::LONGEST_KEY),
    examples: &["LOCALE"],
    ..STRING
};

/// What a function is told.
pub(crate) static TOLD: Form = Form { most: Some(told::LONGEST), ..STRING };

/// The name of an event's attribute, as Knative has it.
pub(crate) static ATTRIBUTE: Form = Form {
    called: "attribute",
    wanted: "lower-case letters and digits, a letter first",
    pattern: "^[a-z][a-z0-9]*$",
    examples: &["type", "source", "subject"],
    ..STRING
};

pub(crate) static NOT_EMPTY: Form = Form { least: 1, ..STRING };

pub(crate) static TENANT: Form = Form {
    called: "tenant",
    wanted: "a name, an attribute of the event as $customer, or up to eight of them with commas",
    pattern: tenant::Tenant::PATTERN,
    most: Some(tenant::LENGTH),
    examples: &["acme", "$customer, acme", "$authid"],
    read: tenant::text,
    ..STRING
};

pub(crate) static CESQL: Form = Form {
    called: "CESQL expression",
    least: 1,
    examples: &["type = 'order.created' AND source LIKE '/shop/%'", "EXISTS subject"],
    ..STRING
};

pub(crate) static DATA_FILTER: Form = Form {
    called: "data filter",
    least: 1,
    examples: &["/amount > 10000 and /country in [\"DE\", \"FR\"]"],
    ..STRING
};

pub(crate) static MAPPING: Form = Form {
    called: "mapping",
    wanted: "type=header:kind, id=/order/id, source=\"/shop\"",
    least: 1,
    examples: &["type=header:kind, id=/order/id", "source=\"/shop\""],
    ..STRING
};

pub(crate) static CONCURRENCY: Form = Form {
    called: "number in quotes",
    wanted: "a whole number in quotes, 1 or more",
    pattern: concat!("^", count!(), "$"),
    examples: &["4"],
    ..STRING
};

pub(crate) static RATE: Form = Form {
    called: "rate",
    wanted: "100/s or 100/s burst 200, with s, m or h",
    pattern: concat!("^", count!(), "/[smh]( burst ", count!(), ")?$"),
    examples: &["100/s", "100/s burst 200"],
    ..STRING
};

pub(crate) static BUDGET: Form = Form {
    called: "budget",
    wanted: "600000ms/day or 5.00/day",
    pattern: r"^(0*[1-9][0-9]{0,11}ms|[0-9]{1,6}(\.[0-9]{1,12})?)/day$",
    except: r"^0+(\.0+)?/day$",
    examples: &["600000ms/day", "5.00/day"],
    ..STRING
};

/// Its reader gives a length of time; here it is read for its mistakes.
pub(crate) static DURATION: Form = Form {
    called: "ISO 8601 duration",
    wanted: "a duration as PT0.2S, PT30S, PT5M or P1DT2H",
    pattern: quantity::ISO_PATTERN,
    examples: &["PT0.2S", "PT30S", "PT5M"],
    read: |node, path, report| reader::iso_duration(node, path, report).and_then(|_| node.text()),
    ..STRING
};

/// As settings have it, too.
pub(crate) static LENGTH: Form = Form {
    called: "duration",
    wanted: "a duration as 200ms, 30s or 1h30m",
    pattern: quantity::LENGTH_PATTERN,
    examples: &["500ms", "30s"],
    ..STRING
};

pub(crate) static SIZE: Form = Form {
    called: "size",
    wanted: "a size as 64KiB or 64MiB",
    pattern: quantity::SIZE_PATTERN,
    examples: &["64KiB", "64MiB"],
    ..STRING
};

pub(crate) static PRICE: Form = Form {
    called: "price",
    wanted: "a decimal in quotes, at most 6 digits before its point and 12 behind it",
    pattern: Money::PATTERN,
    examples: &["0.0000002"],
    ..STRING
};

/// Which days there are is for its reader.
pub(crate) static FROM: Form = Form {
    called: "day or time",
    wanted: "2027-01-01 or 2027-01-01T09:00:00Z",
    least: 1,
    examples: &["2027-01-01", "2027-01-01T09:00:00Z"],
    ..STRING
};

pub(crate) static TIME: Form = Form { except: "^[^1-9]*$", ..DURATION };

/// What is set on an event, and is not its own.
pub(crate) static EXTENSION: Form = Form {
    called: "extension",
    wanted: "lower-case letters and digits, and none of CloudEvents' own attributes",
    pattern: "^[a-z0-9]+$",
    except: "^(data|specversion|id|source|type|subject|time|datacontenttype|dataschema)$",
    most: Some(256),
    examples: &["region"],
    ..STRING
};

/// The file may be there or not; its folder must be.
pub(crate) static NEW_FILE: Form = Form { called: "path", least: 1, examples: &["usage.jsonl"], ..STRING };

pub(crate) static URL: Form = Form {
    called: "URL",
    wanted: "a URL as https://openmeter.example/api/v1/events, without a login",
    pattern: concat!("^https?://[^", blank!(), "@/?#]+([/?][^", blank!(), "#]*)?$"),
    examples: &["https://openmeter.example/api/v1/events"],
    ..STRING
};

pub(crate) static DESTINATION: Form = Form {
    called: "URL",
    wanted: "a URL as http://orders.shop.svc.cluster.local/events, without a login; beside a ref, its path",
    pattern: concat!("^(https?://[^", blank!(), "@/?#]+([/?][^", blank!(), "#]*)?|/[^", blank!(), "#]*)$"),
    examples: &["http://orders.shop.svc.cluster.local/events"],
    ..STRING
};

/// Authorities that anybody may read.
pub(crate) static CERTIFICATES: Form = Form {
    called: "certificates as PEM",
    wanted: "certificates as PEM, each from BEGIN to END",
    pattern: r"-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----",
    examples: &["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"],
    ..STRING
};

pub(crate) static TOPIC: Form = Form {
    called: "topic",
    wanted: "letters, digits, '.', '_' and '-'",
    pattern: "^[A-Za-z0-9._-]+$",
    except: r"^\.\.?$",
    most: Some(topic::LONGEST),
    examples: &["orders"],
    ..STRING
};

/// A topic for what is parked is called after it.
pub(crate) static GROUP: Form = Form {
    called: "group",
    wanted: "letters, digits, '.', '_' and '-'",
    pattern: "^[A-Za-z0-9._-]+$",
    most: Some(topic::LONGEST - ".parked".len()),
    examples: &["payments"],
    ..STRING
};

pub(crate) static KAFKA_SERVERS: Form = Form {
    called: "server",
    wanted: "host and port, as kafka.example:9092",
    pattern: concat!(r"^ *", server!(), r" *(, *", server!(), r" *)*$"),
    examples: &["kafka.example:9092"],
    ..STRING
};

pub(crate) static NATS_SERVERS: Form = Form {
    called: "server",
    wanted: "host and port, as nats://nats.example:4222, without a login",
    pattern: concat!(r"^ *((nats|tls)://)?", server!(), r" *(, *((nats|tls)://)?", server!(), r" *)*$"),
    examples: &["nats://nats.example:4222"],
    ..STRING
};

/// A stream or a durable consumer.
pub(crate) static NATS_NAME: Form = Form {
    called: "name",
    wanted: r"a name without white space and . * > / \",
    pattern: concat!("^[^", blank!(), r".*>/\\]+$"),
    most: Some(255),
    examples: &["ORDERS"],
    ..STRING
};

pub(crate) static SUBJECT: Form = Form {
    called: "subject",
    wanted: "words joined by '.', as orders.created",
    pattern: concat!("^", word!(), r"(\.", word!(), ")*$"),
    most: Some(255),
    examples: &["orders.created"],
    ..STRING
};

pub(crate) static SUBJECTS: Form = Form {
    called: "subject",
    wanted: "words joined by '.', as orders.created, orders.* or orders.>",
    pattern: concat!(r"^((\*|", word!(), r")(\.(\*|", word!(), r"))*(\.>)?|>)$"),
    most: Some(255),
    examples: &["orders.*", "orders.>"],
    ..STRING
};

/// Of a Secret, and of a key of it.
pub(crate) static SECRET_PART: Form = Form {
    called: "name",
    wanted: "letters, digits, '-', '_' and '.'",
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
    most: Some(253),
    examples: &["kafka"],
    ..STRING
};

/// Of a case of a Test: a line of whatever people like to read.
pub(crate) static CASE: Form = Form {
    called: "line of text",
    wanted: "one line that neither begins nor ends with a space",
    pattern: concat!("^[^", blank!(), r"]([^\x00-\x1f\x7f-\x9f]*[^", blank!(), "])?$"),
    most: Some(test::LONGEST_NAME),
    examples: &["a large order is flagged"],
    read: test::name,
    ..STRING
};

pub(crate) static EVENT_FILE: Form = Form { called: "path", least: 1, examples: &["order.json"], ..STRING };

/// As a Test names it: `namespace/name`, or its name alone.
pub(crate) static TRIGGER: Form = Form { called: "trigger", ..STRING };

/// Any that an event has.
pub(crate) static ATTRIBUTE_NAME: Form = Form {
    called: "attribute",
    wanted: "lower-case letters and digits",
    pattern: "^[a-z0-9]+$",
    most: Some(256),
    examples: &["partitionkey"],
    ..STRING
};

pub(crate) static SPECVERSION: Form =
    Form { called: "`1.0`", wanted: "\"1.0\"", pattern: r"^1\.0$", examples: &["1.0"], ..STRING };

pub(crate) static REFERENCE: Form =
    Form { called: "URI reference", least: 1, examples: &["/shop"], ..STRING };

pub(crate) static URI: Form =
    Form { called: "URI", least: 1, examples: &["https://example.com/order.json"], ..STRING };

pub(crate) static TIMESTAMP: Form =
    Form { called: "RFC 3339 time", least: 1, examples: &["2026-01-31T12:00:00Z"], ..STRING };

pub(crate) static MEDIA_TYPE: Form =
    Form { called: "media type", least: 1, examples: &["application/json"], ..STRING };

pub(crate) static BASE64: Form = Form {
    called: "Base64",
    examples: &["aGVsbG8="],
    wanted: "Base64 in the standard alphabet, padded, without line breaks",
    pattern: "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
    ..STRING
};
