//! Nowhere for what fails for good but the worker's own disk.

use crate::config::{SaidBy, Trigger};

use super::site::Site;
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::production(
    "lint/no-dead-letter-sink",
    "what fails for good stays on the worker's disk until somebody looks with `weir dlq`",
);

pub(super) fn check(trigger: &Trigger, site: &Site<'_>, findings: &mut Findings<'_>) {
    if trigger.origins.dead_letter != SaidBy::Default {
        return;
    }
    let message = format!(
        "the Trigger '{}' has no dead-letter sink: what fails for good stays on this worker's disk, for 'weir dlq'",
        trigger.name
    );
    let help = "name a Broker that something listens to, or a 'uri', here or in the Broker's spec:\n\
                delivery:\n  \
                deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: …}}";
    findings.add(LINT, site, site.named(), message, help);
}
