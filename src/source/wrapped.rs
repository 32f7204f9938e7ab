//! What a message that is no CloudEvent becomes: an event that says where it stands and carries it whole.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::mapped;
use crate::config::{Mapping, Whence};
use crate::event::attributes::{Draft, check_string};
use crate::event::{Event, Invalid, Value, binary, media_type};

/// Each with its value, which may be null.
pub type Headers<'r> = [(&'r str, Option<&'r [u8]>)];

/// Its first millisecond, since 1970.
const YEAR_0: i64 = -62_167_219_200_000;

/// What stands in the event where nothing else is mapped.
#[derive(Debug)]
pub(super) struct Wrapped<'r> {
    pub(super) ty: &'static str,
    pub(super) source: String,
    pub(super) id: String,
    pub(super) subject: Cow<'r, str>,
    /// In milliseconds since 1970.
    pub(super) timestamp: Option<i64>,
    /// What orders it with others.
    pub(super) key: Option<Cow<'r, str>>,
    /// What the names of extensions begin with that have its headers.
    pub(super) prefix: &'static str,
}

const LONGEST_REASON: usize = 1024;

impl<'r> Wrapped<'r> {
    pub(super) fn event(
        self,
        (headers, value): (&Headers<'r>, Option<&'r [u8]>),
        mapping: &'r Mapping,
    ) -> Result<Event<'r>, Invalid> {
        let mut draft = Draft::default();
        let mut set = |name: &'static str, value: Cow<'r, str>| draft.set(name.into(), Value::String(value));
        set("specversion", "1.0".into())?;
        let mut made = |name, place: &'r Option<Whence>, usual: Cow<'r, str>| match place {
            Some(place) => set(name, mapped::find(name, place, (headers, value))?),
            None => set(name, usual),
        };
        made("type", &mapping.ty, self.ty.into())?;
        made("source", &mapping.source, self.source.into())?;
        made("id", &mapping.id, self.id.into())?;
        made("subject", &mapping.subject, self.subject)?;
        // RFC 3339, and so CloudEvents, has no years before 0.
        let time = self.timestamp.filter(|&ms| ms >= YEAR_0);
        if let Some(time) = time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            set("time", time.to_string().into())?;
        }
        if let Some(key) = self.key {
            set("partitionkey", key.clone())?;
            set("key", key)?;
        }
        let found_in_json = || Some("application/json").filter(|_| mapping.reads_the_value());
        let content_type = content_type(headers).or_else(found_in_json);
        if let Some(content_type) = content_type {
            set("datacontenttype", content_type.into())?;
        }
        for (name, value) in headers {
            let Some(value) = value else { continue };
            let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
            let is_content_type = name == "contenttype" && content_type.is_some();
            if name.is_empty() || is_content_type {
                continue;
            }
            // A second of its name, or one too many: the record is an event without it.
            let _ = draft.set(format!("{}{name}", self.prefix).into(), Value::String(text(value)));
        }
        draft.finish(value.map(|value| binary::data_of(content_type, value)))
    }
}

/// As made of any record, which can't fail.
pub(super) static NOTHING: Mapping = Mapping { ty: None, source: None, subject: None, id: None };

/// What claims to be an event and is none: whole, as an event of this type, with the reason.
pub(super) fn undecodable<'r>(mut event: Event<'r>, ty: &'static str, why: &Invalid) -> Event<'r> {
    event.ty = ty.into();
    let why: String = why.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    event.set_extension("weirerror", Value::String(why.into()));
    event
}

/// What an attribute can't hold, as base64.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if check_string(text).is_ok() => Cow::Borrowed(text),
        _ => Cow::Owned(STANDARD.encode(bytes)),
    }
}

fn content_type<'r>(headers: &Headers<'r>) -> Option<&'r str> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?.1?;
    std::str::from_utf8(found).ok().filter(|text| media_type::check(text).is_ok())
}
