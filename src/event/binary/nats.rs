//! The NATS binding: `ce-` headers, percent-encoded, the payload's content type among them.

use super::{Marks, Message, caseless, percent};
use crate::event::invalid::Fault;
use crate::event::mode::Mode;
use crate::event::{Event, Invalid, structured};

const NOT_AN_EVENT: Invalid = Invalid::NotAnEvent { marker: "ce-specversion" };

/// Without `ce-specversion` and a content type the payload itself may be the event: the only form of version 1.0.2.
pub fn decode_nats<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    payload: &'a [u8],
) -> Result<Event<'a>, Invalid> {
    let mut marks = Marks::of(headers, |name| caseless(name, "ce-"))?;
    match Mode::of(marks.content_type)? {
        Mode::Structured => return structured::decode(payload),
        Mode::Batch => return Err(Invalid::UnexpectedBatch),
        Mode::Binary => {}
    }
    if !marks.claims_an_event() {
        if marks.content_type.is_some() || !marks.attributes.is_empty() {
            return Err(NOT_AN_EVENT);
        }
        return structured::decode(payload).map_err(|invalid| match invalid {
            Invalid::Json(_) => NOT_AN_EVENT,
            Invalid::Attribute { name, fault: Fault::Missing } if name == "specversion" => NOT_AN_EVENT,
            other => other,
        });
    }
    if marks.attributes.iter().any(|(name, _)| name == "datacontenttype") {
        marks.content_type = None;
    }
    marks.event((!payload.is_empty()).then_some(payload), percent::decode)
}

/// Always binary mode: here a payload's type is never taken for the message's.
pub fn encode_nats<'e>(event: &'e Event<'_>) -> Message<'e> {
    let mut message = Message::binary(event);
    let headers = event.attributes().map(|(name, value)| (format!("ce-{name}"), percent::encode_cow(value)));
    message.headers.extend(headers);
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Data, arbitrary};

    const STRUCTURED: &[u8] = br#"{"specversion":"1.0","id":"a","source":"/s","type":"t"}"#;
    const MINIMAL: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    fn read<'a>(headers: &[(&'a str, &'a str)], payload: &'a [u8]) -> Result<Event<'a>, Invalid> {
        decode_nats(headers.iter().map(|(name, value)| (*name, value.as_bytes())), payload)
    }

    proptest! {
        #[test]
        fn events_read_back(event in arbitrary::event()) {
            let message = encode_nats(&event);
            let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let read = decode_nats(headers, message.body.as_deref().unwrap_or_default()).unwrap();
            prop_assert_eq!(read, arbitrary::with_string_values(event.clone()));
        }

        #[test]
        fn no_message_panics(headers in prop::collection::vec(("(ce-)?[a-z]{0,15}", any::<Vec<u8>>()), 0..9), payload in any::<Vec<u8>>()) {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let _ = decode_nats(headers, &payload);
        }
    }

    #[test]
    fn the_mode_follows_from_the_headers() {
        assert_eq!(read(&[], STRUCTURED).unwrap().id, "a");
        assert_eq!(read(&[("Nats-Msg-Id", "7")], STRUCTURED).unwrap().id, "a");
        assert_eq!(read(&[("Content-Type", "application/CloudEvents+json")], STRUCTURED).unwrap().id, "a");
        let event = read(&MINIMAL, STRUCTURED).unwrap();
        assert_eq!(
            (&*event.id, event.data),
            ("1", Some(Data::Json(std::str::from_utf8(STRUCTURED).unwrap().into())))
        );
        let typed = read(&[&MINIMAL[..], &[("Content-Type", "text/plain")]].concat(), b"x").unwrap();
        assert_eq!(typed.datacontenttype.as_deref(), Some("text/plain"));
        let typed = read(
            &[&MINIMAL[..], &[("Content-Type", "text/plain"), ("ce-datacontenttype", "a/b")]].concat(),
            b"x",
        );
        assert_eq!(typed.unwrap().datacontenttype.as_deref(), Some("a/b"));
    }

    #[test]
    fn other_messages_are_told_apart_from_invalid_events() {
        for payload in [&b"hello"[..], b"", b"{}", b"[]", b"\xff", br#"{"id":"1"}"#] {
            assert_eq!(read(&[], payload), Err(NOT_AN_EVENT));
        }
        assert_eq!(read(&[("content-type", "application/json")], STRUCTURED), Err(NOT_AN_EVENT));
        assert_eq!(read(&[("ce-id", "1")], STRUCTURED), Err(NOT_AN_EVENT));
        for (headers, payload) in [
            (&MINIMAL[..3], &b"{}"[..]),
            (&[("content-type", "application/cloudevents+json")], b"{}"),
            (&[], br#"{"specversion":"1.0"}"#),
            (&[], br#"{"specversion":"0.3"}"#),
        ] {
            assert!(!matches!(read(headers, payload), Ok(_) | Err(Invalid::NotAnEvent { .. })));
        }
    }
}
