//! What a guest's output says, by Guest ABI 1: nothing more, replies, or a failure of its own.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::{MESSAGE, told};
use crate::event::{Event, Uid, structured};

/// Replies to one event. More is a guest that lost count.
const REPLIES: usize = 64;
/// Of a failure's code, in bytes.
const CODE: usize = 64;

/// Replies are borrowed from the output as far as they can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<'o> {
    Done,
    Replies(Vec<Event<'o>>),
    Failed { retry: bool, code: String, message: String },
}

/// The output is no answer; why. The delivery fails for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOutput(pub String);

impl fmt::Display for BadOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the output is no answer: {}", self.0)
    }
}

impl std::error::Error for BadOutput {}

/// Reads the output of a function for a delivery. A reply without source gets the function's, one without id the
/// delivery's with its index, so that the replies to a repeated delivery are the same events.
pub fn read<'o>(output: &'o [u8], function: &str, delivery: Uid) -> Result<Answer<'o>, BadOutput> {
    // What quotes the output may quote all of it.
    answer(output, function, delivery).map_err(|BadOutput(why)| BadOutput(told(&why, MESSAGE)))
}

fn answer<'o>(output: &'o [u8], function: &str, delivery: Uid) -> Result<Answer<'o>, BadOutput> {
    if output.is_empty() {
        return Ok(Answer::Done);
    }
    let text = std::str::from_utf8(output).map_err(|error| BadOutput(format!("{error}; JSON is UTF-8")))?;
    match serde_json::from_str(text).map_err(|error| BadOutput(error.to_string()))? {
        Output::One(members) => match failure(&members)? {
            Some(failed) => Ok(failed),
            None => Ok(Answer::Replies(vec![reply(members, function, delivery, 0)?])),
        },
        Output::Several(all) if all.is_empty() => Ok(Answer::Done),
        Output::Several(all) => {
            let replies = all.into_iter().enumerate().map(|(index, members)| {
                reply(members, function, delivery, index)
                    .map_err(|BadOutput(why)| BadOutput(format!("reply {index}: {why}")))
            });
            replies.collect::<Result<_, _>>().map(Answer::Replies)
        }
    }
}

fn failure(members: &Members<'_>) -> Result<Option<Answer<'static>>, BadOutput> {
    #[derive(Deserialize)]
    struct Failure<'a> {
        retry: Option<bool>,
        #[serde(borrow, default)]
        code: Cow<'a, str>,
        #[serde(borrow, default)]
        message: Cow<'a, str>,
    }
    let Some(error) = members.get("error") else { return Ok(None) };
    if members.get("specversion").is_some() {
        return Err(BadOutput("an object with both `specversion` and `error`".into()));
    }
    if members.0.len() > 1 {
        return Err(BadOutput("an object with `error` and other members beside it".into()));
    }
    let failure: Failure<'_> =
        serde_json::from_str(error.get()).map_err(|why| BadOutput(format!("its `error`: {why}")))?;
    Ok(Some(Answer::Failed {
        retry: failure.retry.unwrap_or(true),
        code: told(&failure.code, CODE),
        message: told(&failure.message, MESSAGE),
    }))
}

fn reply<'o>(
    members: Members<'o>,
    function: &str,
    delivery: Uid,
    index: usize,
) -> Result<Event<'o>, BadOutput> {
    if members.get("specversion").is_none() {
        return Err(BadOutput("an object with neither `specversion` nor `error`".into()));
    }
    if members.get("error").is_some() {
        return Err(BadOutput("an object with both `specversion` and `error`".into()));
    }
    let id = || format!("{delivery}-{index}").into();
    let source = || ["/functions/", function].concat().into();
    structured::of_members(members.0, id, source).map_err(|invalid| BadOutput(invalid.to_string()))
}

enum Output<'a> {
    One(Members<'a>),
    Several(Vec<Members<'a>>),
}

/// An object's members, in their order, their values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Output<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Output<'de>, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Output<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Output<'de>, A::Error> {
                collect(members).map(Output::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Output<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(members) = elements.next_element()? {
                    if all.len() == REPLIES {
                        return Err(serde::de::Error::custom(format_args!("more than {REPLIES} replies")));
                    }
                    all.push(members);
                }
                Ok(Output::Several(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'de>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reply as an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Members<'de>, A::Error> {
                collect(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn collect<'de, A: MapAccess<'de>>(mut object: A) -> Result<Members<'de>, A::Error> {
    /// Borrowed unless it has escapes.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

    let mut members = Vec::with_capacity(8);
    while let Some((Name(name), value)) = object.next_entry()? {
        members.push((name, value));
    }
    Ok(Members(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Result<Answer<'_>, BadOutput> {
        super::read(output.as_bytes(), "f", Uid(0xab))
    }

    fn replies(output: &str) -> Vec<Event<'_>> {
        match read(output) {
            Ok(Answer::Replies(replies)) => replies,
            other => panic!("{output}: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_done() {
        for output in ["", "[]", " [ ] "] {
            assert_eq!(read(output), Ok(Answer::Done), "{output:?}");
        }
    }

    #[test]
    fn id_and_source_are_filled_in_where_they_lack() {
        let all = replies(
            r#"[{"specversion":"1.0","type":"a","data":{"n":1.50}},
                {"specversion":"1.0","type":"b","id":"mine","source":"/me"},
                {"specversion":"1.0","type":"c","id":null,"source":null}]"#,
        );
        let parts: Vec<_> = all.iter().map(|e| (&*e.ty, &*e.id, &*e.source)).collect();
        let id = Uid(0xab).to_string();
        assert_eq!(
            parts,
            [
                ("a", &*format!("{id}-0"), "/functions/f"),
                ("b", "mine", "/me"),
                ("c", &*format!("{id}-2"), "/functions/f"),
            ]
        );
        assert_eq!(all[0].data.as_ref().map(|data| data.bytes()), Some(&br#"{"n":1.50}"#[..]));
    }

    #[test]
    fn an_error_is_the_function_s_own_failure() {
        let failed = |retry, code: &str, message: &str| {
            Ok(Answer::Failed { retry, code: code.into(), message: message.into() })
        };
        assert_eq!(
            read(r#"{"error":{"retry":false,"code":"c","message":"m\""}}"#),
            failed(false, "c", "m\"")
        );
        assert_eq!(read(r#"{"error":{}}"#), failed(true, "", ""));
        let long = format!(r#"{{"error":{{"message":"x{}"}}}}"#, "é".repeat(MESSAGE));
        let Ok(Answer::Failed { message, .. }) = read(&long) else { panic!() };
        assert_eq!(message.len(), MESSAGE - 1);
        let lines = r#"{"error":{"code":"\u001b[2J","message":"one\ntwo"}}"#;
        assert_eq!(read(lines), failed(true, " [2J", "one two"));
    }

    #[test]
    fn what_is_said_of_an_output_does_not_repeat_all_of_it() {
        let long = "\\u001b".repeat(100_000);
        for output in [format!(r#""{long}""#), format!(r#"{{"error":"{long}"}}"#)] {
            let BadOutput(said) = read(&output).unwrap_err();
            assert!(said.len() <= MESSAGE && !said.contains(char::is_control), "{said}");
        }
    }

    #[test]
    fn anything_else_is_a_bad_output() {
        for (output, why) in [
            ("  ", "EOF"),
            ("12", "an object or an array of objects"),
            ("{}", "neither `specversion` nor `error`"),
            ("[1]", "a reply as an object"),
            (r#"{"specversion":"1.0","type":"a"} x"#, "trailing"),
            (r#"{"specversion":"1.0"}"#, "type"),
            (r#"{"specversion":"1.0","type":"a","error":{}}"#, "both `specversion` and `error`"),
            (r#"{"error":{},"code":1}"#, "other members"),
            (r#"{"error":"broken"}"#, "its `error`"),
            (r#"[{"error":{}}]"#, "reply 0: an object with neither"),
            (r#"[{"specversion":"1.0","type":"a"},{"specversion":"0.3","type":"a"}]"#, "reply 1: "),
            (r#"{"specversion":"1.0","type":"a","id":7}"#, "id"),
            (r#"{"specversion":"1.0","type":"a","id":null,"id":"1"}"#, "id: given more than once"),
        ] {
            let BadOutput(said) = read(output).expect_err(output);
            assert!(said.contains(why), "{output}: {said}");
        }
        assert!(super::read(b"\xff", "f", Uid(0)).is_err());
    }

    #[test]
    fn replies_are_counted() {
        let reply = r#"{"specversion":"1.0","type":"a"}"#;
        let many = |count: usize| format!("[{}]", vec![reply; count].join(","));
        assert_eq!(replies(&many(REPLIES)).len(), REPLIES);
        let more = many(REPLIES + 1);
        let BadOutput(said) = read(&more).unwrap_err();
        assert!(said.contains("more than 64 replies"), "{said}");
    }
}
