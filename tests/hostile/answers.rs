//! Guests that answer something else than they should.

use weir::dispatch::{Outcome, Reason};

use crate::guest::{End, Guest, NOTHING, Wasm, handler, other};
use crate::made;

const fn answer(name: &'static str, does: &'static str, answer: &'static str, why: &'static str) -> Guest {
    other(name, does, Wasm::Answer(answer), End::Says(Outcome::Permanent, Reason::BadOutput, why))
}

const fn long(name: &'static str, does: &'static str, answer: fn() -> Vec<u8>, end: End) -> Guest {
    other(name, does, Wasm::LongAnswer(answer), end)
}

const fn bad(why: &'static str) -> End {
    End::Says(Outcome::Permanent, Reason::BadOutput, why)
}

pub(crate) const JSON: &[Guest] = &[
    long(
        "half-a-character",
        "answers what is no UTF-8",
        made::not_utf8,
        bad("invalid utf-8…; JSON is UTF-8"),
    ),
    answer(
        "half-an-answer",
        "answers half of a reply",
        r#"{"specversion":"1.0","type":"#,
        "EOF while parsing…",
    ),
    answer("number", "answers a number", "1e999999", "…"),
    answer(
        "no-value",
        "answers null",
        "null",
        "invalid type: null, expected an object or an array of objects…",
    ),
    answer("mark", "answers a reply behind a byte order mark", "\u{feff}[]", "expected value…"),
    answer("zero", "answers a list with a zero byte behind it", "[]\0", "trailing characters…"),
    answer("two-answers", "answers twice", "[][]", "trailing characters…"),
    long("space", "answers a megabyte of spaces", made::nothing_but_space, bad("EOF while parsing a value…")),
    long("long-string", "answers a megabyte of escapes", made::long_string, bad("invalid type: string…")),
    long("nested-arrays", "opens a hundred thousand arrays", made::nested_arrays, bad("…")),
    long(
        "nested-data",
        "replies with data that is nested a hundred thousand times",
        made::nested_data,
        bad("data: nested deeper than 127 levels"),
    ),
    long(
        "nested-objects",
        "the same with objects",
        made::nested_objects,
        bad("data: nested deeper than 127 levels"),
    ),
];

pub(crate) const REPLIES: &[Guest] = &[
    long("megabyte", "replies with as much as it may", made::megabyte, End::Replies(1)),
    long(
        "megabyte-and-one",
        "replies with a byte more",
        made::megabyte_and_one,
        End::Fails(Outcome::Permanent, Reason::Output, "an output of 1048577 bytes; the limit is 1048576"),
    ),
    handler(
        "echo",
        "answers with the event itself, where the host put it: the next event is written over the answer",
        &[],
        "(i64.or (i64.const 0x40000000000) (i64.extend_i32_u (local.get $len)))",
        "",
        bad("expected value…"),
    ),
    answer(
        "no-event",
        "replies with no event",
        r#"{"type":"t"}"#,
        "an object with neither `specversion` nor `error`",
    ),
    answer(
        "both",
        "replies and fails at once",
        r#"{"specversion":"1.0","type":"t","error":{}}"#,
        "an object with both `specversion` and `error`",
    ),
    answer(
        "two-types",
        "replies with an event that has its type twice",
        r#"{"specversion":"1.0","type":"a","type":"b"}"#,
        "type: given more than once",
    ),
    answer(
        "two-payloads",
        "replies with an event that has its data twice",
        r#"{"specversion":"1.0","type":"a","data":1,"data":2}"#,
        "data: given more than once",
    ),
    answer(
        "broken-data",
        "replies with binary data that is none",
        r#"{"specversion":"1.0","type":"a","data_base64":"=="}"#,
        "data_base64: not Base64…",
    ),
    answer(
        "another-version-of-events",
        "replies with an event of a version that is to come",
        r#"{"specversion":"2.0","type":"a"}"#,
        "specversion: '2.0' is not supported…",
    ),
    answer(
        "terminal",
        "replies with an event that clears the screen of whoever looks at it",
        r#"{"specversion":"1.0","type":"\u001b[2J"}"#,
        "type: U+001B is not legal…",
    ),
    other(
        "forged",
        "replies as if it were somebody else, with an event that may go round for ever",
        Wasm::Answer(
            r#"{"specversion":"1.0","type":"a","id":"1","source":"/bank","knativebrokerttl":2147483647}"#,
        ),
        End::Replies(1),
    ),
    long("many-replies", "replies ten thousand times", made::many_replies, bad("more than 64 replies…")),
    long(
        "many-extensions",
        "replies with 20,000 attributes",
        made::many_extensions,
        bad("…more than 256 extension attributes"),
    ),
    long(
        "all-extensions",
        "replies with as many attributes as an event may have",
        made::as_many_extensions_as_there_may_be,
        End::Replies(1),
    ),
    long("long-name", "replies with an attribute whose name is 60,000 escapes", made::long_name, bad("…")),
    long(
        "long-type",
        "replies with a type of 70,000 letters",
        made::long_type,
        bad("the attributes are more than 65536 bytes…"),
    ),
    other("empty-list", "replies with nothing, as a list", Wasm::Answer(" [ ] "), NOTHING),
];

pub(crate) const ERRORS: &[Guest] = &[
    long(
        "long-error",
        "fails with a text of a megabyte for an object",
        made::long_error,
        bad("its `error`: invalid type: string…"),
    ),
    long(
        "long-message",
        "fails with a code and a message of 50,000 escape sequences",
        made::long_message,
        End::Says(Outcome::Permanent, Reason::Guest, "…"),
    ),
    answer(
        "mistyped-error",
        "fails with a number for a message",
        r#"{"error":{"message":7}}"#,
        "its `error`: invalid type: integer `7`, expected a…string…",
    ),
    answer(
        "two-errors",
        "fails twice",
        r#"{"error":{"retry":true},"error":{"retry":false}}"#,
        "an object with `error` and other members beside it",
    ),
    answer(
        "two-minds",
        "wants to be retried and does not",
        r#"{"error":{"retry":true,"retry":false}}"#,
        "its `error`: duplicate field `retry`…",
    ),
    other(
        "own-failure",
        "fails as a function may",
        Wasm::Answer(r#"{"error":{"code":"busy","message":"later"}}"#),
        End::Says(Outcome::Retryable, Reason::Guest, "busy: later"),
    ),
];
