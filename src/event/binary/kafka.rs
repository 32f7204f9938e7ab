//! The Kafka binding: `ce_` headers, plain UTF-8. The record's key is the caller's: it is the event's partitionkey.

use std::borrow::Cow;

use super::{Marks, Message, needs_structured};
use crate::event::invalid::Fault;
use crate::event::mode::Mode;
use crate::event::{Event, Invalid, structured};

/// A header whose value is null counts as absent, as a null attribute does in JSON. A null value is an event without data.
pub fn decode_kafka<'a>(
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    value: Option<&'a [u8]>,
) -> Result<Event<'a>, Invalid> {
    let headers = headers.filter_map(|(name, value)| Some((name, value?)));
    let marks = Marks::of(headers, |name| name.strip_prefix("ce_").map(Cow::Borrowed))?;
    match Mode::of(marks.content_type)? {
        Mode::Structured => return structured::decode(value.unwrap_or_default()),
        Mode::Batch => return Err(Invalid::UnexpectedBatch),
        Mode::Binary if !marks.claims_an_event() => {
            return Err(Invalid::NotAnEvent { marker: "ce_specversion" });
        }
        Mode::Binary => {}
    }
    if marks.attributes.iter().any(|(name, _)| name == "datacontenttype") {
        return Err(Invalid::attribute("ce_datacontenttype", Fault::Misplaced { instead: "content-type" }));
    }
    marks.event(value, |bytes| std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Fault::Utf8))
}

/// Binary mode, save for a payload that only structured mode holds.
pub fn encode_kafka<'e>(event: &'e Event<'_>) -> Message<'e> {
    if needs_structured(event) {
        return Message::structured(event);
    }
    let mut message = Message::binary(event);
    for (name, value) in event.attributes() {
        let header = if name == "datacontenttype" { "content-type".to_owned() } else { format!("ce_{name}") };
        message.headers.push((header, value));
    }
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Data, Value, arbitrary};

    const MINIMAL: [(&str, &str); 4] =
        [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/s"), ("ce_type", "t")];

    fn read<'a>(more: &[(&'a str, Option<&'a [u8]>)], value: Option<&'a [u8]>) -> Result<Event<'a>, Invalid> {
        let minimal = MINIMAL.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        decode_kafka(minimal.chain(more.iter().copied()), value)
    }

    fn pairs<'a>(message: &'a Message<'_>) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        message.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())))
    }

    proptest! {
        #[test]
        fn events_read_back(event in arbitrary::event()) {
            let message = encode_kafka(&event);
            prop_assert_eq!(message.body.as_deref(), event.data.as_ref().map(Data::bytes));
            let read = decode_kafka(pairs(&message), message.body.as_deref()).unwrap();
            prop_assert_eq!(read, arbitrary::with_string_values(event.clone()));
        }

        #[test]
        fn no_record_panics(
            headers in prop::collection::vec(("(ce_)?[a-z]{0,15}", any::<Option<Vec<u8>>>()), 0..9),
            value in any::<Option<Vec<u8>>>(),
        ) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let _ = (decode_kafka(headers.iter().copied(), value.as_deref()), read(&headers, value.as_deref()));
        }
    }

    #[test]
    fn values_are_the_literal_text() {
        let event = read(&[("ce_ext", Some(b"%E2%82%AC \"x\""))], None).unwrap();
        assert_eq!(event.extension("ext"), Some(&Value::String("%E2%82%AC \"x\"".into())));
        assert!(
            read(&[("ce_ext", Some(b"\xff"))], None)
                .unwrap_err()
                .to_string()
                .starts_with("ext: not valid UTF-8")
        );
    }

    #[test]
    fn a_null_value_is_no_data_and_an_empty_one_is() {
        assert_eq!(read(&[], None).unwrap().data, None);
        let empty = read(&[], Some(b"")).unwrap();
        assert_eq!(empty.data, Some(Data::Binary(b"".into())));
        assert_eq!(encode_kafka(&empty).body.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn hostile_records_are_refused() {
        assert!(read(&[("ce_ext", None), ("content-type", None)], None).unwrap().extensions.is_empty());
        let structured: &[u8] = b"APPLICATION/cloudevents+JSON";
        assert!(matches!(read(&[("content-type", Some(structured))], None), Err(Invalid::Json(_))));
        let batch: &[u8] = b"application/cloudevents-batch+json";
        assert_eq!(read(&[("content-type", Some(batch))], Some(b"[]")), Err(Invalid::UnexpectedBatch));
        assert!(read(&[("content-type", Some(b"\xff"))], None).is_err());
        assert!(
            read(&[("ce_datacontenttype", Some(b"a/b"))], None)
                .unwrap_err()
                .to_string()
                .contains("content-type")
        );
        assert!(read(&[("ce_ID", Some(b"1"))], None).unwrap_err().to_string().contains("lower case"));
        let plain = decode_kafka(
            [("ce_id", Some(&b"1"[..])), ("ce-specversion", Some(b"1.0"))].into_iter(),
            Some(b"{}"),
        );
        assert_eq!(plain, Err(Invalid::NotAnEvent { marker: "ce_specversion" }));
    }
}
