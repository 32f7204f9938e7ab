//! The Broker document: a named stream of events, with the delivery its triggers start from.

use super::delivery::Delivery;
use super::diagnostic::Report;
use super::metadata::Metadata;
use super::node::Node;
use super::reader::{self, Fields};
use super::reference::Named;
use super::spelling::did_you_mean;

const BACKING: &str = "weir.dev/backing";
/// What stands before the name of one.
const SINKS: [&str; 2] = ["KafkaSink", "NatsSink"];
/// Knative's Kafka broker keeps its events there.
const EXTERNAL_TOPIC: &str = "kafka.eventing.knative.dev/external.topic";

#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub delivery: Delivery,
    /// The KafkaSink or NatsSink that its events go to, by kind and name. `None`: the worker's own queue.
    pub backing: Option<(&'static str, Named)>,
}

pub(super) fn read(document: &mut Fields<'_>, metadata: &Metadata<'_>, report: &mut Report<'_>) -> Draft {
    let backing = metadata.annotation(BACKING).and_then(|node| {
        let (kind, name) = sink_of(backing(node, BACKING, report)?)?;
        let (namespace, name) = (metadata.namespace().to_owned(), name.to_owned());
        Some((kind, Named { namespace, name, place: report.place(node.span) }))
    });
    if let Some(node) = metadata.annotation(EXTERNAL_TOPIC) {
        report
            .warning(
                node.span,
                format!("{EXTERNAL_TOPIC} has no effect: the broker's events live in the worker's queue"),
            )
            .help("a KafkaSource whose sink is this broker is how a topic's events come in");
    }
    let Some(mut spec) = document.map("spec", report) else { return Draft { backing, ..Draft::default() } };
    let delivery = Delivery::read(&mut spec, metadata.namespace(), report);
    spec.finish(report);
    Draft { delivery, backing }
}

/// `None`: reported.
pub(super) fn backing<'n>(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<&'n str> {
    let text = reader::string(node, path, report)?;
    if sink_of(text).is_some() || text == "queue" {
        return Some(text);
    }
    let help = did_you_mean(text, ["queue"]);
    let help = help.unwrap_or_else(|| "write 'queue', KafkaSink/<name> or NatsSink/<name>".into());
    report.error(node.span, format!("{path}: '{text}' is no backing")).help(help);
    None
}

/// Kind and name.
fn sink_of(text: &str) -> Option<(&'static str, &str)> {
    let (kind, name) = text.split_once('/').filter(|(_, name)| !name.is_empty())?;
    SINKS.into_iter().find(|known| *known == kind).map(|kind| (kind, name))
}
