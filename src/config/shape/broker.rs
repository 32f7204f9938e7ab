//! The Broker.

use super::{Field, Kind, Map, Shape, delivery, document, form, metadata};

pub(crate) static KIND: Kind = Kind {
    name: "Broker",
    api_versions: &["eventing.knative.dev/v1"],
    later: None,
    doc: "A named stream of events.",
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What its triggers start from."))),
    labels: &[],
    annotations: &[
        Field::new(
            "weir.dev/backing",
            Shape::Text(&form::BACKING),
            "Where its events live: in the worker's own durable `queue`; or in a topic, as `KafkaSink/<name>`, or a subject, as \
             `NatsSink/<name>`: what is posted to the broker, replies and dead letters go there, and a KafkaSource or NatsSource \
             of it brings them back.",
        )
        .default("queue"),
        Field::new(
            "eventing.knative.dev/broker.class",
            Shape::Text(&form::ANY),
            "Which of a cluster's brokers it is.",
        )
        .idle("every Broker is the worker's own; no note says so"),
        Field::new(
            "kafka.eventing.knative.dev/external.topic",
            Shape::Text(&form::ANY),
            "Where Knative's Kafka broker keeps its events.",
        )
        .idle("the broker's events live in the worker's queue; a KafkaSource is how a topic's come in"),
        metadata::ALLOW,
    ],
    guarded: &["weir.dev/"],
};

static SPEC: Map = Map::of(&[
    Field::new("config", Shape::Map(&CONFIG), "Which settings the broker has.")
        .idle("it configures Knative's own brokers"),
    Field::new(
        "delivery",
        Shape::Map(&delivery::DELIVERY),
        "What happens when a delivery fails, where the trigger does not say it.",
    ),
]);

static CONFIG: Map = Map::of(&[
    Field::new("apiVersion", Shape::Text(&form::ANY), "Of which version the kind is."),
    Field::new("kind", Shape::Text(&form::ANY), "What is named."),
    Field::new("name", Shape::Text(&form::ANY), "Its name."),
    Field::new("namespace", Shape::Text(&form::ANY), "Where it is."),
]);
