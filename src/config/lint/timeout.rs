//! No limit to how long a delivery may take.

use crate::config::{Subscriber, Trigger};

use super::site::Site;
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::production(
    "lint/no-timeout",
    "nothing says how long a delivery may take before it counts as failed",
);

const TIMEOUT: [&str; 3] = ["spec", "delivery", "timeout"];

pub(super) fn check(
    trigger: &Trigger,
    site: &Site<'_>,
    broker: Option<&Site<'_>>,
    findings: &mut Findings<'_>,
) {
    if site.entry(&TIMEOUT).or(broker.and_then(|broker| broker.entry(&TIMEOUT))).is_some() {
        return;
    }
    let (setting, where_it_holds) = match trigger.subscriber {
        Subscriber::Function(_) => {
            ("function.timeout", " (in a cluster that holds; here function.timeout does)")
        }
        Subscriber::Http(_) | Subscriber::Nobody(_) => ("deliver.timeout", ""),
    };
    let message = format!(
        "the Trigger '{}' has no timeout: a call may take as long as {setting} lets it here, and in a cluster as long as its \
         broker does",
        site.name()
    );
    let help = format!(
        "say how long it may take, here or in the Broker's spec{where_it_holds}:\ndelivery:\n  timeout: PT30S"
    );
    findings.add(LINT, site, site.named(), message, &help);
}
