//! `delivery` of triggers and brokers, and how the two become one policy.

use std::time::Duration;

use crate::dispatch::{Backoff, Order, Policy};

use super::diagnostic::Report;
use super::later;
use super::origins::{Origins, SaidBy};
use super::reader::Fields;
use super::reference::{Destination, Named};

/// What a document says of delivery; what it doesn't say is decided by the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    retry: Option<u32>,
    backoff: Option<Backoff>,
    delay: Option<Duration>,
    /// A Broker.
    pub dead_letter: Option<Named>,
}

impl Delivery {
    pub(super) fn read(spec: &mut Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Delivery {
        let Some(mut fields) = spec.map("delivery", report) else { return Delivery::default() };
        let retry = fields.integer("retry", report).map(|retry| retry as u32);
        let policies = [("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];
        let backoff = fields.choice("backoffPolicy", &policies, report);
        let delay = fields.duration("backoffDelay", report);
        let sink = fields.map("deadLetterSink", report);
        let dead_letter = sink.and_then(|sink| dead_letter(sink, namespace, report));
        fields.finish(report);
        Delivery { retry, backoff, delay, dead_letter }
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
            ..default
        }
    }
}

fn dead_letter(sink: Fields<'_>, namespace: &str, report: &mut Report<'_>) -> Option<Named> {
    let path = sink.path.clone();
    match Destination::read(sink, namespace, report)? {
        Destination::Reference(to) if to.kind == "Broker" => {
            to.is_of_its_version(report).then(|| to.named(report))
        }
        Destination::Reference(to) => {
            later::DEAD_LETTERS.refuse(
                to.kind_span,
                &format!("{path}: dead letters to a {}", to.kind),
                report,
            );
            None
        }
        Destination::Uri(span) => {
            later::DEAD_LETTERS.refuse(span, &format!("{path}: dead letters over HTTP"), report);
            None
        }
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
