//! The BillingSink.

use super::{Field, Kind, Map, Pairs, Rule, Shape, document, form, metadata, reference, secret};

pub(crate) static KIND: Kind = Kind {
    name: "BillingSink",
    api_versions: &["weir.dev/v1alpha1"],
    doc: "Where the usage of all attempts goes: one of `http`, `sink` and `file`; a BillingSink for each place.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "Where to, and how.").required())),
    labels: &[],
    annotations: &[metadata::ALLOW],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    Field::new("http", Shape::Map(&HTTP), "Batches of CloudEvents are posted, as OpenMeter takes them."),
    Field::new("sink", Shape::Map(&reference::USAGE_SINK), "They are written to a KafkaSink's topic or a NatsSink's subject."),
    Field::new("file", Shape::Map(&FILE), "They are written to a file: an event of JSON a line, or FOCUS's columns where its name ends in `.csv`."),
    Field::new("batch", Shape::Integer(1, 10_000), "Usage events in one request at most.").default("100"),
    Field::new("interval", Shape::Text(&form::TIME), "How long usage may wait for a full batch.")
        .default("PT5S"),
    Field::new(
        "subjects",
        Shape::Pairs(&SUBJECTS),
        "Tenants, and what they are called there; who is not named is called as here.",
    ),
    Field::new(
        "rollup",
        Shape::Words(&["PT1S", "PT1M", "PT5M", "PT15M", "PT1H", "P1D"]),
        "Sums go, by tenant, function and such a window of time, rather than an event for each attempt: docs/billing.md, \
         'Roll-ups'.",
    ),
])
.with(&[Rule::OneOf(&["http", "sink", "file"])]);

static SUBJECTS: Pairs = Pairs { keys: &form::NAME, values: &Shape::Text(&form::NOT_EMPTY), least: 0 };

static HTTP: Map = Map::of(&[
    Field::new("url", Shape::Text(&form::URL), "Where to.").required(),
    secret::field("token", "The bearer token that is sent along."),
]);

static FILE: Map = Map::of(&[Field::new(
    "path",
    Shape::Text(&form::NEW_FILE),
    "The file; a path is relative to the document's.",
)
.required()]);
