//! Several workers, each of which has a queue of its own.

use crate::config::Config;
use crate::config::node::{Kind, Node};
use crate::config::scalar::Scalar;
use crate::config::text::Span;

use super::site::{Site, Sites};
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::production(
    "lint/queue-with-several-workers",
    "each worker has a queue of its own: no order between them, and what one holds no other delivers",
);

/// What runs pods.
const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];

pub(super) fn check(sites: &Sites<'_>, config: &Config, findings: &mut Findings<'_>) {
    // In this version every broker is backed by the queue of the worker that takes its events in.
    if config.triggers.is_empty() {
        return;
    }
    for site in KINDS.iter().flat_map(|kind| sites.of_kind(kind)).filter(|site| runs_weir(site)) {
        let Some((of, at, count)) = several(site, sites) else { continue };
        let message = format!(
            "{count} run the {} '{}', and each has a queue of its own: events have no order between them, and what one \
             holds when it goes, no other delivers",
            site.kind(),
            site.name()
        );
        findings.add(LINT, of, at, message, "run one worker for a queue:\nspec:\n  replicas: 1");
    }
}

fn several<'s, 't>(site: &'s Site<'t>, sites: &'s Sites<'t>) -> Option<(&'s Site<'t>, Span, String)> {
    if let Some(node) = site.node(&["spec", "replicas"])
        && let Some(number @ 2..) = number(node)
    {
        return Some((site, node.span, format!("{number} workers")));
    }
    let scaler = ["ScaledObject", "HorizontalPodAutoscaler"]
        .iter()
        .flat_map(|kind| sites.of_kind(kind))
        .find(|scaler| {
            scaler.namespace() == site.namespace()
                && scaler.text(&["spec", "scaleTargetRef", "name"]) == Some(site.name())
                && scaler.text(&["spec", "scaleTargetRef", "kind"]).unwrap_or("Deployment") == site.kind()
        })?;
    let most = ["maxReplicaCount", "maxReplicas"].iter().find_map(|field| scaler.node(&["spec", field]));
    match most.map(|node| (node, number(node))) {
        Some((node, Some(number @ 2..))) => Some((scaler, node.span, format!("up to {number} workers"))),
        Some(_) => None,
        // Without a word, KEDA's most is a hundred.
        None if scaler.kind() == "ScaledObject" => {
            Some((scaler, scaler.named(), "up to 100 workers".to_owned()))
        }
        None => None,
    }
}

fn number(node: &Node) -> Option<i64> {
    match node.kind {
        Kind::Scalar { is: Scalar::Int(number), .. } => Some(number),
        _ => None,
    }
}

/// Whether one of its containers is this program, as far as the image's name tells.
fn runs_weir(site: &Site<'_>) -> bool {
    let containers = site.node(&["spec", "template", "spec", "containers"]);
    let Some(Node { kind: Kind::Seq(containers), .. }) = containers else { return false };
    containers.iter().any(|container| {
        let image = container.get("image").and_then(|image| image.value.text());
        image.is_some_and(|image| {
            let last = image.rsplit('/').next().unwrap_or_default();
            last.split(['@', ':']).next() == Some("weir")
        })
    })
}
