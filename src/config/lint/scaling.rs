//! Sources that begin at the end of their stream, and are not read when nothing runs.

use crate::config::node::{Kind, Node};
use crate::config::scalar::Scalar;
use crate::config::{Config, Initial, Reads, Source};

use super::site::{Site, Sites};
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::production(
    "lint/latest-with-scale-to-zero",
    "a source that begins at the latest offset and scales to zero never sees what came before its first worker",
);

const MIN_SCALE: [&str; 2] = ["autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/minScale"];

pub(super) fn check(sites: &Sites<'_>, config: &Config, findings: &mut Findings<'_>) {
    for source in &config.sources {
        let (kind, field, initial) = match &source.reads {
            Reads::Kafka(kafka) => ("KafkaSource", "initialOffset", kafka.initial_offset),
            Reads::Nats(nats) => ("NatsSource", "initialPosition", nats.initial_position),
        };
        let Some(site) = sites.find(kind, &source.namespace, &source.name) else { continue };
        if initial != Initial::Latest {
            continue;
        }
        let Some(by) = to_zero(source, site, sites) else { continue };
        let at = site.node(&["spec", field]).map_or_else(|| site.named(), |node| node.span);
        let message = format!(
            "the {kind} '{}' begins at the latest event and scales to zero ({by}): what came before its first worker \
             is never read, and wakes none",
            source.name
        );
        findings.add(
            LINT,
            site,
            at,
            message,
            &format!("read from the beginning:\nspec:\n  {field}: earliest"),
        );
    }
}

/// What says that it may be that no worker runs.
fn to_zero(source: &Source, site: &Site<'_>, sites: &Sites<'_>) -> Option<String> {
    let annotated = MIN_SCALE.iter().find(|key| site.text(&["metadata", "annotations", key]) == Some("0"));
    if let Some(key) = annotated {
        return Some(format!("{key} is 0"));
    }
    let scaled = sites.of_kind("ScaledObject").find(|scaled| scales(scaled, source) && rests(scaled))?;
    Some(format!("the ScaledObject at {}", scaled.place(scaled.named())))
}

/// Whether it looks at the source's own consumer.
fn scales(scaled: &Site<'_>, source: &Source) -> bool {
    let (key, group) = match &source.reads {
        Reads::Kafka(kafka) => ("consumerGroup", &kafka.consumer_group),
        Reads::Nats(nats) => ("consumer", &nats.consumer),
    };
    let Some(Node { kind: Kind::Seq(triggers), .. }) = scaled.node(&["spec", "triggers"]) else {
        return false;
    };
    triggers.iter().any(|trigger| {
        let metadata = trigger.get("metadata").and_then(|metadata| metadata.value.get(key));
        metadata.and_then(|entry| entry.value.text()) == Some(group)
    })
}

/// Without a word, KEDA's least is none.
fn rests(scaled: &Site<'_>) -> bool {
    let number = |field: &str| match scaled.node(&["spec", field]).map(|node| &node.kind) {
        Some(Kind::Scalar { is: Scalar::Int(number), .. }) => Some(*number),
        _ => None,
    };
    number("idleReplicaCount") == Some(0) || number("minReplicaCount").unwrap_or(0) == 0
}
