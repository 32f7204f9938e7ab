//! What a KafkaSource and a NatsSource have in common.

use super::{Field, Map, Pairs, Shape, delivery, form, reference};

/// Where a record is no event.
pub(super) const MAP: Field = Field::new(
    "weir.dev/map",
    Shape::Text(&form::MAPPING),
    "Where a record that is no CloudEvent has its `type`, `source`, `subject` and `id`: `header:NAME`, a JSON pointer into its \
     value, or a text in quotes. What is not mapped is as Knative makes it; a record that lacks what is mapped is no event.",
);

pub(super) const UNROUTED: Field = Field::new(
    "weir.dev/unrouted",
    Shape::Words(&["commit", "dead-letter", "pause"]),
    "What becomes of an event that no trigger matches.",
)
.default("commit");

pub(super) const SINK: Field = Field::new(
    "sink",
    Shape::Map(&reference::SOURCE_SINK),
    "Where the events go. A KafkaSink and a NatsSink are refused in this version. Knative can do without a sink; here \
     nothing would come of it.",
)
.required();

pub(super) const OVERRIDES: Field =
    Field::new("ceOverrides", Shape::Map(&OVERRIDES_MAP), "What is put into each event.");

static OVERRIDES_MAP: Map = Map::of(&[Field::new(
    "extensions",
    Shape::Pairs(&EXTENSIONS),
    "Extensions and their values; CloudEvents' own attributes are refused.",
)]);

static EXTENSIONS: Pairs = Pairs { keys: &form::EXTENSION, values: &Shape::Text(&form::ANY), least: 0 };

pub(super) const DELIVERY: Field = Field::new(
    "delivery",
    Shape::Map(&delivery::DELIVERY),
    "What happens when a delivery fails, where the sink is no Broker; of a Broker the Triggers say it (a note). Its \
     deadLetterSink takes what is no event, whatever the sink is.",
);

/// `ordering`, of which the first word is the default.
pub(super) const fn ordering(words: &'static [&'static str]) -> Field {
    Field::new(
        "ordering",
        Shape::Words(words),
        "What waits for what, where the sink is no Broker; of a Broker the Triggers say it (a note).",
    )
    .default(words[0])
}
