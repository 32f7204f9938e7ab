//! The Broker document: a named stream of events, with the delivery its triggers start from.

use super::delivery::Delivery;
use super::diagnostic::Report;
use super::metadata::Metadata;
use super::reader::{self, Fields};
use super::spelling::did_you_mean;

const BACKING: &str = "weir.dev/backing";

#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub delivery: Delivery,
}

pub(super) fn read(document: &mut Fields<'_>, metadata: &Metadata<'_>, report: &mut Report<'_>) -> Draft {
    metadata.check_annotations("weir.dev/", &[BACKING], report);
    if let Some(node) = metadata.annotation(BACKING) {
        match node.text() {
            Some("queue") | None => {}
            Some(text) => {
                let later = ["KafkaSink/", "NatsSink/"].iter().any(|kind| text.starts_with(kind));
                let (message, help) = if later {
                    (
                        "is not supported by this version",
                        "only 'queue' is: the worker's own durable queue".to_owned(),
                    )
                } else {
                    let help = did_you_mean(text, ["queue"]);
                    (
                        "is no backing",
                        help.unwrap_or_else(|| "write 'queue', KafkaSink/<name> or NatsSink/<name>".into()),
                    )
                };
                report.error(node.span, format!("{BACKING}: '{text}' {message}")).help(help);
            }
        }
    }
    let Some(mut spec) = document.map("spec", report) else { return Draft::default() };
    if let Some(node) = spec.optional("config") {
        // Read for its mistakes alone.
        if let Some(mut config) = Fields::of(node, spec.below("config"), report) {
            for field in ["apiVersion", "kind", "name", "namespace"] {
                config.optional(field).map(|node| reader::string(node, &config.below(field), report));
            }
            config.finish(report);
        }
    }
    spec.without_effect("config", "it configures Knative's own brokers", report);
    let delivery = Delivery::read(&mut spec, metadata.namespace(), report);
    spec.finish(report);
    Draft { delivery }
}
