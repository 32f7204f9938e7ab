//! The KafkaSink.

use super::{Field, Kind, Map, Shape, document, form, metadata, network};

pub(crate) static KIND: Kind = Kind {
    name: "KafkaSink",
    api_versions: &["eventing.knative.dev/v1alpha1"],
    doc: "A topic of Kafka to write to.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "Where it writes to.").required())),
    labels: &[],
    annotations: &[metadata::ALLOW],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    network::KAFKA_SERVERS,
    Field::new("topic", Shape::Text(&form::TOPIC), "What is written to.").required(),
    CONTENT_MODE,
    Field::new(
        "numPartitions",
        Shape::Integer(1, i32::MAX as i64),
        "Of the topic, if it has to be made: only where `replicationFactor` is said, too.",
    ),
    Field::new("replicationFactor", Shape::Integer(1, i16::MAX as i64), "The same, with `numPartitions`."),
    Field::new("auth", Shape::Map(&AUTH), "As whom the worker logs in."),
]);

pub(super) const CONTENT_MODE: Field = Field::new(
    "contentMode",
    Shape::Words(&["binary", "structured"]),
    "Whether an event's attributes stand in headers, or it stands as a whole in the message.",
)
.default("binary");

static AUTH: Map = Map::of(&[Field::new("secret", Shape::Map(&SECRET), "What holds the login.").required()]);

static SECRET: Map = Map::of(&[Field::new("ref", Shape::Map(&SECRET_REF), "Which Secret.").required()]);

static SECRET_REF: Map = Map::of(&[Field::new(
        "name",
        Shape::Text(&form::NAME),
        "The Secret, with Knative's keys: `protocol`, `sasl.mechanism`, `user`, `password`, `ca.crt`, `user.crt`, `user.key`.",
    )
    .required()]);
