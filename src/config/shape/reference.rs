//! `ref` and `uri`: how a document names another.

use super::{Field, Map, Rule, Shape, form};

/// A kind that may be named, and the apiVersions that it has; the first is the one to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub kind: &'static str,
    pub api_versions: &'static [&'static str],
}

const BROKERS: Target = Target { kind: "Broker", api_versions: &["eventing.knative.dev/v1"] };
const FUNCTIONS: Target = Target { kind: "Function", api_versions: &["weir.dev/v1alpha1"] };
const SERVICES: Target = Target { kind: "Service", api_versions: &["serving.knative.dev/v1", "v1"] };
const KAFKA_SINKS: Target = Target { kind: "KafkaSink", api_versions: &["eventing.knative.dev/v1alpha1"] };
const NATS_SINKS: Target = Target { kind: "NatsSink", api_versions: &["weir.dev/v1alpha1"] };

pub(super) static BROKER: Map = Map::of(&REFERENCE).with(&[Rule::Names(&[BROKERS])]).named("reference");

static SUBSCRIBER_REF: Map =
    Map::of(&REFERENCE).with(&[Rule::Names(&[FUNCTIONS, SERVICES])]).named("reference");

static SINK_REF: Map =
    Map::of(&REFERENCE).with(&[Rule::Names(&[BROKERS, FUNCTIONS, SERVICES])]).named("reference");

static USAGE_SINK_REF: Map =
    Map::of(&REFERENCE).with(&[Rule::Names(&[KAFKA_SINKS, NATS_SINKS])]).named("reference");

/// Knative's KReference.
const REFERENCE: [Field; 6] = [
    Field::new(
        "kind",
        Shape::Text(&form::ANY),
        "What is named: one of those that stand where the reference does.",
    )
    .required(),
    Field::new("name", Shape::Text(&form::NAME), "Its name.").required(),
    Field::new(
        "apiVersion",
        Shape::Text(&form::ANY),
        "Of which version the kind is; may be left out, and a wrong one is refused.",
    ),
    Field::new("namespace", Shape::Text(&form::LABEL), "Where it is; without it: where this document is."),
    Field::refused("group", "write apiVersion instead"),
    Field::refused("address", "name the document instead"),
];

static DEAD_LETTER_REF: Map = Map::of(&REFERENCE)
    .with(&[Rule::Names(&[BROKERS, KAFKA_SINKS, NATS_SINKS, FUNCTIONS, SERVICES])])
    .named("reference");

/// What receives a trigger's events.
pub(super) static SUBSCRIBER: Map = Map::of(&destination(
    &SUBSCRIBER_REF,
    "A Function; or a Service: the Function that `serves` it, else what the setting `services` says, else \
     `http://<name>.<namespace>.svc.cluster.local`.",
))
.with(&[Rule::AnyOf(&["ref", "uri"])]);

/// What receives a source's events.
pub(super) static SOURCE_SINK: Map = Map::of(&destination(
    &SINK_REF,
    "A Broker with its triggers; or, for all of the events, a Function or a Service as a trigger's subscriber.",
))
.with(&[Rule::AnyOf(&["ref", "uri"])]);

/// What receives usage.
pub(super) static USAGE_SINK: Map = Map::of(&[
    Field::new("ref", Shape::Map(&USAGE_SINK_REF), "A KafkaSink or a NatsSink."),
    Field::refused("uri", "write 'http: {url: …}' instead of 'sink'"),
    Field::new("CACerts", Shape::Text(&form::ANY), "Whom to trust over HTTPS.").idle(NO_HTTP),
    Field::new("audience", Shape::Text(&form::ANY), "Whom a token is for.").idle(NO_HTTP),
])
.with(&[Rule::OneOf(&["ref", "uri"])]);

/// What receives dead letters.
pub(super) static DEAD_LETTER_SINK: Map = Map::of(&destination(
    &DEAD_LETTER_REF,
    "A Broker; a KafkaSink or a NatsSink; or a Function or a Service as a trigger's subscriber.",
))
.with(&[Rule::AnyOf(&["ref", "uri"])]);

/// Knative's Destination.
const fn destination(to: &'static Map, doc: &'static str) -> [Field; 4] {
    [
        Field::new("ref", Shape::Map(to), doc),
        Field::new(
            "uri",
            Shape::Text(&form::DESTINATION),
            "A URL that events are posted to; beside a `ref` to a Service: the path below its address.",
        ),
        Field::new(
            "CACerts",
            Shape::Text(&form::CERTIFICATES),
            "Whom to trust over HTTPS beside the system's authorities, as PEM.",
        ),
        Field::new("audience", Shape::Text(&form::ANY), "Whom a token is for.").idle("no token is sent"),
    ]
}

const NO_HTTP: &str = "nothing is called over HTTP";
