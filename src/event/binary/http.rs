//! The HTTP binding: `ce-` headers, percent-encoded; the content type is the payload's own.

use super::{Marks, Message, caseless, needs_structured, percent};
use crate::event::invalid::Fault;
use crate::event::mode::Mode;
use crate::event::{Event, Invalid, structured};

/// One event in binary or structured mode; a batch is for [`structured::decode_batch`]. Header names may be of any case.
pub fn decode_http<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &'a [u8],
) -> Result<Event<'a>, Invalid> {
    let marks = Marks::of(headers, |name| caseless(name, "ce-"))?;
    match Mode::of(marks.content_type)? {
        Mode::Structured => return structured::decode(body),
        Mode::Batch => return Err(Invalid::UnexpectedBatch),
        Mode::Binary if !marks.claims_an_event() => {
            return Err(Invalid::NotAnEvent { marker: "ce-specversion" });
        }
        Mode::Binary => {}
    }
    if marks.attributes.iter().any(|(name, _)| name == "datacontenttype") {
        return Err(Invalid::attribute("ce-datacontenttype", Fault::Misplaced { instead: "content-type" }));
    }
    marks.event((!body.is_empty()).then_some(body), percent::decode)
}

/// Binary mode, save for a payload that only structured mode holds.
pub fn encode_http<'e>(event: &'e Event<'_>) -> Message<'e> {
    if needs_structured(event) {
        return Message::structured(event);
    }
    let mut message = Message::binary(event);
    for (name, value) in event.attributes() {
        message.headers.push(match name {
            "datacontenttype" => ("content-type".to_owned(), value),
            _ => (format!("ce-{name}"), percent::encode_cow(value)),
        });
    }
    message
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Data, Value, arbitrary};

    const MINIMAL: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    fn read<'a>(headers: &[(&'a str, &'a str)], body: &'a str) -> Result<Event<'a>, Invalid> {
        decode_http(headers.iter().map(|(name, value)| (*name, value.as_bytes())), body.as_bytes())
    }

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Result<Event<'a>, Invalid> {
        read(&[&MINIMAL, more].concat(), "{}")
    }

    fn pairs<'a>(message: &'a Message<'_>) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    proptest! {
        #[test]
        fn events_read_back(event in arbitrary::event()) {
            let message = encode_http(&event);
            let body = message.body.as_deref().unwrap_or_default();
            prop_assert_eq!(body, event.data.as_ref().map_or(&b""[..], Data::bytes));
            prop_assert!(message.headers.iter().all(|(_, value)| value.is_ascii()));
            let read = decode_http(pairs(&message), body).unwrap();
            prop_assert_eq!(read, arbitrary::with_string_values(event.clone()));
        }

        #[test]
        fn no_bytes_panic(headers in prop::collection::vec(("(ce-)?[a-z-]{0,15}", any::<Vec<u8>>()), 0..9), body in any::<Vec<u8>>()) {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let minimal = MINIMAL.iter().map(|(name, value)| (*name, value.as_bytes()));
            let _ = decode_http(minimal.chain(headers.clone()), &body);
            let _ = decode_http(headers, &body);
        }
    }

    #[test]
    fn header_names_have_no_case() {
        let event = read(
            &[
                ("Ce-SpecVersion", "1.0"),
                ("CE-ID", "1"),
                ("Ce-Source", "/s"),
                ("ce-type", "t"),
                ("Ce-MyExt", "v"),
                ("Content-Type", "text/plain"),
            ],
            "hi",
        )
        .unwrap();
        assert_eq!(event.extension("myext"), Some(&Value::String("v".into())));
        assert_eq!(event.data, Some(Data::Text("hi".into())));
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        let event = with(&[("content-type", "application/json")]).unwrap();
        assert!(matches!(event.id, Cow::Borrowed("1")));
        assert!(matches!(event.data, Some(Data::Json(Cow::Borrowed("{}")))));
        assert_eq!(read(&MINIMAL, "").unwrap().data, None);
    }

    #[test]
    fn the_reason_is_told() {
        for (headers, start) in [
            ([("ce-id", "2"), ("x", "")], "id: given more than once"),
            ([("ce-ext", "%C0%A0"), ("x", "")], "ext: not valid UTF-8"),
            ([("ce-ext", "%0A"), ("x", "")], "ext: U+000A"),
            ([("ce-data", "x"), ("x", "")], "data: not an attribute name"),
            ([("ce-", "x"), ("x", "")], ": not an attribute name"),
            ([("ce-my_ext", "x"), ("x", "")], "my_ext: not an attribute name"),
            (
                [("ce-datacontenttype", "a/b"), ("x", "")],
                "ce-datacontenttype: must not be sent so; send it as content-type",
            ),
            ([("content-type", "json"), ("x", "")], "datacontenttype: not a media type"),
            ([("content-type", "a/b"), ("Content-Type", "a/b")], "content-type: given more than once"),
            ([("content-type", "application/cloudevents-batch+json"), ("x", "")], "a batch where"),
            (
                [("content-type", "application/cloudevents+xml"), ("x", "")],
                "content type 'application/cloudevents+xml' is",
            ),
        ] {
            let message = with(&headers).unwrap_err().to_string();
            assert!(message.starts_with(start), "{message:?} does not start with {start:?}");
        }
        let none = read(&[("content-type", "application/json"), ("ce-id", "1")], "{}").unwrap_err();
        assert_eq!(none, Invalid::NotAnEvent { marker: "ce-specversion" });
    }

    #[test]
    fn a_payload_that_is_itself_an_event_goes_structured() {
        let inner = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/cloudevents+json","data":{"id":7}}"#;
        let event =
            read(&[("content-type", "Application/CloudEvents+json; charset=utf-8"), ("ce-Bad!", "")], inner)
                .unwrap();
        let message = encode_http(&event);
        assert_eq!(decode_http(pairs(&message), message.body.as_deref().unwrap()), Ok(event.clone()));
    }
}
