//! The Trigger.

use super::{Field, Kind, Map, Rule, Shape, delivery, document, filters, form, metadata, reference};

pub(crate) static KIND: Kind = Kind {
    name: "Trigger",
    api_versions: &["eventing.knative.dev/v1"],
    later: None,
    doc: "Which events of a broker go to which subscriber, and how.",
    root: &Map::of(&document::with(Field::new("spec", Shape::Map(&SPEC), "What it does.").required())),
    labels: &[],
    annotations: &[
        Field::new(
            "weir.dev/delivery.order",
            Shape::Words(&["ordered", "key", "unordered"]),
            "One at a time per queue, or per `partitionkey`, or none waits for another.",
        )
        .default("key"),
        Field::new(
            "kafka.eventing.knative.dev/delivery.order",
            Shape::Words(&["ordered", "unordered"]),
            "Knative's own word for it; weir.dev's wins.",
        ),
        Field::new(
            "weir.dev/max-concurrency-per-worker",
            Shape::Text(&form::CONCURRENCY),
            "How many deliveries run at once, as README.md has it under 'Limits'.",
        ),
        Field::new(
            "weir.dev/rate-limit-per-worker",
            Shape::Text(&form::RATE),
            "How many attempts begin in a second, minute or hour.",
        ),
        Field::new(
            "weir.dev/budget-per-worker",
            Shape::Text(&form::BUDGET),
            "What its attempts may take, or cost, in a day of UTC, as docs/billing.md has it under 'Budgets'.",
        ),
        Field::new(
            "weir.dev/budget-policy",
            Shape::Words(&["pause", "dead-letter"]),
            "What becomes of its deliveries when that is used up: they wait for the next day, or are dead letters.",
        )
        .default("pause"),
        Field::new(
            "weir.dev/data-filter",
            Shape::Text(&form::DATA_FILTER),
            "What an event's data must say, beside its filters, as README.md has it under 'Filtering by data'.",
        ),
        Field::new(
            "weir.dev/tenant",
            Shape::Text(&form::TENANT),
            "Who pays for its attempts, rather than whom its Function names; written as a Function's `tenant`.",
        ),
        Field::new(
            "weir.dev/cost-on-replies",
            Shape::Words(&["true", "false"]),
            "Its replies say what they cost, as dead letters do: `weircost` and `weirattempts`.",
        )
        .default("false"),
        metadata::ALLOW,
    ],
    guarded: &["weir.dev/", "kafka.eventing.knative.dev/delivery"],
};

pub(crate) static SPEC: Map = Map::of(&[
    Field::new(
        "broker",
        Shape::Text(&form::NAME),
        "Whose events; `default` in `default` exists without a document.",
    ),
    Field::new("brokerRef", Shape::Map(&reference::BROKER), "The same, of any namespace."),
    Field::new(
        "filter",
        Shape::Map(&filters::FILTER),
        "Which events. Where `filters` stands there too, it has no effect: a warning.",
    ),
    Field::new(
        "filters",
        Shape::List { item: &filters::ONE, least: 0 },
        "Which events: all of these filters must match. Without any: every event.",
    ),
    Field::new("subscriber", Shape::Map(&reference::SUBSCRIBER), "What the events are handed to.").required(),
    Field::new(
        "delivery",
        Shape::Map(&delivery::DELIVERY),
        "What happens when it fails. Merged with the Broker's field by field, the Trigger's winning.",
    ),
])
.with(&[Rule::OneOf(&["broker", "brokerRef"])]);
