//! A parcel as a record of Kafka's: its key, its headers and its value.

use std::borrow::Cow;

use rdkafka::message::{Header, OwnedHeaders};

use crate::event::{Data, Event, binary, mode, record, structured};
use crate::sink::parcel::{Contents, Parcel, Plain};
use crate::sink::receipt::Refusal;

pub(super) struct Message<'p> {
    pub(super) key: Option<Cow<'p, [u8]>>,
    pub(super) headers: OwnedHeaders,
    pub(super) value: Option<Cow<'p, [u8]>>,
}

impl<'p> Message<'p> {
    pub(super) fn of(parcel: &'p Parcel) -> Result<Message<'p>, Refusal> {
        match &parcel.contents {
            Contents::Plain(plain) => Ok(Message::plain(plain)),
            Contents::Event(bytes) => {
                let event = record::decode(bytes)
                    .map_err(|corrupt| Refusal::never(format!("its record can't be read: {corrupt}")))?;
                Ok(Message::event(event, parcel.outlet.is_structured))
            }
        }
    }

    fn plain(plain: &'p Plain) -> Message<'p> {
        let mut headers = OwnedHeaders::new_with_capacity(plain.headers.len());
        for (name, value) in &plain.headers {
            headers = headers.insert(Header { key: name, value: value.as_deref() });
        }
        let borrowed = |bytes: &'p Option<Vec<u8>>| bytes.as_deref().map(Cow::Borrowed);
        Message { key: borrowed(&plain.key), headers, value: borrowed(&plain.value) }
    }

    fn event(event: Event<'p>, is_structured: bool) -> Message<'p> {
        let key = event.partition_key().map(|key| Cow::Owned(key.into_owned().into_bytes()));
        if is_structured || binary::needs_structured(&event) {
            let headers = OwnedHeaders::new_with_capacity(1);
            let headers = headers.insert(Header { key: "content-type", value: Some(mode::STRUCTURED) });
            let mut json = Vec::with_capacity(512);
            structured::encode(&event, &mut json);
            return Message { key, headers, value: Some(Cow::Owned(json)) };
        }
        // As `binary::encode_kafka`, which the tests hold it to, without a text for each name.
        let mut headers = OwnedHeaders::new_with_capacity(12 + event.extensions.len());
        let mut name = String::from("ce_");
        for (attribute, value) in event.attributes() {
            let key = match attribute {
                "datacontenttype" => "content-type",
                attribute => {
                    name.truncate("ce_".len());
                    name.push_str(attribute);
                    &name
                }
            };
            headers = headers.insert(Header { key, value: Some(&*value) });
        }
        Message { key, headers, value: event.data.map(bytes) }
    }
}

fn bytes(data: Data<'_>) -> Cow<'_, [u8]> {
    match data {
        Data::Binary(bytes) => bytes,
        Data::Json(Cow::Borrowed(text)) | Data::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Data::Json(Cow::Owned(text)) | Data::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rdkafka::message::Headers;

    use super::*;
    use crate::event::arbitrary;
    use crate::sink::parcel::{Cluster, Instead, Outlet};

    fn parcel(json: &str, is_structured: bool) -> Parcel {
        let outlet = Outlet {
            name: "KafkaSink default/out".into(),
            cluster: Arc::new(Cluster::new([])),
            topic: "out".into(),
            is_structured,
            create: None,
            stream: None,
            partitions: None,
        };
        let mut bytes = Vec::new();
        record::encode(&structured::decode(json.as_bytes()).unwrap(), &mut bytes);
        Parcel::of_event(Arc::new(outlet), bytes, Instead::Parked)
    }

    fn headers(message: &Message<'_>) -> Vec<(String, String)> {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        message.headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    }

    const EVENT: &str =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","partitionkey":"k","data":{"a":1}}"#;

    #[test]
    fn an_event_is_a_record_in_the_outlet_s_mode_with_its_partitionkey_as_the_key() {
        let binary = parcel(EVENT, false);
        let message = Message::of(&binary).unwrap();
        assert_eq!(message.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(message.value.as_deref(), Some(&br#"{"a":1}"#[..]));
        let said = headers(&message);
        assert!(said.contains(&("ce_id".to_owned(), "1".to_owned())), "{said:?}");
        assert!(said.contains(&("ce_partitionkey".to_owned(), "k".to_owned())), "{said:?}");
        let whole = parcel(EVENT, true);
        let message = Message::of(&whole).unwrap();
        assert_eq!(headers(&message), [("content-type".to_owned(), mode::STRUCTURED.to_owned())]);
        let value = message.value.unwrap();
        assert_eq!(structured::decode(&value).unwrap(), structured::decode(EVENT.as_bytes()).unwrap());
    }

    proptest! {
        #[test]
        fn any_event_is_what_the_binding_says(event in arbitrary::event()) {
            let mut bytes = Vec::new();
            record::encode(&event, &mut bytes);
            let parcel = Parcel { contents: Contents::Event(bytes), ..parcel(EVENT, false) };
            let message = Message::of(&parcel).unwrap();
            let expected = binary::encode_kafka(&event);
            let pairs = expected.headers.iter().map(|(name, value)| (name.clone(), value.to_string()));
            prop_assert_eq!(headers(&message), pairs.collect::<Vec<_>>());
            prop_assert_eq!(message.value.as_deref(), expected.body.as_deref());
        }
    }

    #[test]
    fn an_event_without_data_has_a_null_value_and_one_without_a_key_none() {
        let parcel = parcel(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#, false);
        let message = Message::of(&parcel).unwrap();
        assert!(message.value.is_none() && message.key.is_none());
    }

    #[test]
    fn a_plain_record_goes_as_it_stands() {
        let plain = Plain {
            key: Some(vec![0xff]),
            headers: vec![("a".into(), None), ("a".into(), Some(vec![0xfe]))],
            value: None,
        };
        let parcel = Parcel { contents: Contents::Plain(plain), ..parcel(EVENT, true) };
        let message = Message::of(&parcel).unwrap();
        let said: Vec<_> = message.headers.iter().map(|h| (h.key, h.value.map(<[u8]>::to_vec))).collect();
        assert_eq!(said, [("a", None), ("a", Some(vec![0xfe]))]);
        assert_eq!((message.key.as_deref(), message.value.as_deref()), (Some(&[0xff][..]), None));
    }

    #[test]
    fn a_record_that_is_none_is_refused_for_good() {
        let parcel = Parcel { contents: Contents::Event(vec![9]), ..parcel(EVENT, false) };
        let refusal = Message::of(&parcel).err().unwrap();
        assert_eq!(refusal.kind, crate::sink::receipt::Kind::Never);
    }
}
