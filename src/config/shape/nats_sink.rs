//! The NatsSink.

use super::{Field, Kind, Map, Shape, document, form, kafka_sink, metadata, network};

pub(crate) static KIND: Kind = Kind {
    name: "NatsSink",
    api_versions: &["weir.dev/v1alpha1"],
    doc: "A subject of NATS JetStream to write to.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "Where it writes to.").required())),
    labels: &[],
    annotations: &[metadata::ALLOW],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    network::NATS_SERVERS,
    network::NATS_LOGIN,
    network::NATS_TLS,
    Field::new("subject", Shape::Text(&form::SUBJECT), "What is written to: one subject, no pattern.")
        .required(),
    Field::new(
        "stream",
        Shape::Text(&form::NATS_NAME),
        "The stream that must keep what is written; without it: whichever has the subject.",
    ),
    Field::new(
        "partitions",
        Shape::Integer(1, 128),
        "To the subject a last word is added: one of so many partitions, by the event's `partitionkey` (without one, its `id`) as \
         NATS's own `partition()` counts.",
    ),
    kafka_sink::CONTENT_MODE,
]);
