//! `delivery` of triggers and brokers: Knative's DeliverySpec.

use super::{Field, Map, Shape, form, reference};

pub(super) static DELIVERY: Map = Map::of(&[
    Field::new(
        "retry",
        Shape::Integer(0, i32::MAX as i64),
        "How often a delivery that failed is tried again.",
    )
    .default("10"),
    Field::new(
        "backoffPolicy",
        Shape::Words(&["linear", "exponential"]),
        "The nth retry waits `backoffDelay`·n, or ·2^n; up to 10 minutes, and up to a tenth longer.",
    )
    .default("exponential"),
    Field::new("backoffDelay", Shape::Text(&form::DURATION), "What the waits are multiples of.")
        .default("PT0.2S"),
    Field::new(
        "timeout",
        Shape::Text(&form::TIME),
        "How long an attempt over HTTP may take, where the setting `deliver.timeout` does not fit; a Function has a `timeout` of \
         its own.",
    ),
    Field::new(
        "retryAfterMax",
        Shape::Text(&form::DURATION),
        "The longest Retry-After that is heeded, of a 429 or a 503 over HTTP; PT0S: none is. Without it: up to 10 minutes.",
    ),
    Field::new(
        "format",
        Shape::Words(&["json", "binary"]),
        "How an event is sent over HTTP; functions are always handed the JSON format.",
    )
    .default("binary"),
    Field::new(
        "deadLetterSink",
        Shape::Map(&reference::DEAD_LETTER_SINK),
        "What gets the events that could not be delivered; without it the worker's own store keeps them.",
    ),
])
.named("delivery");
