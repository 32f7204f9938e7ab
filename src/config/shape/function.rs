//! The Function.

use super::{Field, Kind, Map, Pairs, Shape, document, form, metadata, secret};

pub(crate) static KIND: Kind = Kind {
    name: "Function",
    api_versions: &["weir.dev/v1alpha1"],
    later: None,
    doc: "A WebAssembly module that is handed events, and the Services that it stands for.",
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What it is.").required())),
    labels: &[],
    annotations: &[metadata::ALLOW],
    guarded: &["weir.dev/"],
};

pub(crate) static SPEC: Map = Map::of(&[
    Field::new("module", Shape::Text(&form::PATH), "A `.wasm` file; a path is relative to the document's.")
        .required(),
    Field::new(
        "script",
        Shape::Text(&form::SCRIPT),
        "A file beside the document, of 1 MiB at most, whose text the function finds in its configuration, under the key \
         `script`: what an interpreter runs. It is looked at for changes as the module is.",
    ),
    Field::new(
        "config",
        Shape::Pairs(&CONFIG),
        "What the function finds in its configuration, by its key: 100 values of 64 KiB at most, each a string or \
         `secretKeyRef: {name: …, key: …}`, as [below](#secret).",
    ),
    Field::new(
        "environment",
        Shape::Pairs(&ENVIRONMENT),
        "The same for the environment that a WASI program has. Nothing of the worker's own is in it.",
    ),
    Field::new(
        "serves",
        Shape::List { item: &Shape::Text(&form::LABEL), least: 0 },
        "The Services that it stands for in triggers of its namespace.",
    ),
    Field::new(
        "tenant",
        Shape::Text(&form::TENANT),
        "Who pays for it; without it: its namespace. `$customer`: what that attribute of the event says; of a list with commas \
         the first that says something. A Trigger's `weir.dev/tenant` wins.",
    ),
    Field::new(
        "timeout",
        Shape::Text(&form::LENGTH),
        "How long a call may take; without it: setting `function.timeout`.",
    ),
    Field::new(
        "fuel",
        Shape::Integer(1, i64::MAX),
        "How much work a call may do: the same event takes the same fuel on every machine, and `weir invoke` says how \
         much. Without it: what a call can do in its time.",
    ),
    Field::new(
        "memory",
        Shape::Text(&form::SIZE),
        "What an instance's memory may grow to; without it: setting `function.memory`.",
    ),
    Field::new(
        "maxOutput",
        Shape::Text(&form::SIZE),
        "The largest answer; without it: setting `function.max-output`.",
    ),
    Field::new(
        "isolation",
        Shape::Words(&["warm", "reset", "fresh"]),
        "What an event finds of those before it: what they left in the instance's memory; or nothing, because it is set back \
         after each; or nothing, because each event has an instance of its own.",
    )
    .default("warm"),
    Field::new(
        "concurrency",
        Shape::Integer(1, 100_000),
        "How many events a worker runs it on at a time; without it: as many as it has executors. Others wait.",
    ),
    Field::new("log", Shape::Map(&LOG), "How much it may log; what is over is dropped, counted, and told of."),
    Field::new("instances", Shape::Map(&INSTANCES), "How many instances of it a worker keeps."),
    Field::new("price", Shape::Map(&PRICE), "What an attempt of it costs its tenant; without it: nothing."),
    Field::new("tariffs", Shape::Pairs(&TARIFFS), "What it costs certain tenants, rather than `price`."),
]);

static CONFIG: Pairs = Pairs { keys: &form::CONFIG_KEY, values: &Shape::Either(&TOLD), least: 0 };
static ENVIRONMENT: Pairs = Pairs { keys: &form::VARIABLE, values: &Shape::Either(&TOLD), least: 0 };
static TOLD: [Shape; 2] = [Shape::Text(&form::TOLD), Shape::Map(&secret::SECRET)];

static LOG: Map = Map::of(&[
    Field::new(
        "bytes",
        Shape::Text(&form::SIZE),
        "What one call may log, in 256 lines at most; without it: setting `function.log-bytes`.",
    ),
    Field::new(
        "rate",
        Shape::Integer(1, 1_000_000),
        "Lines a second on one executor, after the first of five seconds; without it: setting `function.log-rate`.",
    ),
])
.named("log");

static INSTANCES: Map = Map::of(&[
    Field::new(
        "min",
        Shape::Integer(0, 100_000),
        "So many are there before the worker is ready, and stay; an executor has one of them.",
    )
    .default("1"),
    Field::new(
        "max",
        Shape::Integer(1, 100_000),
        "No more are kept between events; where more are needed at a time, they are made for one event. Without it: one for \
         each executor that needs it.",
    ),
    Field::new(
        "idle",
        Shape::Text(&form::LENGTH),
        "One beyond `min` goes when it has had no event for so long; without it: setting `function.idle`.",
    ),
])
.named("instances");

static TARIFFS: Pairs = Pairs { keys: &form::NAME, values: &Shape::Map(&PRICE), least: 0 };

const CALL: Field =
    Field::new("call", Shape::Text(&form::PRICE), "Of each, in whatever unit of money all prices are in.");
const MILLISECOND: Field = Field::new(
    "millisecond",
    Shape::Text(&form::PRICE),
    "Of each millisecond that a call has begun; one at least.",
);
const GIB_MILLISECOND: Field = Field::new(
    "gibMillisecond",
    Shape::Text(&form::PRICE),
    "Of the same for each GiB (2^30 bytes) that its instance's memory takes up after the call.",
);
const MILLION_FUEL: Field =
    Field::new("millionFuel", Shape::Text(&form::PRICE), "Of a million units of fuel.");
const MINIMUM: Field = Field::new("minimum", Shape::Text(&form::PRICE), "No attempt costs less.");

pub(crate) static PRICE: Map = Map::of(&[
    CALL,
    MILLISECOND,
    GIB_MILLISECOND,
    MILLION_FUEL,
    MINIMUM,
    Field::new(
        "then",
        Shape::List { item: &Shape::Map(&PRICE_THEN), least: 0 },
        "The prices that follow, in their order. An attempt costs what is in force when it ends.",
    ),
])
.named("price");

pub(crate) static PRICE_THEN: Map = Map::of(&[
    Field::new("from", Shape::Text(&form::FROM), "When it comes into force; a day begins at midnight UTC.")
        .required(),
    CALL,
    MILLISECOND,
    GIB_MILLISECOND,
    MILLION_FUEL,
    MINIMUM,
]);
