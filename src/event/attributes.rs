//! The rules for context attributes, and the draft that every decoder fills: what leaves it is a valid event.

use std::borrow::Cow;

use super::invalid::{Fault, shown};
use super::{Data, Event, Invalid, Value, media_type, timestamp, uri};

/// A whole event of 64 KiB must pass, so its attributes may be as much.
pub const MAX_BYTES: usize = 64 * 1024;
pub const MAX_EXTENSIONS: usize = 256;
/// The specification recommends 20 and forbids refusing more.
pub const MAX_NAME: usize = 256;

/// Attributes as they come, in any order, checked one by one.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    versioned: bool,
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    ty: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    dataschema: Option<Cow<'a, str>>,
    datacontenttype: Option<Cow<'a, str>>,
    extensions: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Named, but null: absent, and still only to be named once.
    unset: Vec<Cow<'a, str>>,
    bytes: usize,
}

impl<'a> Draft<'a> {
    pub(crate) fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) -> Result<(), Invalid> {
        self.count(&name, if let Value::String(text) = &value { text.len() } else { 0 })?;
        if self.unset.contains(&name) {
            return Err(Invalid::attribute(&name, Fault::Duplicate));
        }
        if let Some(slot) = self.slot(&name) {
            let Value::String(text) = value else {
                let found = if matches!(value, Value::Integer(_)) { "a number" } else { "a boolean" };
                return Err(Invalid::attribute(&name, Fault::Type(found)));
            };
            if slot.is_some() {
                return Err(Invalid::attribute(&name, Fault::Duplicate));
            }
            check_core(&name, &text).map_err(|fault| Invalid::attribute(&name, fault))?;
            *slot = Some(text);
            return Ok(());
        }
        if name == "specversion" {
            return self.set_version(value);
        }
        check_name(&name)?;
        if let Value::String(text) = &value {
            check_string(text).map_err(|fault| Invalid::attribute(&name, fault))?;
        }
        if self.extensions.iter().any(|(other, _)| *other == name) {
            return Err(Invalid::attribute(&name, Fault::Duplicate));
        }
        self.extensions.push((name, value));
        self.bound()
    }

    /// A null attribute is an absent one.
    pub(crate) fn unset(&mut self, name: Cow<'a, str>) -> Result<(), Invalid> {
        self.count(&name, 0)?;
        let taken = match self.slot(&name) {
            Some(slot) => slot.is_some(),
            None if name == "specversion" => self.versioned,
            None => {
                check_name(&name)?;
                self.extensions.iter().any(|(other, _)| *other == name)
            }
        };
        if taken || self.unset.contains(&name) {
            return Err(Invalid::attribute(&name, Fault::Duplicate));
        }
        self.unset.push(name);
        self.bound()
    }

    /// Sets a core attribute that is absent.
    pub(crate) fn fill(&mut self, name: &str, text: impl FnOnce() -> Cow<'a, str>) -> Result<(), Invalid> {
        let slot = self.slot(name).expect("the name of a core attribute");
        if slot.is_none() {
            let text = text();
            check_core(name, &text).map_err(|fault| Invalid::attribute(name, fault))?;
            *slot = Some(text);
        }
        Ok(())
    }

    pub(crate) fn datacontenttype(&self) -> Option<&str> {
        self.datacontenttype.as_deref()
    }

    pub(crate) fn finish(self, data: Option<Data<'a>>) -> Result<Event<'a>, Invalid> {
        let missing = |name| move || Invalid::attribute(name, Fault::Missing);
        if !self.versioned {
            return Err(missing("specversion")());
        }
        Ok(Event {
            id: self.id.ok_or_else(missing("id"))?,
            source: self.source.ok_or_else(missing("source"))?,
            ty: self.ty.ok_or_else(missing("type"))?,
            subject: self.subject,
            time: self.time,
            dataschema: self.dataschema,
            datacontenttype: self.datacontenttype,
            extensions: self.extensions,
            data,
        })
    }

    fn set_version(&mut self, value: Value<'a>) -> Result<(), Invalid> {
        let fault = match value {
            Value::String(_) if self.versioned => Fault::Duplicate,
            Value::String(text) if text == "1.0" => {
                self.versioned = true;
                return Ok(());
            }
            Value::String(text) => Fault::Version(shown(&text)),
            Value::Integer(_) => Fault::Type("a number"),
            Value::Boolean(_) => Fault::Type("a boolean"),
        };
        Err(Invalid::attribute("specversion", fault))
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        match name {
            "id" => Some(&mut self.id),
            "source" => Some(&mut self.source),
            "type" => Some(&mut self.ty),
            "subject" => Some(&mut self.subject),
            "time" => Some(&mut self.time),
            "dataschema" => Some(&mut self.dataschema),
            "datacontenttype" => Some(&mut self.datacontenttype),
            _ => None,
        }
    }

    fn count(&mut self, name: &str, length: usize) -> Result<(), Invalid> {
        self.bytes += name.len() + length;
        if self.bytes > MAX_BYTES {
            return Err(Invalid::TooLarge { limit: MAX_BYTES });
        }
        Ok(())
    }

    fn bound(&self) -> Result<(), Invalid> {
        if self.extensions.len() + self.unset.len() > MAX_EXTENSIONS {
            return Err(Invalid::TooManyExtensions { limit: MAX_EXTENSIONS });
        }
        Ok(())
    }
}

fn check_core(name: &str, text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    match name {
        "source" => uri::check_reference(text),
        "dataschema" => uri::check_absolute(text),
        "time" => timestamp::check(text).map_err(Fault::Timestamp),
        "datacontenttype" => media_type::check(text).map_err(Fault::MediaType),
        _ => check_string(text),
    }
}

/// Whether a name may be that of an extension.
pub(crate) fn check_name(name: &str) -> Result<(), Invalid> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "data" {
        "`data` is the payload, not an attribute"
    } else if name.len() > MAX_NAME {
        "it is longer than 256 characters"
    } else if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Ok(());
    } else if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        "only lower-case letters and digits are legal; write it in lower case"
    } else {
        "only the letters a to z and digits are legal"
    };
    Err(Invalid::attribute(name, Fault::Name(reason)))
}

/// The String type: no control characters, no noncharacters.
pub(crate) fn check_string(text: &str) -> Result<(), Fault> {
    // Without an early exit this is vectorised, and nearly all attributes end here.
    if text.bytes().fold(true, |plain, byte| plain & (0x20..0x7f).contains(&byte)) {
        return Ok(());
    }
    let illegal =
        |c: &char| c.is_control() || (*c as u32) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(c);
    text.chars().find(illegal).map_or(Ok(()), |c| Err(Fault::Character(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft<'static> {
        let mut draft = Draft::default();
        for (name, value) in [("specversion", "1.0"), ("id", "1"), ("source", "/s"), ("type", "t")] {
            set(&mut draft, name, value).unwrap();
        }
        draft
    }

    fn set<'a>(draft: &mut Draft<'a>, name: &'a str, value: &'a str) -> Result<(), Invalid> {
        draft.set(name.into(), Value::String(value.into()))
    }

    fn said(name: &'static str, value: &'static str) -> String {
        set(&mut draft(), name, value).unwrap_err().to_string()
    }

    #[test]
    fn the_reason_names_the_attribute_and_the_remedy() {
        let cases = [
            (said("Ext", "v"), "Ext: not an attribute name: only lower-case"),
            (said("", "v"), ": not an attribute name: it is empty"),
            (said("data", "v"), "data: not an attribute name: `data` is the payload"),
            (said("a-b", "v"), "a-b: not an attribute name: only the letters"),
            (said("id", "2"), "id: given more than once"),
            (said("specversion", "1.0"), "specversion: given more than once"),
            (said("subject", ""), "subject: empty"),
            (said("subject", "a\nb"), "subject: U+000A is not legal"),
            (said("ext", "\u{85}"), "ext: U+0085"),
            (said("ext", "\u{fdd0}"), "ext: U+FDD0"),
            (said("ext", "\u{1ffff}"), "ext: U+1FFFF"),
            (said("time", "now"), "time: not an RFC 3339 timestamp"),
            (said("dataschema", "/s"), "dataschema: not a URI"),
            (said("datacontenttype", "json"), "datacontenttype: not a media type"),
        ];
        for (message, start) in cases {
            assert!(message.starts_with(start), "{message:?} does not start with {start:?}");
        }
    }

    #[test]
    fn unusual_and_legal() {
        for (name, value) in [
            ("ext", ""),
            ("a23456789012345678901", "v"),
            ("7", "é\u{10fffd}"),
            ("time", "2024-02-29T00:00:00Z"),
        ] {
            set(&mut draft(), name, value).unwrap();
        }
    }

    #[test]
    fn older_versions_are_refused_by_name() {
        let mut draft = Draft::default();
        let error = set(&mut draft, "specversion", "0.3").unwrap_err();
        assert_eq!(error, Invalid::attribute("specversion", Fault::Version("0.3".into())));
        assert!(draft.finish(None).unwrap_err().to_string().starts_with("specversion: missing"));
    }

    #[test]
    fn what_is_required_is_named() {
        let required = [("specversion", "1.0"), ("id", "1"), ("source", "s"), ("type", "t")];
        for (missing, _) in required {
            let mut draft = Draft::default();
            for (name, value) in required.into_iter().filter(|(name, _)| *name != missing) {
                set(&mut draft, name, value).unwrap();
            }
            assert_eq!(draft.finish(None), Err(Invalid::attribute(missing, Fault::Missing)));
        }
    }

    #[test]
    fn null_is_absent_and_counts_as_named() {
        let mut d = draft();
        d.unset("subject".into()).unwrap();
        d.unset("ext".into()).unwrap();
        assert_eq!(set(&mut d, "ext", "v"), Err(Invalid::attribute("ext", Fault::Duplicate)));
        assert_eq!(d.unset("id".into()), Err(Invalid::attribute("id", Fault::Duplicate)));
        assert_eq!(d.finish(None).unwrap().subject, None);
    }

    #[test]
    fn number_and_size_are_bounded() {
        let mut d = draft();
        for number in 0..MAX_EXTENSIONS {
            d.set(format!("e{number}").into(), Value::Boolean(true)).unwrap();
        }
        assert_eq!(
            d.set("more".into(), Value::Boolean(true)),
            Err(Invalid::TooManyExtensions { limit: MAX_EXTENSIONS })
        );
        let large = "x".repeat(MAX_BYTES);
        let mut d = Draft::default();
        assert_eq!(set(&mut d, "ext", &large), Err(Invalid::TooLarge { limit: MAX_BYTES }));
        let mut d = Draft::default();
        assert_eq!(set(&mut d, "ext", &large[3..]), Ok(()));
    }
}
