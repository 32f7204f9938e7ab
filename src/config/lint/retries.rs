//! Retries that go on for very long, and those that hold back whole partitions.

use std::time::Duration;

use crate::config::quantity::as_humane;
use crate::config::text::Span;
use crate::config::{SaidBy, Trigger};
use crate::dispatch::Order;

use super::site::Site;
use super::{Findings, Lint};

pub(super) const UNCAPPED: Lint = Lint::production(
    "lint/uncapped-retries",
    "what fails is tried again for more than a day before anybody is told",
);
pub(super) const ORDERED: Lint = Lint::production(
    "lint/ordered-with-long-retries",
    "with `ordered` an event that fails holds back all of its partition, for more than a minute",
);

const TOO_LONG: Duration = Duration::from_secs(24 * 3600);
const TOO_LONG_IN_ORDER: Duration = Duration::from_secs(60);

const RETRY: [&str; 3] = ["spec", "delivery", "retry"];

pub(super) fn check(
    trigger: &Trigger,
    site: &Site<'_>,
    broker: Option<&Site<'_>>,
    findings: &mut Findings<'_>,
) {
    let (retries, longest) = (trigger.policy.retry, trigger.policy.longest_wait());
    let (of, at) = said(trigger, site, broker);
    if longest > TOO_LONG {
        let message = format!(
            "what fails at the {} '{}' is tried again for {} before it is a dead letter ({retries} retries)",
            of.kind(),
            of.name(),
            roughly(longest)
        );
        let help = "give up sooner, and let the dead-letter sink tell somebody:\ndelivery:\n  retry: 10";
        findings.add(UNCAPPED, of, at, message, help);
    }
    if trigger.policy.order == Order::Ordered && longest > TOO_LONG_IN_ORDER {
        let message = format!(
            "the Trigger '{}' is ordered: an event that fails holds back its partition for up to {} ({retries} retries)",
            trigger.name,
            roughly(longest)
        );
        let help = "order by key, or give up sooner:\ndelivery:\n  retry: 5\n  backoffDelay: PT0.2S";
        findings.add(ORDERED, site, order(site), message, help);
    }
}

/// The document that says how often, and where.
fn said<'s, 't>(trigger: &Trigger, site: &'s Site<'t>, broker: Option<&'s Site<'t>>) -> (&'s Site<'t>, Span) {
    let of = match (trigger.origins.retry, broker) {
        (SaidBy::Broker, Some(broker)) => broker,
        _ => site,
    };
    (of, of.entry(&RETRY).map_or_else(|| of.named(), |entry| entry.value.span))
}

fn order(site: &Site<'_>) -> Span {
    let keys = ["weir.dev/delivery.order", "kafka.eventing.knative.dev/delivery.order"];
    let found = keys.iter().find_map(|key| site.node(&["metadata", "annotations", key]));
    found.map_or_else(|| site.named(), |node| node.span)
}

fn roughly(time: Duration) -> String {
    match time.as_secs() {
        0..600 => as_humane(Duration::from_secs(time.as_secs().max(1))),
        600..7200 => format!("{} minutes", time.as_secs() / 60),
        7200..172_800 => format!("{} hours", time.as_secs() / 3600),
        more => format!("{} days", more / 86_400),
    }
}
