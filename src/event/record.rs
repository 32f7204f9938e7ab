//! Our own compact form of an event, on disk and between threads. It is written by us and read often: reading borrows
//! all of it and checks that it is whole and UTF-8, not the rules that the event passed when it came in.
//!
//! ```text
//! version  flags  [extensions]  lengths of all texts in order, extensions with their tag and value  length of data
//! the texts, one after the other  data
//! ```
//!
//! The texts stand together so that one check of their UTF-8 does for all, JSON and text payloads included.

use std::borrow::Cow;

pub use super::wire::Corrupt;

use super::wire::{Reader, Writer};
use super::{Data, Event, Value};

const VERSION: u8 = 1;

const SUBJECT: u8 = 1;
const TIME: u8 = 1 << 1;
const DATASCHEMA: u8 = 1 << 2;
const DATACONTENTTYPE: u8 = 1 << 3;
const EXTENSIONS: u8 = 1 << 4;
const DATA_SHIFT: u8 = 6;
const UNUSED: u8 = 1 << 5;

const STRING: u8 = 0;
const INTEGER: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;

pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    let optional = [
        (SUBJECT, event.subject.as_deref()),
        (TIME, event.time.as_deref()),
        (DATASCHEMA, event.dataschema.as_deref()),
        (DATACONTENTTYPE, event.datacontenttype.as_deref()),
    ];
    let (kind, data) = match &event.data {
        None => (0, &b""[..]),
        Some(data @ Data::Json(_)) => (1, data.bytes()),
        Some(data @ Data::Text(_)) => (2, data.bytes()),
        Some(data @ Data::Binary(_)) => (3, data.bytes()),
    };
    let mut flags = kind << DATA_SHIFT;
    for (flag, _) in optional.iter().filter(|(_, text)| text.is_some()) {
        flags |= flag;
    }
    if !event.extensions.is_empty() {
        flags |= EXTENSIONS;
    }
    let required = [&*event.id, &*event.source, &*event.ty];
    let texts = || required.into_iter().chain(optional.iter().filter_map(|(_, text)| *text));

    out.reserve(64 + event.extensions.len() * 32 + texts().map(str::len).sum::<usize>() + data.len());
    let mut writer = Writer(out);
    writer.u8(VERSION);
    writer.u8(flags);
    if flags & EXTENSIONS != 0 {
        writer.varint(event.extensions.len() as u64);
    }
    texts().for_each(|text| writer.varint(text.len() as u64));
    for (name, value) in &event.extensions {
        writer.varint(name.len() as u64);
        match value {
            Value::String(text) => {
                writer.u8(STRING);
                writer.varint(text.len() as u64);
            }
            Value::Integer(number) => {
                writer.u8(INTEGER);
                writer.u32(number.cast_unsigned());
            }
            Value::Boolean(flag) => writer.u8(if *flag { TRUE } else { FALSE }),
        }
    }
    if kind != 0 {
        writer.varint(data.len() as u64);
    }
    texts().for_each(|text| out.extend_from_slice(text.as_bytes()));
    for (name, value) in &event.extensions {
        out.extend_from_slice(name.as_bytes());
        if let Value::String(text) = value {
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(data);
}

pub fn decode(record: &[u8]) -> Result<Event<'_>, Corrupt> {
    let mut head = Reader::new(record);
    head.version(VERSION)?;
    let flags = head.u8()?;
    if flags & UNUSED != 0 {
        return Err(Corrupt::Unknown { what: "set of flags", found: u64::from(flags) });
    }
    let count = if flags & EXTENSIONS == 0 { 0 } else { head.length()? };
    let mut lengths = [0; 7];
    for (length, flag) in lengths.iter_mut().zip([0, 0, 0, SUBJECT, TIME, DATASCHEMA, DATACONTENTTYPE]) {
        if flag == 0 || flags & flag != 0 {
            *length = head.length()?;
        }
    }
    let mut total =
        lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length)).ok_or(Corrupt::Truncated)?;
    let mut extensions = head.clone();
    for _ in 0..count {
        let (name, value) = extension(&mut head)?;
        let value = if let Shape::String(length) = value { length } else { 0 };
        total = total.checked_add(name).and_then(|sum| sum.checked_add(value)).ok_or(Corrupt::Truncated)?;
    }
    let kind = flags >> DATA_SHIFT;
    let data = if kind == 0 { 0 } else { head.length()? };

    let textual =
        if matches!(kind, 1 | 2) { total.checked_add(data).ok_or(Corrupt::Truncated)? } else { total };
    let mut texts = Texts(std::str::from_utf8(head.take(textual)?).map_err(|_| Corrupt::Utf8)?);
    let [id, source, ty, subject, time, dataschema, datacontenttype] = lengths;
    let mut event = Event {
        id: texts.take(id)?,
        source: texts.take(source)?,
        ty: texts.take(ty)?,
        subject: texts.take_if(flags & SUBJECT, subject)?,
        time: texts.take_if(flags & TIME, time)?,
        dataschema: texts.take_if(flags & DATASCHEMA, dataschema)?,
        datacontenttype: texts.take_if(flags & DATACONTENTTYPE, datacontenttype)?,
        // The count has been read through: at least two bytes stand for each.
        extensions: Vec::with_capacity(count),
        data: None,
    };
    for _ in 0..count {
        let (name, shape) = extension(&mut extensions)?;
        let name = texts.take(name)?;
        let value = match shape {
            Shape::String(length) => Value::String(texts.take(length)?),
            Shape::Integer(number) => Value::Integer(number),
            Shape::Boolean(flag) => Value::Boolean(flag),
        };
        event.extensions.push((name, value));
    }
    event.data = match kind {
        0 => None,
        1 => Some(Data::Json(texts.take(data)?)),
        2 => Some(Data::Text(texts.take(data)?)),
        _ => Some(Data::Binary(Cow::Borrowed(head.take(data)?))),
    };
    head.finish()?;
    Ok(event)
}

/// An extension's value without its text.
enum Shape {
    String(usize),
    Integer(i32),
    Boolean(bool),
}

#[inline]
fn extension(head: &mut Reader<'_>) -> Result<(usize, Shape), Corrupt> {
    let name = head.length()?;
    let shape = match head.u8()? {
        STRING => Shape::String(head.length()?),
        INTEGER => Shape::Integer(head.u32()?.cast_signed()),
        FALSE => Shape::Boolean(false),
        TRUE => Shape::Boolean(true),
        found => return Err(Corrupt::Unknown { what: "type of an extension", found: u64::from(found) }),
    };
    Ok((name, shape))
}

/// The texts that are left. A length that cuts a character in two is corrupt.
struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    #[inline]
    fn take(&mut self, length: usize) -> Result<Cow<'a, str>, Corrupt> {
        let (text, rest) = self.0.split_at_checked(length).ok_or(Corrupt::Utf8)?;
        self.0 = rest;
        Ok(Cow::Borrowed(text))
    }

    #[inline]
    fn take_if(&mut self, flag: u8, length: usize) -> Result<Option<Cow<'a, str>>, Corrupt> {
        if flag == 0 { Ok(None) } else { self.take(length).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::arbitrary;
    use proptest::prelude::*;

    fn encoded(event: &Event<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(event, &mut out);
        out
    }

    proptest! {
        #[test]
        fn events_read_back(event in arbitrary::event()) {
            let record = encoded(&event);
            prop_assert_eq!(decode(&record).unwrap(), event);
        }

        #[test]
        fn corruption_never_panics(event in arbitrary::event(), at: prop::sample::Index, byte: u8, bytes: Vec<u8>) {
            let whole = encoded(&event);
            prop_assert!(decode(&whole[..at.index(whole.len())]).is_err());
            let mut more = whole.clone();
            more.push(byte);
            prop_assert_eq!(decode(&more), Err(Corrupt::Trailing(1)));
            let mut changed = whole;
            let at = at.index(changed.len());
            changed[at] = byte;
            if let Ok(event) = decode(&changed) {
                prop_assert_eq!(encoded(&event), changed);
            }
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION], &bytes[..]].concat());
        }
    }

    #[test]
    fn corrupt_lengths_allocate_nothing() {
        let huge = [VERSION, EXTENSIONS, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0];
        assert_eq!(decode(&huge), Err(Corrupt::Truncated));
        let overflow = [&[VERSION, 0][..], &[0xff; 9], &[1], &[0xff; 9], &[1, 0]].concat();
        assert_eq!(decode(&overflow), Err(Corrupt::Truncated));
    }

    /// Records lie on disks: what this version writes, every later one reads.
    #[test]
    fn the_form_is_fixed() {
        let event = Event {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: Some("a/json".into()),
            extensions: vec![
                ("n".into(), Value::Integer(-2)),
                ("s".into(), Value::String("é".into())),
                ("b".into(), Value::Boolean(true)),
            ],
            data: Some(Data::Json("{}".into())),
        };
        let head = b"\x01\x58\x03\x01\x02\x01\x06\x01\x01\xfe\xff\xff\xff\x01\x00\x02\x01\x03\x02";
        assert_eq!(encoded(&event), [&head[..], "1/sta/jsonnséb{}".as_bytes()].concat());
    }

    #[test]
    fn other_versions_are_named() {
        assert_eq!(decode(&[2, 0]), Err(Corrupt::Version { found: 2, known: 1 }));
        assert_eq!(decode(&[]), Err(Corrupt::Truncated));
    }
}
