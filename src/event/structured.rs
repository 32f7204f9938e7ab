//! The JSON format: one event or a batch. Decoding borrows all that stands in the bytes without an escape.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use super::json::MAX_DEPTH;

use super::attributes::Draft;
use super::invalid::{Fault, shown};
use super::{Data, Event, Invalid, Value, json, media_type};

pub fn decode(json: &[u8]) -> Result<Event<'_>, Invalid> {
    decode_text(utf8(json)?)
}

/// The event that the members of a JSON object make. Id and source may be absent: these are taken then.
pub(crate) fn of_members<'a>(
    members: impl IntoIterator<Item = (Cow<'a, str>, &'a RawValue)>,
    id: impl FnOnce() -> Cow<'a, str>,
    source: impl FnOnce() -> Cow<'a, str>,
) -> Result<Event<'a>, Invalid> {
    let mut event = Reading::default();
    for (name, value) in members {
        event.member(name, value)?;
    }
    event.draft.fill("id", id)?;
    event.draft.fill("source", source)?;
    event.finish()
}

/// A batch stands or falls as a whole: its sender can't be told of one event.
pub fn decode_batch(json: &[u8], limit: usize) -> Result<Vec<Event<'_>>, Invalid> {
    let members = read(utf8(json)?, |json| json.deserialize_seq(Batch { limit }))??;
    let mut events = Vec::with_capacity(members.len());
    for (index, member) in members.into_iter().enumerate() {
        let event = decode_text(member.get());
        events.push(event.map_err(|reason| Invalid::InBatch { index, reason: Box::new(reason) })?);
    }
    Ok(events)
}

pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    out.reserve(160 + event.data.as_ref().map_or(0, |data| data.bytes().len()) + event.extensions.len() * 48);
    out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":");
    json::write_string(&event.id, out);
    out.extend_from_slice(b",\"source\":");
    json::write_string(&event.source, out);
    out.extend_from_slice(b",\"type\":");
    json::write_string(&event.ty, out);
    let optional: [(&[u8], _); 4] = [
        (b",\"subject\":", &event.subject),
        (b",\"time\":", &event.time),
        (b",\"dataschema\":", &event.dataschema),
        (b",\"datacontenttype\":", &event.datacontenttype),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            out.extend_from_slice(name);
            json::write_string(value, out);
        }
    }
    for (name, value) in &event.extensions {
        out.push(b',');
        json::write_string(name, out);
        out.push(b':');
        match value {
            Value::String(text) => json::write_string(text, out),
            other => out.extend_from_slice(other.text().as_bytes()),
        }
    }
    match &event.data {
        None => {}
        Some(Data::Json(text)) => {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(text.as_bytes());
        }
        Some(Data::Text(text)) => {
            out.extend_from_slice(b",\"data\":");
            json::write_string(text, out);
        }
        Some(Data::Binary(bytes)) => {
            out.extend_from_slice(b",\"data_base64\":\"");
            write_base64(bytes, out);
            out.push(b'"');
        }
    }
    out.push(b'}');
}

pub fn encode_batch<'e, 'a: 'e>(events: impl IntoIterator<Item = &'e Event<'a>>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode(event, out);
    }
    out.push(b']');
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    BASE64_STANDARD.encode_slice(bytes, &mut out[start..]).expect("room for 4 characters per 3 bytes");
}

fn utf8(json: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(json).map_err(|error| Invalid::Json(format!("{error}; JSON is UTF-8")))
}

fn decode_text(text: &str) -> Result<Event<'_>, Invalid> {
    read(text, |json| json.deserialize_map(Members))?
}

/// One JSON value and nothing after it.
fn read<'a, T>(
    text: &'a str,
    value: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'a>>) -> serde_json::Result<T>,
) -> Result<T, Invalid> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = value(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| Invalid::Json(error.to_string()))
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Result<Event<'de>, Invalid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one event (a JSON object)")
    }

    /// An invalid member does not end the reading: what follows may not be JSON at all, which is the graver reason.
    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
        let mut event = Reading::default();
        while let Some(Name(name)) = members.next_key()? {
            if let Err(invalid) = event.member(name, members.next_value()?) {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(Err(invalid));
            }
        }
        Ok(event.finish())
    }
}

struct Batch {
    limit: usize,
}

impl<'de> Visitor<'de> for Batch {
    type Value = Result<Vec<&'de RawValue>, Invalid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch (a JSON array of events)")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut members: S) -> Result<Self::Value, S::Error> {
        let mut batch = Vec::new();
        while let Some(member) = members.next_element()? {
            if batch.len() == self.limit {
                while members.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Err(Invalid::BatchTooLong { limit: self.limit }));
            }
            batch.push(member);
        }
        Ok(Ok(batch))
    }
}

/// A member's name, borrowed unless it is written with an escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Name<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        json.deserialize_str(Text)
    }
}

#[derive(Default)]
struct Reading<'a> {
    draft: Draft<'a>,
    data: Option<&'a str>,
    data_base64: Option<&'a str>,
}

impl<'a> Reading<'a> {
    fn member(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> Result<(), Invalid> {
        let raw = value.get();
        match &*name {
            "data" => once(&mut self.data, raw, &name),
            "data_base64" => once(&mut self.data_base64, raw, &name),
            _ if raw == "null" => self.draft.unset(name),
            _ => {
                let value = value_of(raw).map_err(|fault| Invalid::attribute(&name, fault))?;
                self.draft.set(name, value)
            }
        }
    }

    fn finish(self) -> Result<Event<'a>, Invalid> {
        // Serializers that write every member write null for the representation they did not use. `data` alone
        // may be null: a payload of its own.
        let data_base64 = self.data_base64.filter(|raw| *raw != "null");
        let data = match (self.data, data_base64) {
            (None, None) => None,
            (Some(data), None) => Some(data_of(data, self.draft.datacontenttype())?),
            (None | Some("null"), Some(base64)) => Some(Data::Binary(Cow::Owned(bytes_of(base64)?))),
            (Some(_), Some(_)) => {
                return Err(Invalid::Data("both data and data_base64 are present; send one"));
            }
        };
        self.draft.finish(data)
    }
}

fn once<'a>(slot: &mut Option<&'a str>, raw: &'a str, name: &str) -> Result<(), Invalid> {
    match slot.replace(raw) {
        None => Ok(()),
        Some(_) => Err(Invalid::attribute(name, Fault::Duplicate)),
    }
}

fn value_of(raw: &str) -> Result<Value<'_>, Fault> {
    match raw.as_bytes()[0] {
        b'"' => string_of(raw)
            .map(Value::String)
            .map_err(|()| Fault::Type("a string with half of a surrogate pair")),
        b't' => Ok(Value::Boolean(true)),
        b'f' => Ok(Value::Boolean(false)),
        b'{' => Err(Fault::Type("an object")),
        b'[' => Err(Fault::Type("an array")),
        _ => raw.parse().map(Value::Integer).map_err(|_| Fault::Integer(shown(raw))),
    }
}

/// Of a string that has been read once: what is still illegal is half a surrogate pair.
fn string_of(raw: &str) -> Result<Cow<'_, str>, ()> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).map(Cow::Owned).map_err(|_| ());
    }
    Ok(Cow::Borrowed(&raw[1..raw.len() - 1]))
}

fn data_of<'a>(raw: &'a str, content_type: Option<&str>) -> Result<Data<'a>, Invalid> {
    if raw.starts_with('"') && !content_type.is_none_or(media_type::is_json) {
        let text =
            string_of(raw).map_err(|()| Invalid::Data("data: a string with half of a surrogate pair"))?;
        return Ok(Data::Text(text));
    }
    if json::is_too_deep(raw) {
        return Err(Invalid::TooDeep);
    }
    Ok(Data::Json(Cow::Borrowed(raw)))
}

fn bytes_of(raw: &str) -> Result<Vec<u8>, Invalid> {
    const FORM: &str = "data_base64: not Base64 (RFC 4648, standard alphabet, padded, no line breaks)";
    if !raw.starts_with('"') {
        return Err(Invalid::Data("data_base64: not a string"));
    }
    let text = string_of(raw).map_err(|()| Invalid::Data(FORM))?;
    BASE64_STANDARD.decode(&*text).map_err(|_| Invalid::Data(FORM))
}

#[cfg(test)]
#[path = "structured_tests.rs"]
mod tests;
