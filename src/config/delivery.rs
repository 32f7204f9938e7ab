//! `delivery` of triggers and brokers, and how the two become one policy.

use std::time::Duration;

use crate::dispatch::{Backoff, Order, Policy};

use super::diagnostic::Report;
use super::origins::{Origins, SaidBy};
use super::reader::{self, Fields};
use super::reference::{Destination, Named};
use super::text::Place;
use super::trigger::{self, Subscriber};

/// What a document says of delivery; what it doesn't say is decided by the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    retry: Option<u32>,
    backoff: Option<Backoff>,
    delay: Option<Duration>,
    retry_after_max: Option<Duration>,
    timeout: Option<Duration>,
    format: Option<Format>,
    pub dead_letter: Option<DeadLetters>,
    /// Where the fields stand that only mean something where events are sent over HTTP.
    pub of_http: Vec<(&'static str, Place)>,
}

/// How an event is sent over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Its attributes in headers, its data as the body.
    #[default]
    Binary,
    /// All of it in the body.
    Json,
}

/// How the events of a trigger are sent, where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// For an attempt. `None`: the setting `deliver.timeout`.
    pub timeout: Option<Duration>,
    pub format: Format,
}

/// Where dead letters go.
#[derive(Clone, Debug)]
pub(super) enum DeadLetters {
    Broker(Named),
    /// A KafkaSink or a NatsSink: its kind is said first.
    Sink(&'static str, Named),
    Subscriber(Subscriber),
}

impl Delivery {
    pub(super) fn read(spec: &mut Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Delivery {
        let Some(mut fields) = spec.map("delivery", report) else { return Delivery::default() };
        let retry = fields.integer("retry", report).map(|retry| retry as u32);
        let policies = [("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];
        let backoff = fields.choice("backoffPolicy", &policies, report);
        let delay = fields.duration("backoffDelay", report);
        let retry_after_max = fields.duration("retryAfterMax", report);
        let timeout = fields.optional("timeout");
        let timeout = timeout.and_then(|node| reader::some_time(node, &fields.below("timeout"), report));
        let format = fields.choice("format", &[("json", Format::Json), ("binary", Format::Binary)], report);
        let of_http = ["timeout", "retryAfterMax", "format"].into_iter().filter_map(|name| {
            let entry = fields.entry(name)?;
            Some((name, report.place(entry.key_span)))
        });
        let of_http = of_http.collect();
        let sink = fields.map("deadLetterSink", report);
        let dead_letter = sink.and_then(|sink| dead_letter(sink, namespace, report));
        fields.finish(report);
        Delivery { retry, backoff, delay, retry_after_max, timeout, format, dead_letter, of_http }
    }

    /// Where each field of the [policy](Self::policy) is from.
    pub(super) fn origins(&self, broker: &Delivery, order: SaidBy) -> Origins {
        let of = |trigger: bool, broker: bool| match (trigger, broker) {
            (true, _) => SaidBy::Trigger,
            (false, true) => SaidBy::Broker,
            (false, false) => SaidBy::Default,
        };
        Origins {
            retry: of(self.retry.is_some(), broker.retry.is_some()),
            backoff: of(self.backoff.is_some(), broker.backoff.is_some()),
            delay: of(self.delay.is_some(), broker.delay.is_some()),
            order,
            retry_after_max: of(self.retry_after_max.is_some(), broker.retry_after_max.is_some()),
            timeout: of(self.timeout.is_some(), broker.timeout.is_some()),
            format: of(self.format.is_some(), broker.format.is_some()),
            dead_letter: of(self.dead_letter.is_some(), broker.dead_letter.is_some()),
        }
    }

    /// Field by field: this one's, else the broker's, else Knative's default.
    pub(super) fn policy(&self, broker: &Delivery, order: Order) -> Policy {
        let default = Policy::default();
        Policy {
            retry: self.retry.or(broker.retry).unwrap_or(default.retry),
            backoff: self.backoff.or(broker.backoff).unwrap_or(default.backoff),
            delay: self.delay.or(broker.delay).unwrap_or(default.delay),
            order,
            retry_after_max: self.retry_after_max.or(broker.retry_after_max),
            ..default
        }
    }

    pub(super) fn sending(&self, broker: &Delivery) -> Sending {
        Sending {
            timeout: self.timeout.or(broker.timeout),
            format: self.format.or(broker.format).unwrap_or_default(),
        }
    }
}

fn dead_letter(sink: Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<DeadLetters> {
    let path = sink.path.clone();
    match Destination::read(sink, namespace, report)? {
        Destination::Reference(to, below) if to.kind == "Broker" => {
            below.without_effect(&path, "the sink is a broker", report);
            to.is_of_its_version(report).then(|| DeadLetters::Broker(to.named(report)))
        }
        Destination::Reference(to, below) if to.kind == "KafkaSink" => {
            below.without_effect(&path, "the sink is a topic of Kafka", report);
            to.is_of_its_version(report).then(|| DeadLetters::Sink("KafkaSink", to.named(report)))
        }
        Destination::Reference(to, below) if to.kind == "NatsSink" => {
            below.without_effect(&path, "the sink is a subject of NATS", report);
            to.is_of_its_version(report).then(|| DeadLetters::Sink("NatsSink", to.named(report)))
        }
        to => trigger::subscriber(to, &path, "a dead-letter sink", report).map(DeadLetters::Subscriber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_field_by_field_the_first_wins() {
        let trigger = Delivery { retry: Some(3), ..Delivery::default() };
        let broker = Delivery { retry: Some(5), delay: Some(Duration::from_secs(2)), ..Delivery::default() };
        let policy = trigger.policy(&broker, Order::Ordered);
        let expected = Policy {
            retry: 3,
            backoff: Backoff::Exponential,
            delay: Duration::from_secs(2),
            order: Order::Ordered,
            ..Policy::default()
        };
        assert_eq!(policy, expected);
        let origins = trigger.origins(&broker, SaidBy::Trigger);
        let said = [origins.retry, origins.backoff, origins.delay, origins.order, origins.dead_letter];
        use SaidBy::{Broker, Default, Trigger};
        assert_eq!(said, [Trigger, Default, Broker, Trigger, Default]);
        let nothing = Delivery::default();
        assert_eq!(nothing.policy(&nothing, Order::Key), Policy::default());
    }
}
