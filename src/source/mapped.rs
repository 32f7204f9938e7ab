//! What `weir.dev/map` finds in a record: a message of whatever broker that is no event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::wrapped::Headers;
use crate::config::Whence;
use crate::event::Invalid;

/// The attribute's text, or what is missing.
pub(super) fn find<'r>(
    name: &'static str,
    place: &'r Whence,
    (headers, value): (&Headers<'r>, Option<&'r [u8]>),
) -> Result<Cow<'r, str>, Invalid> {
    match place {
        Whence::Text(text) => Ok(Cow::Borrowed(text)),
        Whence::Header(header) => {
            // Of several of its name the last one counts, as for Kafka's own clients.
            let found = headers.iter().rev().find(|(other, _)| other.eq_ignore_ascii_case(header));
            let value = found.and_then(|(_, value)| *value);
            let value = value.ok_or_else(|| missing(name, place, "there is no such header"))?;
            let text = std::str::from_utf8(value);
            text.map(Cow::Borrowed).map_err(|_| missing(name, place, "it is no UTF-8"))
        }
        Whence::Pointer(names) => {
            let value = value.ok_or_else(|| missing(name, place, "the record has no value"))?;
            let value = serde_json::from_slice(value);
            let value = value.map_err(|_| missing(name, place, "the record's value is no JSON"))?;
            text(names, value).map_err(|why| missing(name, place, why))
        }
    }
}

/// Numbers stay as they are written.
fn text<'v>(names: &[Box<str>], mut at: &'v RawValue) -> Result<Cow<'v, str>, &'static str> {
    const NOT_THERE: &str = "it is not there";
    for name in names {
        let json = at.get();
        at = match json.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<Cow<'v, str>, &'v RawValue> =
                    serde_json::from_str(json).map_err(|_| NOT_THERE)?;
                members.get(&**name).copied().ok_or(NOT_THERE)?
            }
            Some(b'[') => {
                let elements: Vec<&'v RawValue> = serde_json::from_str(json).map_err(|_| NOT_THERE)?;
                let plain =
                    name.bytes().all(|b| b.is_ascii_digit()) && (&**name == "0" || !name.starts_with('0'));
                let index = name.parse::<usize>().ok().filter(|_| plain);
                index.and_then(|index| elements.get(index).copied()).ok_or(NOT_THERE)?
            }
            _ => return Err(NOT_THERE),
        };
    }
    let json = at.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(json).map(Cow::Owned).map_err(|_| "it is no text"),
        Some(b'{' | b'[') => Err("it is no text, no number and no truth value"),
        Some(b'n') => Err("it is null"),
        _ => Ok(Cow::Borrowed(json)),
    }
}

fn missing(name: &'static str, place: &Whence, why: &str) -> Invalid {
    Invalid::unmapped(name, format!("weir.dev/map looks for it in {place}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Whence {
        Whence::Pointer(text.split('/').skip(1).map(Box::from).collect())
    }

    #[test]
    fn a_pointer_finds_texts_numbers_and_truth_values_as_they_are_written() {
        let value = r#"{"a": {"b": [1, {"c/d": "\u00e9t\u00e9", "e": 18446744073709551616.50}], "n": null}, "": true}"#;
        let record = (&[][..], Some(value.as_bytes()));
        let find = |text: &str| find("id", &pointer(text), record).map(Cow::into_owned);
        assert_eq!(find("/a/b/0").unwrap(), "1");
        assert_eq!(find("/a/b/1/e").unwrap(), "18446744073709551616.50");
        assert_eq!(find("/").unwrap(), "true");
        let inner = Whence::Pointer(["a", "b", "1", "c/d"].map(Box::from).to_vec().into());
        assert_eq!(super::find("id", &inner, record).unwrap(), "été");
        for (wrong, why) in [
            ("/x", "it is not there"),
            ("/a/b/2", "it is not there"),
            ("/a/b/01", "it is not there"),
            ("/a/b/0/x", "it is not there"),
            ("/a", "it is no text"),
            ("/a/n", "it is null"),
        ] {
            let message = find(wrong).unwrap_err().to_string();
            assert_eq!(message.split(why).count(), 2, "{wrong}: {message}");
            assert!(message.starts_with(&format!("id: weir.dev/map looks for it in {wrong}: ")), "{message}");
        }
    }

    #[test]
    fn what_a_record_lacks_is_named() {
        let header = Whence::Header("Kind".into());
        let null: [(&str, Option<&[u8]>); 1] = [("kind", None)];
        let bytes: [(&str, Option<&[u8]>); 1] = [("kind", Some(b"\xff"))];
        let twice: [(&str, Option<&[u8]>); 2] = [("kind", Some(b"a")), ("KIND", Some(b"b"))];
        assert_eq!(find("type", &header, (&twice, None)).unwrap(), "b");
        for (headers, value, place, why) in [
            (&[][..], None, &header, "there is no such header"),
            (&null, None, &header, "there is no such header"),
            (&bytes, None, &header, "it is no UTF-8"),
            (&[], None, &pointer("/a"), "the record has no value"),
            (&[], Some("{\"a\":"), &pointer("/a"), "the record's value is no JSON"),
            (&[], Some("plain"), &pointer("/a"), "the record's value is no JSON"),
        ] {
            let record = (headers, value.map(str::as_bytes));
            let message = find("type", place, record).unwrap_err().to_string();
            assert!(message.ends_with(why), "{message}");
        }
    }
}
