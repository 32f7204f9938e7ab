//! The Broker document: a named stream of events, with the delivery its triggers start from.

use super::delivery::Delivery;
use super::diagnostic::Report;
use super::later;
use super::metadata::Metadata;
use super::reader::Fields;
use super::spelling::did_you_mean;

const BACKING: &str = "weir.dev/backing";
/// Knative's Kafka broker keeps its events there.
const EXTERNAL_TOPIC: &str = "kafka.eventing.knative.dev/external.topic";

#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub delivery: Delivery,
}

pub(super) fn read(document: &mut Fields<'_>, metadata: &Metadata<'_>, report: &mut Report<'_>) -> Draft {
    if let Some(node) = metadata.annotation(BACKING) {
        match node.text() {
            Some("queue") | None => {}
            Some(text) => {
                let subject = format!("{BACKING}: '{text}'");
                if ["KafkaSink/", "NatsSink/"].iter().any(|kind| text.starts_with(kind)) {
                    later::BACKING.refuse(node.span, &subject, report);
                } else {
                    let help = did_you_mean(text, ["queue"]);
                    let help =
                        help.unwrap_or_else(|| "write 'queue', KafkaSink/<name> or NatsSink/<name>".into());
                    report.error(node.span, format!("{subject} is no backing")).help(help);
                }
            }
        }
    }
    if let Some(node) = metadata.annotation(EXTERNAL_TOPIC) {
        report
            .warning(
                node.span,
                format!("{EXTERNAL_TOPIC} has no effect: the broker's events live in the worker's queue"),
            )
            .help("a KafkaSource whose sink is this broker is how a topic's events come in");
    }
    let Some(mut spec) = document.map("spec", report) else { return Draft::default() };
    let delivery = Delivery::read(&mut spec, metadata.namespace(), report);
    spec.finish(report);
    Draft { delivery }
}
