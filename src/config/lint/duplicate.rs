//! Two triggers that want the same events for the same subscriber: each event is delivered twice.

use std::collections::BTreeMap;

use crate::config::Config;

use super::site::Sites;
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::always(
    "lint/duplicate",
    "two triggers of a broker ask for the same events and hand them to the same subscriber: each event runs twice",
);

pub(super) fn check(sites: &Sites<'_>, config: &Config, findings: &mut Findings<'_>) {
    let mut first = BTreeMap::new();
    for trigger in &config.triggers {
        let data = trigger.data.as_ref().map(|data| data.text());
        let same = (trigger.broker.0, &trigger.subscriber, trigger.filter.form(), data);
        let Some(other) = first.get(&same) else {
            first.insert(same, trigger);
            continue;
        };
        let Some(site) = sites.find("Trigger", &trigger.namespace, &trigger.name) else { continue };
        let message = format!(
            "the Trigger '{}' asks for the same events as '{}' at {}, for the same function: each event runs twice",
            trigger.name, other.name, other.place
        );
        findings.add(LINT, site, site.named(), message, "remove one of them");
    }
}
