//! The NatsSource.

use super::{Field, Kind, Map, Rule, Shape, document, form, metadata, network, source};

pub(crate) static KIND: Kind = Kind {
    name: "NatsSource",
    api_versions: &["weir.dev/v1alpha1"],
    doc: "A stream of NATS JetStream to consume, and where its events go. A durable consumer is shared message by message, and so \
          keeps no order, but with `partitions`: without them `ordering` refuses what can't be kept, and so does a Trigger that asks \
          for an order of its broker.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What it consumes.").required())),
    labels: &[],
    annotations: &[
        source::UNROUTED,
        Field::new(
            "weir.dev/initial-offset",
            Shape::Text(&form::TIMESTAMP),
            "Where a consumer that is new begins: with the messages of that time and later; it is asked before \
             `spec.initialPosition`.",
        ),
        source::MAP,
        metadata::ALLOW,
    ],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    network::NATS_SERVERS,
    network::NATS_LOGIN,
    network::NATS_TLS,
    Field::new("stream", Shape::Text(&form::NATS_NAME), "What is consumed.").required(),
    Field::new(
        "consumer",
        Shape::Text(&form::NATS_NAME),
        "The durable consumer: workers that say the same share its messages, and KEDA watches it.",
    )
    .required(),
    Field::new(
        "subjects",
        Shape::List { item: &Shape::Text(&form::SUBJECTS), least: 1 },
        "Which of the stream's; without it: all of them. No two may overlap.",
    ),
    Field::new(
        "partitions",
        Shape::Integer(1, 128),
        "The last word of its subjects is a number below this, and each has a durable of its own, `<consumer>-<n>`, of which one \
         worker at a time is given the messages: so order is kept in each. `subjects` then say what stands before that word. Not \
         to be changed without another `consumer`.",
    ),
    Field::new(
        "ackWait",
        Shape::Text(&form::TIME),
        "How long a message may be ours before NATS hands it out again.",
    )
    .default("PT30S"),
    Field::new("maxAckPending", Shape::Integer(1, 1_000_000), "How many messages may be ours at once.")
        .default("1000"),
    Field::new(
        "initialPosition",
        Shape::Words(&["earliest", "latest"]),
        "Where a consumer begins that is new.",
    )
    .default("earliest"),
    source::SINK,
    source::OVERRIDES,
    source::ordering(&["unordered", "key", "ordered"]),
    source::DELIVERY,
])
.with(&[Rule::Needs("partitions", &["subjects"])]);
