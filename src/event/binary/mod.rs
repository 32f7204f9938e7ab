//! Events in the messages of HTTP, Kafka and NATS: binary mode, and structured mode where the content type says so.
//!
//! What comes in as the payload goes out as the payload, byte for byte.

mod http;
mod kafka;
mod nats;
mod percent;

use std::borrow::Cow;

pub use http::{decode_http, encode_http};
pub use kafka::{decode_kafka, encode_kafka};
pub use nats::{decode_nats, encode_nats};

use super::attributes::Draft;
use super::invalid::Fault;
use super::{Data, Event, Invalid, Value, json, media_type, mode, structured};

/// An event as a broker's or HTTP's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'e> {
    pub headers: Vec<(String, Cow<'e, str>)>,
    /// `None` where there is no payload: in Kafka a null value, elsewhere nothing.
    pub body: Option<Cow<'e, [u8]>>,
}

impl<'e> Message<'e> {
    fn binary(event: &'e Event<'_>) -> Message<'e> {
        let body = event.data.as_ref().map(|data| Cow::Borrowed(data.bytes()));
        Message { headers: Vec::with_capacity(12 + event.extensions.len()), body }
    }

    fn structured(event: &Event<'_>) -> Message<'e> {
        let mut json = Vec::new();
        structured::encode(event, &mut json);
        let headers = vec![("content-type".to_owned(), Cow::Borrowed(mode::STRUCTURED))];
        Message { headers, body: Some(Cow::Owned(json)) }
    }
}

/// A payload whose own type is a CloudEvents format would be taken for the event itself: only structured mode holds it.
pub fn needs_structured(event: &Event<'_>) -> bool {
    let content_type = event.datacontenttype.as_deref().unwrap_or_default();
    media_type::starts_with(content_type, "application/cloudevents")
}

/// What of a message's headers is ours, before it is known in which mode they are to be read.
struct Marks<'a> {
    content_type: Option<&'a str>,
    attributes: Vec<(Cow<'a, str>, &'a [u8])>,
}

impl<'a> Marks<'a> {
    fn of(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        attribute: impl Fn(&'a str) -> Option<Cow<'a, str>>,
    ) -> Result<Marks<'a>, Invalid> {
        let mut marks = Marks { content_type: None, attributes: Vec::with_capacity(12) };
        for (name, value) in headers {
            if let Some(name) = attribute(name) {
                marks.attributes.push((name, value));
            } else if name.eq_ignore_ascii_case("content-type") {
                let text = std::str::from_utf8(value)
                    .map_err(|_| Invalid::attribute("content-type", Fault::Utf8))?;
                if marks.content_type.replace(text.trim_matches([' ', '\t'])).is_some() {
                    return Err(Invalid::attribute("content-type", Fault::Duplicate));
                }
            }
        }
        Ok(marks)
    }

    fn claims_an_event(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name == "specversion")
    }

    /// The event in binary mode. `text` decodes a header's value.
    fn event(
        self,
        body: Option<&'a [u8]>,
        text: impl Fn(&'a [u8]) -> Result<Cow<'a, str>, Fault>,
    ) -> Result<Event<'a>, Invalid> {
        let mut draft = Draft::default();
        for (name, value) in self.attributes {
            let value = text(value).map_err(|fault| Invalid::attribute(&name, fault))?;
            draft.set(name, Value::String(value))?;
        }
        if let Some(content_type) = self.content_type {
            draft.set("datacontenttype".into(), Value::String(content_type.into()))?;
        }
        let data = body.map(|body| data_of(draft.datacontenttype(), body));
        draft.finish(data)
    }
}

/// How a payload that came as bytes stands in JSON. Without a content type it may be JSON, and is never mere text:
/// the JSON format would read that as a JSON string.
pub(crate) fn data_of<'a>(content_type: Option<&str>, body: &'a [u8]) -> Data<'a> {
    let is_utf8 = content_type.is_none_or(media_type::is_utf8);
    match std::str::from_utf8(body) {
        Ok(text) if content_type.is_none_or(media_type::is_json) => {
            match (is_utf8 || text.is_ascii()) && json::is_value(text) {
                true => Data::Json(Cow::Borrowed(text)),
                false => Data::Binary(Cow::Borrowed(body)),
            }
        }
        Ok(text) if content_type.is_some_and(media_type::is_text) => Data::Text(Cow::Borrowed(text)),
        _ => Data::Binary(Cow::Borrowed(body)),
    }
}

/// The attribute that a header names. HTTP's header names have no case, and NATS's are written as HTTP's are.
fn caseless<'a>(name: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let name = media_type::starts_with(name, prefix).then(|| &name[prefix.len()..])?;
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Some(Cow::Owned(name.to_ascii_lowercase())),
        false => Some(Cow::Borrowed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        for (content_type, body, data) in [
            (Some("application/json"), "{} ", Data::Json("{} ".into())),
            (Some("application/json"), "{", Data::Binary(b"{".into())),
            (Some("application/json; charset=utf-16"), "\"é\"", Data::Binary("\"é\"".as_bytes().into())),
            (Some("application/json; charset=latin1"), "\"e\"", Data::Json("\"e\"".into())),
            (Some("text/plain"), "{}", Data::Text("{}".into())),
            (Some("text/xml; charset=utf-8"), "é", Data::Text("é".into())),
            (Some("text/plain; charset=latin1"), "e", Data::Binary(b"e".into())),
            (Some("image/png"), "e", Data::Binary(b"e".into())),
            (None, "{ \"xyz\": 123 }", Data::Json("{ \"xyz\": 123 }".into())),
            (None, "hello", Data::Binary(b"hello".into())),
        ] {
            assert_eq!(data_of(content_type, body.as_bytes()), data, "{content_type:?} {body}");
        }
        assert_eq!(data_of(Some("text/plain"), b"\xff"), Data::Binary(b"\xff".into()));
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        assert_eq!(data_of(None, deep.as_bytes()), Data::Binary(deep.as_bytes().into()));
    }
}
