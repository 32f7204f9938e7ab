//! A message as an event: a CloudEvent passes through, in the specification's form or the Go SDK's; whatever else becomes one
//! as a record of Kafka does.

use async_nats::HeaderMap;

use crate::config::{Mapping, NatsSource, Source};
use crate::event::{Event, Invalid, Value, binary};
use crate::source::wrapped::{self, Wrapped};

/// A message, borrowed from the client's buffer.
#[derive(Clone, Debug)]
pub struct Message<'m> {
    pub subject: &'m str,
    pub sequence: u64,
    /// In milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// A header of several values stands here as often. None is null, unlike in Kafka.
    pub headers: Vec<(&'m str, Option<&'m [u8]>)>,
    pub payload: &'m [u8],
}

/// What a message's reply subject says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub sequence: u64,
    /// So many deliveries the durable has made by this one.
    pub delivery: u64,
    /// Since 1970, in nanoseconds.
    pub published: i64,
}

impl Place {
    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer's sequence>.<time>.<pending>`; newer servers say the
    /// domain and the account before the stream.
    pub fn of(reply: &str) -> Option<Place> {
        let words = reply.strip_prefix("$JS.ACK.")?;
        let before = match words.split('.').count() {
            7 => 3,
            9.. => 5,
            _ => return None,
        };
        let mut words = words.split('.').skip(before);
        let sequence = words.next()?.parse().ok()?;
        let delivery = words.next()?.parse().ok()?;
        let published = words.next()?.parse().ok()?;
        Some(Place { sequence, delivery, published })
    }
}

/// How a source's messages are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `/apis/v1/namespaces/<namespace>/natssources/<name>#<stream>`
    source: String,
    /// Set on every event.
    extensions: Vec<(String, String)>,
    /// Where what is no event has its attributes.
    mapping: Option<Mapping>,
    /// Subjects end with their partition: what stands before it is the key of what has none.
    is_partitioned: bool,
}

/// What the server tells whoever has a partition: no header of the message's own.
pub(super) const PIN: &str = "Nats-Pin-Id";

const TYPE: &str = "dev.weir.nats.event";
const UNDECODABLE: &str = "dev.weir.nats.undecodable";

impl<'m> Message<'m> {
    /// As the client has it.
    pub fn of(
        subject: &'m str,
        sequence: u64,
        milliseconds: i64,
        (headers, payload): (Option<&'m HeaderMap>, &'m [u8]),
    ) -> Message<'m> {
        let headers = headers.iter().flat_map(|headers| headers.iter());
        let headers = headers.filter(|(name, _)| AsRef::<str>::as_ref(name) != PIN);
        let headers = headers.flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, Some(value.as_str().as_bytes())))
        });
        Message { subject, sequence, timestamp: Some(milliseconds), headers: headers.collect(), payload }
    }

    /// By its headers alone: a payload may look like an event and be none.
    fn claims_an_event(&self) -> bool {
        let begins = |value: &[u8], with: &[u8]| {
            value.trim_ascii_start().get(..with.len()).is_some_and(|v| v.eq_ignore_ascii_case(with))
        };
        self.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("ce-specversion")
                || name.eq_ignore_ascii_case("content-type")
                    && value.is_some_and(|value| begins(value, b"application/cloudevents"))
        })
    }
}

impl Reading {
    /// As the document says.
    pub fn of(source: &Source, nats: &NatsSource) -> Reading {
        Reading {
            extensions: source.extensions.clone(),
            mapping: nats.mapping.clone(),
            is_partitioned: nats.partitions.is_some(),
            ..Reading::new(&source.namespace, &source.name, &nats.stream)
        }
    }

    /// Of a stream that no document says more of.
    pub fn new(namespace: &str, name: &str, stream: &str) -> Reading {
        let source = format!("/apis/v1/namespaces/{namespace}/natssources/{name}#{stream}");
        Reading { source, extensions: Vec::new(), mapping: None, is_partitioned: false }
    }

    /// An error: it claims to be a CloudEvent and is none, or lacks what the document maps.
    pub fn event<'r>(&'r self, message: &Message<'r>) -> Result<Event<'r>, Invalid> {
        let headers = message.headers.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let mut event = match binary::decode_nats(headers, message.payload) {
            Ok(event) => event,
            Err(why) if message.claims_an_event() => return Err(why),
            Err(_) => self.made(message, self.mapping.as_ref().unwrap_or(&wrapped::NOTHING))?,
        };
        let key = message.subject.rsplit_once('.').filter(|_| self.is_partitioned);
        if let Some((key, _)) = key.filter(|_| event.extension("partitionkey").is_none()) {
            event.set_extension("partitionkey", Value::String(key.into()));
        }
        for (name, value) in &self.extensions {
            event.set_extension(name, Value::String(value.as_str().into()));
        }
        Ok(event)
    }

    /// What claims to be an event and is none, whole, with the reason.
    pub fn undecodable<'r>(&'r self, message: &Message<'r>, why: &Invalid) -> Event<'r> {
        let event = self.made(message, &wrapped::NOTHING).expect("whatever claims nothing is an event");
        wrapped::undecodable(event, UNDECODABLE, why)
    }

    fn made<'r>(&'r self, message: &Message<'r>, mapping: &'r Mapping) -> Result<Event<'r>, Invalid> {
        let wrapped = Wrapped {
            ty: TYPE,
            source: self.source.clone(),
            id: format!("sequence:{}", message.sequence),
            subject: wrapped::text(message.subject.as_bytes()),
            timestamp: message.timestamp,
            key: None,
            prefix: "natsheader",
        };
        let payload = Some(message.payload).filter(|payload| !payload.is_empty());
        wrapped.event((&message.headers, payload), mapping)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Whence;
    use crate::event::{Data, arbitrary, structured};

    fn reading() -> Reading {
        Reading {
            source: "/apis/v1/namespaces/shop/natssources/orders#ORDERS".to_owned(),
            extensions: vec![("region".to_owned(), "eu".to_owned())],
            mapping: None,
            is_partitioned: false,
        }
    }

    fn message<'m>(headers: &[(&'m str, &'m str)], payload: &'m [u8]) -> Message<'m> {
        let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        let timestamp = Some(1_700_000_000_123);
        Message { subject: "orders.created", sequence: 42, timestamp, headers, payload }
    }

    const EVENT: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    #[test]
    fn what_is_no_event_becomes_one_with_its_subject_and_headers() {
        let headers = [
            ("Tenant-Id", "acme"),
            ("Content-Type", "application/json"),
            ("Nats-Msg-Id", "7"),
            ("tenantid", "second"),
            ("--", "nameless"),
        ];
        let reading = reading();
        let event = reading.event(&message(&headers, b"{\"n\":1}")).unwrap();
        assert_eq!(event.ty, "dev.weir.nats.event");
        assert_eq!(event.source, "/apis/v1/namespaces/shop/natssources/orders#ORDERS");
        assert_eq!((&*event.id, event.subject.as_deref()), ("sequence:42", Some("orders.created")));
        assert_eq!(event.time.as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(event.datacontenttype.as_deref(), Some("application/json"));
        assert_eq!(event.data, Some(Data::Json("{\"n\":1}".into())));
        let extensions: Vec<_> =
            event.extensions.iter().map(|(name, value)| (&**name, value.text().into_owned())).collect();
        let expected = [("natsheadertenantid", "acme"), ("natsheadernatsmsgid", "7"), ("region", "eu")];
        assert_eq!(extensions, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(reading.event(&message(&[], b"")).unwrap().data, None);
    }

    #[test]
    fn a_reply_subject_says_where_its_message_stands() {
        let place = Place { sequence: 100, delivery: 7, published: 1_790_230_470_084_404_000 };
        for reply in [
            "$JS.ACK.events.durable.3.100.7.1790230470084404000.42",
            "$JS.ACK._.szMpdrwD.events.durable.3.100.7.1790230470084404000.42",
            "$JS.ACK.hub.szMpdrwD.events.durable.3.100.7.1790230470084404000.42.token",
        ] {
            assert_eq!(Place::of(reply), Some(place), "{reply}");
        }
        for other in ["_INBOX.x", "$JS.ACK.a.b.1.x.7.1.42", "$JS.ACK.a.b.1.2.7.42", ""] {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_mapped_is_taken_from_the_message() {
        let pointer = |names: &[&str]| Whence::Pointer(names.iter().map(|name| Box::from(*name)).collect());
        let mapping = Mapping {
            ty: Some(Whence::Header("kind".into())),
            id: Some(pointer(&["order"])),
            source: Some(Whence::Text("/shop".into())),
            subject: None,
        };
        let reading = Reading { mapping: Some(mapping), ..reading() };
        let headers = [("Kind", "order.created")];
        let event = reading.event(&message(&headers, b"{\"order\": 7}")).unwrap();
        assert_eq!((&*event.ty, &*event.id, &*event.source), ("order.created", "7", "/shop"));
        let lacking = reading.event(&message(&headers, b"{}")).unwrap_err().to_string();
        assert_eq!(lacking, "id: weir.dev/map looks for it in /order: it is not there");
        assert_eq!(reading.event(&message(&EVENT, b"{}")).unwrap().id, "1", "an event needs no map");
    }

    /// sdk-go 2 and 3 with their JetStream bindings: values as they are, the payload's type as `content-type`, and a
    /// structured event without any header.
    #[test]
    fn what_the_go_sdk_writes_is_read() {
        let reading = reading();
        let plain = [("ce-subject", "100% of a b"), ("content-type", "text/plain")];
        let event = [&EVENT[..], &plain].concat();
        let event = reading.event(&message(&event, b"hi")).unwrap();
        assert_eq!(event.subject.as_deref(), Some("100% of a b"));
        assert_eq!(event.datacontenttype.as_deref(), Some("text/plain"));
        assert_eq!(event.data, Some(Data::Text("hi".into())));
        let whole = br#"{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{"n":1}}"#;
        assert_eq!(reading.event(&message(&[], whole)).unwrap().id, "a");
    }

    #[test]
    fn what_claims_to_be_an_event_and_is_none_is_kept_whole_with_the_reason() {
        let reading = reading();
        let structured = [("Content-Type", "Application/CloudEvents+json")];
        for (headers, payload) in
            [(&EVENT[..3], &b"{}"[..]), (&structured, b"{}"), (&[("CE-SpecVersion", "1.0")], b"\xff")]
        {
            let message = message(headers, payload);
            let why = reading.event(&message).unwrap_err();
            let kept = reading.undecodable(&message, &why);
            assert_eq!(
                (&*kept.ty, kept.data.as_ref().map(Data::bytes)),
                ("dev.weir.nats.undecodable", Some(payload))
            );
            assert_eq!(kept.attribute("weirerror").unwrap(), why.to_string());
        }
        let loose = reading.event(&message(&[], br#"{"specversion":"1.0"}"#)).unwrap();
        assert_eq!(loose.ty, "dev.weir.nats.event", "no header claims anything");
    }

    proptest! {
        #[test]
        fn every_message_that_claims_nothing_is_an_event(
            headers in prop::collection::vec(("[A-Za-z -]{0,12}|[Cc]ontent-[Tt]ype|[cC]e-id", any::<String>()), 0..40),
            payload: Vec<u8>, timestamp: Option<i64>, subject in "[^ \t]{1,40}",
        ) {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
            let message = Message { subject: &subject, sequence: u64::MAX, timestamp, headers, payload: &payload };
            let reading = reading();
            let event = reading.event(&message);
            prop_assert!(event.is_ok(), "{event:?}");
            let event = event.unwrap();
            prop_assert_eq!(event.data.as_ref().map_or(&b""[..], Data::bytes), &payload);
        }

        #[test]
        fn an_event_passes_through_in_either_mode(event in arbitrary::event()) {
            let plain = Reading { extensions: vec![], ..reading() };
            let encoded = binary::encode_nats(&event);
            let headers: Vec<_> = encoded.headers.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
            let apart = message(&headers, encoded.body.as_deref().unwrap_or_default());
            let read = plain.event(&apart).unwrap();
            prop_assert_eq!(&read, &arbitrary::with_string_values(event.clone()));
            let mut json = Vec::new();
            structured::encode(&event, &mut json);
            let whole = message(&[("Content-Type", "application/cloudevents+json")], &json);
            prop_assert_eq!(&plain.event(&whole).unwrap(), &event);
        }
    }
}
