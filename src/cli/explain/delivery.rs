//! The delivery that a trigger and its broker come to, field by field, each with where it is from.

use serde_json::{Value as Json, json};

use super::{Route, full};
use crate::config::{Budget, Config, DeadLetterTo, Format, SaidBy, Sending, Subscriber, as_iso};
use crate::dispatch::{Backoff, Flow, Order};
use crate::event::Event;

/// A field, by its name in YAML.
pub(super) struct Row {
    pub(super) field: &'static str,
    pub(super) value: Json,
    pub(super) shown: String,
    pub(super) from: SaidBy,
}

impl Row {
    fn new(field: &'static str, value: impl Into<Json>, from: SaidBy) -> Row {
        let value = value.into();
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Row { field, value, shown, from }
    }
}

pub(super) fn rows(route: &Route<'_>, config: &Config) -> Vec<Row> {
    let (policy, origins) = (&route.trigger.policy, &route.trigger.origins);
    let backoff = match policy.backoff {
        Backoff::Linear => "linear",
        Backoff::Exponential => "exponential",
    };
    let order = match policy.order {
        Order::Ordered => "ordered",
        Order::Key => "key",
        Order::Unordered => "unordered",
    };
    let (value, shown) = dead_letter(route, config);
    let mut rows = vec![
        Row::new("retry", policy.retry, origins.retry),
        Row::new("backoffPolicy", backoff, origins.backoff),
        Row::new("backoffDelay", as_iso(policy.delay), origins.delay),
        Row::new("order", order, origins.order),
        Row { shown, ..Row::new("deadLetterSink", value, origins.dead_letter) },
    ];
    if let Subscriber::Http(_) = route.trigger.subscriber {
        let Sending { timeout, format } = route.trigger.sending;
        let format = match format {
            Format::Binary => "binary",
            Format::Json => "json",
        };
        let after = policy
            .retry_after_max
            .map(|most| Row::new("retryAfterMax", as_iso(most), origins.retry_after_max));
        rows.extend(timeout.map(|timeout| Row::new("timeout", as_iso(timeout), origins.timeout)));
        rows.extend(after);
        rows.push(Row::new("format", format, origins.format));
    }
    let Flow { concurrency, rate, .. } = policy.flow;
    rows.extend(concurrency.map(|most| Row::new("max-concurrency-per-worker", most, SaidBy::Trigger)));
    rows.extend(rate.map(|rate| Row::new("rate-limit-per-worker", rate.to_string(), SaidBy::Trigger)));
    if let Some(Budget { limit, policy }) = route.trigger.budget {
        rows.push(Row::new("budget-per-worker", format!("{limit}/day"), SaidBy::Trigger));
        rows.push(Row::new("budget-policy", policy.as_str(), SaidBy::Trigger));
    }
    rows
}

/// For programs and for people, as the lane.
fn dead_letter(route: &Route<'_>, config: &Config) -> (Json, String) {
    match route.trigger.dead_letter {
        DeadLetterTo::Store => (json!("store"), "the worker's store".to_owned()),
        DeadLetterTo::Forward(uid) => {
            let forward = config.forwards.iter().find(|forward| forward.broker == uid);
            let to = forward.map(|forward| forward.subscriber_name(config)).unwrap_or_default();
            (json!({ "subscriber": to }), to)
        }
        DeadLetterTo::Sink(uid) => {
            let sink = config.sinks.iter().find(|sink| sink.uid == uid);
            let sink = sink.map(|sink| format!("{}/{}", sink.namespace, sink.name)).unwrap_or_default();
            (json!({ "kafkaSink": sink }), format!("KafkaSink {sink}"))
        }
        DeadLetterTo::Broker(uid) => {
            let broker = config.brokers.iter().find(|broker| broker.uid == uid);
            let broker = broker.map(full).unwrap_or_default();
            (json!({ "broker": broker }), format!("broker {broker}"))
        }
    }
}

/// What its delivery waits for.
pub(super) fn lane(route: &Route<'_>, event: &Event<'_>) -> (Json, String) {
    match (route.trigger.policy.order, event.partition_key()) {
        (Order::Ordered, _) => {
            (json!({"per": "partition"}), "the event's partition: one at a time".to_owned())
        }
        (Order::Key, Some(key)) => {
            (json!({"per": "key", "key": key}), format!("partitionkey '{key}': one at a time"))
        }
        (Order::Key, None) => (Json::Null, "none: the event has no partitionkey".to_owned()),
        (Order::Unordered, _) => (Json::Null, "none".to_owned()),
    }
}
