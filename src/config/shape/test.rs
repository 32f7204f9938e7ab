//! The Test.

use super::{Field, Kind, Map, Pairs, Rule, Shape, document, form, metadata};

pub(crate) static KIND: Kind = Kind {
    name: "Test",
    api_versions: &["weir.dev/v1alpha1"],
    doc: "Events that are given, and what is to become of them. `weir test` runs it, `weir check` reads it; to a worker it is \
          nothing. What is expected as a list is complete, in any order, and each of its items says what it wants to say. \
          What is not there is not looked at, but for dead letters: without `deadLetters` there must be none. Replies \
          meet triggers in turn; what they set off counts, too.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What is tested.").required())),
    labels: &[],
    annotations: &[metadata::ALLOW],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    Field::new(
        "broker",
        STRING,
        "Whose triggers meet the events: a name of the Test's namespace, or `namespace/name`.",
    )
    .default("default/default"),
    Field::new("cases", Shape::List { item: &Shape::Map(&CASE), least: 1 }, "Each is played by itself.")
        .required(),
]);

pub(crate) static CASE: Map = Map::of(&[
    Field::new("name", Shape::Text(&form::CASE), "No other case of the Test has it.").required(),
    Field::new("broker", STRING, "For this case; without it: that of the Test."),
    Field::new("given", Shape::Either(&[GIVEN, GIVENS]), "An event, or a list of them in their order.")
        .required(),
    Field::new("expect", Shape::Map(&EXPECT), "What becomes of them.").required(),
]);

const GIVEN: Shape = Shape::Map(&EVENT);
const GIVENS: Shape = Shape::List { item: &GIVEN, least: 1 };

/// An event that is given.
pub(crate) static EVENT: Map = Map::of(&[
    Field::new("type", Shape::Text(&form::NOT_EMPTY), "What happened."),
    Field::new(
        "file",
        Shape::Text(&form::EVENT_FILE),
        "A file with one event in the JSON format; a path is relative to the document's.",
    ),
    Field::new("specversion", Shape::Text(&form::SPECVERSION), "Which CloudEvents it is of.").default("1.0"),
    Field::new("id", Shape::Text(&form::NOT_EMPTY), "Without it: the event's number in the list."),
    Field::new("source", Shape::Text(&form::REFERENCE), "Where it comes from.").default("/test"),
    Field::new("subject", Shape::Text(&form::NOT_EMPTY), "What it is about."),
    Field::new("time", Shape::Text(&form::TIMESTAMP), "When it happened."),
    Field::new("dataschema", Shape::Text(&form::URI), "What its data follows."),
    Field::new("datacontenttype", Shape::Text(&form::MEDIA_TYPE), "What its data is."),
    Field::new("data", Shape::Any, "Its data: YAML as the JSON that it would be."),
    DATA_BASE64,
])
.with(&[Rule::OneOf(&["type", "file"]), Rule::Alone("file"), Rule::NotBoth("data", "data_base64")])
.open(&Pairs { keys: &form::ATTRIBUTE_NAME, values: &EXTENSION, least: 0 })
.named("event");

static EXTENSION: Shape =
    Shape::Either(&[STRING, Shape::Integer(i32::MIN as i64, i32::MAX as i64), Shape::Boolean]);

static EXPECT: Map = Map::of(&[
    Field::new(
        "routes",
        Shape::List { item: &STRING, least: 0 },
        "The triggers that events meet, each once.",
    ),
    Field::new("replies", Shape::List { item: &EXPECTED, least: 0 }, "The events that functions reply."),
    Field::new(
        "deadLetters",
        Shape::List { item: &Shape::Map(&LETTER), least: 0 },
        "What could not be delivered. One that goes to a `deadLetterSink` is one, too.",
    ),
    Field::new(
        "attempts",
        Shape::Either(&[COUNT, Shape::Pairs(&COUNTS)]),
        "How many there are in all, or a map of triggers to how many of each.",
    ),
]);

const COUNT: Shape = Shape::Integer(0, 1_000_000);
static COUNTS: Pairs = Pairs { keys: &form::TRIGGER, values: &COUNT, least: 0 };

pub(crate) static LETTER: Map = Map::of(&[
    Field::new("trigger", STRING, "Whose delivery it was."),
    Field::new(
        "outcome",
        Shape::Words(&["retryable", "permanent", "timed-out", "trapped"]),
        "Of the last attempt.",
    ),
    Field::new("reason", Shape::Words(REASONS), "Why it failed."),
    Field::new("code", STRING, "The function's own code for that."),
    Field::new("message", STRING, "A part of what was said."),
    Field::new("attempts", COUNT, "How many there were."),
    Field::new("event", EXPECTED, "The event."),
]);

const REASONS: &[&str] = &[
    "guest",
    "unreachable",
    "division",
    "bounds",
    "indirect-call",
    "depth",
    "memory",
    "deadline",
    "fuel",
    "output",
    "bad-output",
    "bad-buffer",
    "instantiate",
    "engine",
    "vanished",
    "status",
    "connection",
    "hops",
    "trigger-gone",
    "denied",
    "oversized",
    "refused",
    "undecodable",
    "unrouted",
    "budget",
];

/// An event that is expected.
const EXPECTED: Shape = Shape::Map(&PATTERN);

pub(crate) static PATTERN: Map = Map::of(&EXACTLY_OR_ATTRIBUTES)
    .with(&[Rule::Alone("exactly"), Rule::NotBoth("data", "data_base64")])
    .open(&ANY_ATTRIBUTES)
    .named("pattern");

const EXACTLY_OR_ATTRIBUTES: [Field; ATTRIBUTES.len() + 1] = {
    let mut fields = [EXACTLY; ATTRIBUTES.len() + 1];
    let mut n = 0;
    while n < ATTRIBUTES.len() {
        fields[n + 1] = ATTRIBUTES[n];
        n += 1;
    }
    fields
};

const EXACTLY: Field = Field::new(
    "exactly",
    Shape::Map(&WHOLE),
    "All there is, but what the worker fills in for the function: `specversion`, and `id` and `source` where it gave none.",
);

pub(crate) static WHOLE: Map =
    Map::of(&ATTRIBUTES).with(&[Rule::NotBoth("data", "data_base64")]).open(&ANY_ATTRIBUTES);

static ANY_ATTRIBUTES: Pairs = Pairs {
    keys: &form::ATTRIBUTE_NAME,
    values: &Shape::Either(&[STRING, Shape::Integer(i64::MIN, i64::MAX), Shape::Boolean]),
    least: 0,
};

const ATTRIBUTES: [Field; 10] = [
    Field::new("type", STRING, "What happened."),
    Field::new("specversion", STRING, "Which CloudEvents it is of."),
    Field::new("id", STRING, "Its id."),
    Field::new("source", STRING, "Where it comes from."),
    Field::new("subject", STRING, "What it is about."),
    Field::new("time", STRING, "When it happened."),
    Field::new("dataschema", STRING, "What its data follows."),
    Field::new("datacontenttype", STRING, "What its data is."),
    Field::new(
        "data",
        Shape::Any,
        "Its data. But for `exactly` a part of it: what an object says must be there, lists item by item, numbers by value.",
    ),
    DATA_BASE64,
];

const DATA_BASE64: Field =
    Field::new("data_base64", Shape::Text(&form::BASE64), "Its data, where that is no JSON.");

const STRING: Shape = Shape::Text(&form::ANY);
