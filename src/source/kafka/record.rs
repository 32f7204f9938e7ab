//! A record as an event: a CloudEvent passes through; whatever else becomes one as Knative's KafkaSource makes it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::{KafkaSource, KeyType, Mapping, Source};
use crate::event::{Event, Invalid, Value, binary};
use crate::source::wrapped::{self, Wrapped};

/// A record, borrowed from the client's buffer.
#[derive(Clone, Debug)]
pub struct Record<'r> {
    pub topic: &'r str,
    pub partition: i32,
    pub offset: i64,
    /// In milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub key: Option<&'r [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'r [u8]>,
    /// A header's value may be null.
    pub headers: Vec<(&'r str, Option<&'r [u8]>)>,
}

/// How a source's records are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `/apis/v1/namespaces/<namespace>/kafkasources/<name>#`
    prefix: String,
    key_type: KeyType,
    /// Set on every event.
    extensions: Vec<(String, String)>,
    /// Where what is no event has its attributes.
    mapping: Option<Mapping>,
}

impl Record<'_> {
    /// Whatever else is wrong with what does not is no reason to refuse it.
    fn claims_an_event(&self) -> bool {
        self.headers.iter().any(|(name, value)| match (*name, value) {
            (_, None) => false,
            ("ce_specversion", Some(_)) => true,
            (name, Some(value)) => {
                let claim = b"application/cloudevents";
                name.eq_ignore_ascii_case("content-type")
                    && value
                        .trim_ascii_start()
                        .get(..claim.len())
                        .is_some_and(|v| v.eq_ignore_ascii_case(claim))
            }
        })
    }
}

const TYPE: &str = "dev.knative.kafka.event";
const UNDECODABLE: &str = "dev.weir.kafka.undecodable";

impl Reading {
    pub fn new(namespace: &str, name: &str, key_type: KeyType, extensions: Vec<(String, String)>) -> Reading {
        let prefix = format!("/apis/v1/namespaces/{namespace}/kafkasources/{name}#");
        Reading { prefix, key_type, extensions, mapping: None }
    }

    /// As the document says.
    pub fn of(source: &Source, kafka: &KafkaSource) -> Reading {
        let plain = Reading::new(&source.namespace, &source.name, kafka.key_type, source.extensions.clone());
        Reading { mapping: kafka.mapping.clone(), ..plain }
    }

    /// An error: it claims to be a CloudEvent and is none, or lacks what the document maps.
    pub fn event<'r>(&'r self, record: &Record<'r>) -> Result<Event<'r>, Invalid> {
        let mut event = match record.claims_an_event() {
            true => binary::decode_kafka(record.headers.iter().copied(), record.value)?,
            false => self.made(record, self.mapping.as_ref().unwrap_or(&wrapped::NOTHING))?,
        };
        // The record's key is where a Kafka producer has the partitionkey.
        if let Some(key) = record.key.filter(|_| event.extension("partitionkey").is_none()) {
            event.set_extension("partitionkey", Value::String(self.key(key)));
        }
        for (name, value) in &self.extensions {
            event.set_extension(name, Value::String(value.as_str().into()));
        }
        Ok(event)
    }

    /// What claims to be an event and is none, whole, with the reason.
    pub fn undecodable<'r>(&'r self, record: &Record<'r>, why: &Invalid) -> Event<'r> {
        let event = self.made(record, &wrapped::NOTHING).expect("whatever claims nothing is an event");
        wrapped::undecodable(event, UNDECODABLE, why)
    }

    /// As Knative makes it, but for what is mapped.
    fn made<'r>(&'r self, record: &Record<'r>, mapping: &'r Mapping) -> Result<Event<'r>, Invalid> {
        let (partition, offset) = (record.partition, record.offset);
        let wrapped = Wrapped {
            ty: TYPE,
            source: format!("{}{}", self.prefix, record.topic),
            id: format!("partition:{partition}/offset:{offset}"),
            subject: format!("partition:{partition}#{offset}").into(),
            timestamp: record.timestamp,
            key: record.key.map(|key| self.key(key)),
            prefix: "kafkaheader",
        };
        wrapped.event((&record.headers, record.value), mapping)
    }

    /// The key as text, by what its bytes are. Bytes that are no such thing are taken as they are.
    fn key<'k>(&self, key: &'k [u8]) -> Cow<'k, str> {
        match (self.key_type, key.len()) {
            (KeyType::Int, 4) => Cow::Owned(i32::from_be_bytes(array(key)).to_string()),
            (KeyType::Float, 4) => Cow::Owned(format!("{:?}", f32::from_be_bytes(array(key)))),
            (KeyType::Float, 8) => Cow::Owned(format!("{:?}", f64::from_be_bytes(array(key)))),
            (KeyType::ByteArray, _) => Cow::Owned(STANDARD.encode(key)),
            _ => wrapped::text(key),
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("its length was looked at")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Whence;
    use crate::event::Data;

    fn reading(key_type: KeyType) -> Reading {
        Reading::new("shop", "orders", key_type, vec![("region".to_owned(), "eu".to_owned())])
    }

    fn record<'r>(headers: &[(&'r str, Option<&'r [u8]>)], value: Option<&'r [u8]>) -> Record<'r> {
        let timestamp = Some(1_700_000_000_123);
        let headers = headers.to_vec();
        Record { topic: "t.1", partition: 3, offset: 42, timestamp, key: None, value, headers }
    }

    #[test]
    fn what_is_no_event_becomes_one_as_knative_makes_it() {
        let headers: [(&str, Option<&[u8]>); 6] = [
            ("Tenant-Id", Some(b"acme")),
            ("content-type", Some(b"application/json")),
            ("bytes", Some(b"\xff\x00")),
            ("null", None),
            ("tenantid", Some(b"second")),
            ("--", Some(b"nameless")),
        ];
        let reading = reading(KeyType::String);
        let record = Record { key: Some(b"customer-7"), ..record(&headers, Some(b"{\"n\":1}")) };
        let event = reading.event(&record).unwrap();
        assert_eq!(event.ty, "dev.knative.kafka.event");
        assert_eq!(event.source, "/apis/v1/namespaces/shop/kafkasources/orders#t.1");
        assert_eq!((&*event.id, event.subject.as_deref()), ("partition:3/offset:42", Some("partition:3#42")));
        assert_eq!(event.time.as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(event.datacontenttype.as_deref(), Some("application/json"));
        assert_eq!(event.data, Some(Data::Json("{\"n\":1}".into())));
        let extensions: Vec<_> =
            event.extensions.iter().map(|(name, value)| (&**name, value.text().into_owned())).collect();
        let expected = [
            ("partitionkey", "customer-7"),
            ("key", "customer-7"),
            ("kafkaheadertenantid", "acme"),
            ("kafkaheaderbytes", "/wA="),
            ("region", "eu"),
        ];
        assert_eq!(extensions, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_is_mapped_is_taken_from_the_record_and_the_rest_stays() {
        let pointer = |names: &[&str]| Whence::Pointer(names.iter().map(|name| Box::from(*name)).collect());
        let mapping = Mapping {
            ty: Some(Whence::Header("kind".into())),
            id: Some(pointer(&["order", "id"])),
            source: Some(Whence::Text("/shop".into())),
            subject: None,
        };
        let reading = Reading { mapping: Some(mapping), ..reading(KeyType::String) };
        let headers: [(&str, Option<&[u8]>); 1] = [("kind", Some(b"order.created"))];
        let whole = record(&headers, Some(br#"{"order": {"id": 12345678901234567890}}"#));
        let event = reading.event(&whole).unwrap();
        assert_eq!(
            (&*event.ty, &*event.id, &*event.source),
            ("order.created", "12345678901234567890", "/shop")
        );
        assert_eq!(event.subject.as_deref(), Some("partition:3#42"));
        assert_eq!(event.attribute("kafkaheaderkind").as_deref(), Some("order.created"));
        assert!(
            matches!(event.data, Some(Data::Json(_)))
                && event.datacontenttype.as_deref() == Some("application/json")
        );
        let lacking = record(&headers, Some(b"{}"));
        let message = reading.event(&lacking).unwrap_err().to_string();
        assert_eq!(message, "id: weir.dev/map looks for it in /order/id: it is not there");
        let empty: [(&str, Option<&[u8]>); 1] = [("kind", Some(b""))];
        let message = reading.event(&record(&empty, whole.value)).unwrap_err().to_string();
        assert!(message.starts_with("type: empty"), "{message}");
        // What is an event already needs no map.
        let event: [(&str, Option<&[u8]>); 4] = [
            ("ce_specversion", Some(b"1.0")),
            ("ce_id", Some(b"1")),
            ("ce_source", Some(b"/s")),
            ("ce_type", Some(b"t")),
        ];
        assert_eq!(reading.event(&record(&event, None)).unwrap().id, "1");
    }

    #[test]
    fn an_event_passes_through_with_the_records_key_where_it_has_none_of_its_own() {
        let event: [(&str, Option<&[u8]>); 5] = [
            ("ce_specversion", Some(b"1.0")),
            ("ce_id", Some(b"1")),
            ("ce_source", Some(b"/s")),
            ("ce_type", Some(b"t")),
            ("ce_region", Some(b"us")),
        ];
        let reading = reading(KeyType::String);
        let plain = Record { key: Some(b"k"), ..record(&event, None) };
        let read = reading.event(&plain).unwrap();
        assert_eq!((&*read.ty, read.partition_key().as_deref()), ("t", Some("k")));
        assert_eq!(read.attribute("region").as_deref(), Some("eu"), "what the source says wins");
        let own = [&event[..], &[("ce_partitionkey", Some(&b"own"[..]))]].concat();
        let own = Record { key: Some(b"k"), ..record(&own, None) };
        assert_eq!(reading.event(&own).unwrap().partition_key().as_deref(), Some("own"));
        let broken = [("ce_specversion", Some(&b"1.0"[..])), ("ce_id", Some(b""))];
        assert!(reading.event(&record(&broken, None)).is_err(), "it claims to be one");
    }

    #[test]
    fn a_key_is_what_its_label_says() {
        for (key_type, key, text) in [
            (KeyType::String, &b"plain"[..], "plain"),
            (KeyType::String, b"\xff", "/w=="),
            (KeyType::Int, &(-7_i32).to_be_bytes(), "-7"),
            (KeyType::Int, b"seven", "seven"),
            (KeyType::Float, &1.5_f32.to_be_bytes(), "1.5"),
            (KeyType::Float, &2.0_f64.to_be_bytes(), "2.0"),
            (KeyType::Float, b"x", "x"),
            (KeyType::ByteArray, b"plain", "cGxhaW4="),
        ] {
            assert_eq!(reading(key_type).key(key), text, "{key_type:?} {key:?}");
        }
    }

    proptest! {
        #[test]
        fn every_record_that_claims_nothing_is_an_event(
            headers in prop::collection::vec(("[A-Za-z -]{0,12}|[Cc]ontent-[Tt]ype|ce_id", any::<Option<Vec<u8>>>()), 0..40),
            key: Option<Vec<u8>>, value: Option<Vec<u8>>, timestamp: Option<i64>, topic in "[A-Za-z0-9._-]{1,40}",
        ) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let record = Record {
                topic: &topic, partition: 0, offset: i64::MAX, timestamp,
                key: key.as_deref(), value: value.as_deref(), headers,
            };
            for key_type in [KeyType::String, KeyType::Int, KeyType::Float, KeyType::ByteArray] {
                let reading = reading(key_type);
                let event = reading.event(&record);
                prop_assert!(event.is_ok(), "{event:?}");
                let event = event.unwrap();
                prop_assert_eq!(event.data.as_ref().map(Data::bytes), record.value);
            }
        }
    }
}
