//! The KafkaSource.

use super::{Field, Kind, Map, Shape, document, form, metadata, network, source};

pub(crate) static KIND: Kind = Kind {
    name: "KafkaSource",
    api_versions: &["sources.knative.dev/v1", "sources.knative.dev/v1beta1"],
    doc: "Topics of Kafka to consume, and where their events go. Two that share a group, a server and a topic are warned of: \
          each would be given some of the events.",
    later: None,
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What it consumes.").required())),
    labels: &[Field::new(
        "kafkasources.sources.knative.dev/key-type",
        Shape::Words(&["string", "int", "float", "byte-array"]),
        "What the bytes of a record's key are.",
    )
    .default("string")],
    annotations: &[
        source::UNROUTED,
        Field::new(
            "weir.dev/initial-offset",
            Shape::Text(&form::TIMESTAMP),
            "Begin with the records of that time and later, in partitions of which nothing is committed; it is asked before \
             `spec.initialOffset`.",
        ),
        source::MAP,
        metadata::ALLOW,
    ],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    network::KAFKA_SERVERS,
    Field::new("topics", Shape::List { item: &Shape::Text(&form::TOPIC), least: 1 }, "What is consumed.")
        .required(),
    Field::new(
        "consumerGroup",
        Shape::Text(&form::GROUP),
        "Who consumes together. Without it: `knative-kafka-source-<uid>`, where Knative makes up a uuid; ours is of namespace \
             and name, so that every worker has the same: name it where two installations share a Kafka. `<group>.parked` \
             must be a topic's name, too.",
    ),
    Field::new("consumers", Shape::Integer(1, i32::MAX as i64), "How many a cluster would run.")
        .default("1")
        .idle(
            "a worker is one consumer of the group; start more workers. 0 is refused: take the document out",
        ),
    Field::new(
        "initialOffset",
        Shape::Words(&["earliest", "latest"]),
        "Where to begin in partitions of which nothing is committed.",
    )
    .default("latest"),
    Field::new("net", Shape::Map(&network::KAFKA_SECURITY), "How the cluster is spoken to."),
    source::SINK,
    source::OVERRIDES,
    source::ordering(&["ordered", "unordered"]),
    source::DELIVERY,
]);
