//! What a document is: its apiVersion and kind decide who reads it.

use super::diagnostic::{Code, Report};
use super::later::{self, Later};
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::spelling::{listed, nearest};
use super::text::{Place, Span};
use super::{KafkaSink, NatsSink};
use super::{
    billing_sink, broker, function, kafka_sink, kafka_source, nats_sink, nats_source, source, trigger,
};

/// A kind that is ours to understand, and the apiVersions that it may have: the one to write first.
struct Known {
    kind: &'static str,
    api_versions: &'static [&'static str],
    reading: Reading,
    /// What is said of it, where it does nothing yet.
    later: Option<Later>,
}

#[derive(Clone, Copy)]
enum Reading {
    Trigger,
    Broker,
    Function,
    KafkaSource,
    KafkaSink,
    NatsSource,
    NatsSink,
    BillingSink,
    /// Once all else is known, and not by everybody.
    Test,
}

impl Known {
    fn group(&self) -> &'static str {
        group_of(self.api_versions[0])
    }
}

const WEIR: &[&str] = &["weir.dev/v1alpha1"];
const EVENTING: &[&str] = &["eventing.knative.dev/v1"];

const KNOWN: [Known; 9] = [
    Known { kind: "Trigger", api_versions: EVENTING, reading: Reading::Trigger, later: None },
    Known { kind: "Broker", api_versions: EVENTING, reading: Reading::Broker, later: None },
    Known { kind: "Function", api_versions: WEIR, reading: Reading::Function, later: None },
    Known { kind: "Test", api_versions: WEIR, reading: Reading::Test, later: None },
    Known {
        kind: "KafkaSource",
        // A cluster serves both; v1 has fields more.
        api_versions: &["sources.knative.dev/v1", "sources.knative.dev/v1beta1"],
        reading: Reading::KafkaSource,
        later: Some(later::KAFKA_SOURCE),
    },
    Known {
        kind: "KafkaSink",
        api_versions: &["eventing.knative.dev/v1alpha1"],
        reading: Reading::KafkaSink,
        later: Some(later::KAFKA_SINK),
    },
    Known {
        kind: "NatsSource",
        api_versions: WEIR,
        reading: Reading::NatsSource,
        later: Some(later::NATS_SOURCE),
    },
    Known { kind: "NatsSink", api_versions: WEIR, reading: Reading::NatsSink, later: Some(later::NATS_SINK) },
    Known {
        kind: "BillingSink",
        api_versions: WEIR,
        reading: Reading::BillingSink,
        later: Some(later::BILLING_SINK),
    },
];

/// A document as read by itself. What it names is looked up once all are read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub namespace: String,
    pub name: String,
    pub place: Place,
    pub draft: Draft,
}

#[derive(Clone, Debug)]
pub(super) enum Draft {
    /// `None`: known by its name alone, the rest is reported.
    Trigger(Option<Box<trigger::Draft>>),
    Broker(broker::Draft),
    Function(Option<function::Draft>),
    KafkaSource(Option<source::Draft>),
    KafkaSink(Option<KafkaSink>),
    NatsSource(Option<source::Draft>),
    NatsSink(Option<NatsSink>),
    BillingSink(Option<billing_sink::Draft>),
    /// Not read yet, not even its name.
    Test(Node),
}

impl Document {
    pub(super) fn kind(&self) -> &'static str {
        match self.draft {
            Draft::Trigger(_) => "Trigger",
            Draft::Broker(_) => "Broker",
            Draft::Function(_) => "Function",
            Draft::KafkaSource(_) => "KafkaSource",
            Draft::KafkaSink(_) => "KafkaSink",
            Draft::NatsSource(_) => "NatsSource",
            Draft::NatsSink(_) => "NatsSink",
            Draft::BillingSink(_) => "BillingSink",
            Draft::Test(_) => "Test",
        }
    }
}

/// Reads a document, or each item of a `List`, into `documents`.
pub(super) fn read(root: &Node, documents: &mut Vec<Document>, report: &mut Report<'_>) {
    let Kind::Map(_) = &root.kind else {
        report
            .error(
                root.span,
                format!("expected a document with apiVersion and kind, found {}", root.describe()),
            )
            .code(Code::DOCUMENT)
            .help("a document begins with 'apiVersion:' and 'kind:'");
        return;
    };
    let Some(mut fields) = Fields::of(root, "the document", report) else { return };
    let (version, kind) = (fields.optional("apiVersion"), fields.optional("kind"));
    let kind_text = kind.map(|node| reader::string(node, "kind", report));
    let version_text = version.map(|node| reader::string(node, "apiVersion", report));
    let (Some(version), Some(kind)) = (version, kind) else {
        let missing = if kind.is_none() { "kind" } else { "apiVersion" };
        let known = KNOWN.iter().find(|known| Some(Some(known.kind)) == kind_text);
        let help = match known {
            Some(known) => format!("add 'apiVersion: {}'", known.api_versions[0]),
            None => "a document begins with 'apiVersion:' and 'kind:'".into(),
        };
        report.error(root.span, format!("the document has no {missing}")).code(Code::DOCUMENT).help(help);
        return;
    };
    // One that is no string is reported.
    let (Some(Some(version_text)), Some(Some(kind_text))) = (version_text, kind_text) else { return };
    if kind_text == "List" && version_text == "v1" {
        fields.entry("metadata");
        match fields.optional("items").map(|node| &node.kind) {
            Some(Kind::Seq(items)) => items.iter().for_each(|item| read(item, documents, report)),
            _ => reader::expected(root, "List.items", "a list of documents", report),
        }
        fields.finish(report);
        return;
    }
    if let Some(known) = recognise(version_text, version.span, kind_text, kind.span, report) {
        fields.path = known.kind.to_owned();
        read_known(known, fields, kind.span, documents, report);
    }
}

fn read_known(
    known: &Known,
    mut fields: Fields<'_>,
    kind_span: Span,
    documents: &mut Vec<Document>,
    report: &mut Report<'_>,
) {
    if let Some(later) = &known.later {
        later.note(kind_span, &format!("a {}", known.kind), report);
    }
    if let Reading::Test = known.reading {
        let (place, draft) = (report.place(kind_span), Draft::Test(fields.node.clone()));
        return documents.push(Document { namespace: String::new(), name: String::new(), place, draft });
    }
    // What the cluster writes; nothing to us.
    fields.map("status", report);
    let metadata = Metadata::read(&mut fields, known.kind, report);
    let document = &mut fields;
    let draft = match known.reading {
        Reading::Trigger => Draft::Trigger(trigger::read(document, &metadata, report).map(Box::new)),
        Reading::Broker => Draft::Broker(broker::read(document, &metadata, report)),
        Reading::Function => Draft::Function(function::read(document, &metadata, report)),
        Reading::KafkaSource => Draft::KafkaSource(kafka_source::read(document, &metadata, report)),
        Reading::KafkaSink => Draft::KafkaSink(kafka_sink::read(document, &metadata, report)),
        Reading::NatsSource => Draft::NatsSource(nats_source::read(document, &metadata, report)),
        Reading::NatsSink => Draft::NatsSink(nats_sink::read(document, &metadata, report)),
        Reading::BillingSink => Draft::BillingSink(billing_sink::read(document, &metadata, report)),
        Reading::Test => unreachable!("it is read later"),
    };
    if let Some((name, span)) = metadata.name {
        let namespace = metadata.namespace().into();
        documents.push(Document { namespace, name: name.into(), place: report.place(span), draft });
    }
    fields.finish(report);
}

/// The known kind that this is. Foreign ones are passed over with a note; what looks like a mistake is an error.
fn recognise(
    version: &str,
    version_span: Span,
    kind: &str,
    kind_span: Span,
    report: &mut Report<'_>,
) -> Option<&'static Known> {
    let group = group_of(version);
    let weir = nearest(group, ["weir.dev"]).is_some();
    let knative = group == "knative.dev" || group.ends_with(".knative.dev");
    let ours =
        |known: &Known| group.is_empty() || weir || knative || nearest(group, [known.group()]).is_some();
    let near = nearest(kind, KNOWN.iter().map(|known| known.kind));
    match KNOWN.iter().find(|known| Some(known.kind) == near) {
        Some(known) if known.kind == kind && known.api_versions.contains(&version) => {
            return Some(known);
        }
        Some(known) if known.kind == kind && ours(known) => {
            report
                .error(version_span, format!("a {kind} is not of apiVersion '{version}'"))
                .code(Code::DOCUMENT)
                .help(format!("write 'apiVersion: {}'", known.api_versions[0]));
            return None;
        }
        Some(known) if ours(known) => {
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .code(Code::DOCUMENT)
                .help(format!("did you mean '{}'?", known.kind));
            return None;
        }
        _ if weir => {
            let ours = KNOWN.iter().filter(|known| known.group() == "weir.dev");
            report
                .error(kind_span, format!("unknown kind '{kind}'"))
                .code(Code::DOCUMENT)
                .help(format!("weir.dev has {}", listed(ours.map(|known| known.kind))));
            return None;
        }
        _ => {}
    }
    report
        .note(kind_span, format!("a {kind} of '{version}' is not for weir: passed over"))
        .code(Code::PASSED_OVER);
    None
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}
