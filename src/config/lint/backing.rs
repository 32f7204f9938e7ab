//! Brokers whose events go to a topic that nothing here brings back from there.

use crate::config::{Broker, Config, KafkaSink, KafkaSource, Reads, SourceSink, Writes};

use super::site::Sites;
use super::{Findings, Lint};

pub(super) const LINT: Lint = Lint::always(
    "lint/backing-not-read",
    "a broker's events go to a topic of Kafka that no KafkaSource of these documents reads for it: its triggers get none",
);

pub(super) fn check(sites: &Sites<'_>, config: &Config, findings: &mut Findings<'_>) {
    for broker in &config.brokers {
        let sink = config.sinks.iter().find(|sink| Some(sink.uid) == broker.backing);
        let Some(Writes::Kafka(kafka)) = sink.map(|sink| &sink.writes) else { continue };
        let Some(site) = sites.find("Broker", &broker.namespace, &broker.name) else { continue };
        if config.sources.iter().any(|source| match (&source.reads, &source.sink) {
            (Reads::Kafka(reads), SourceSink::Broker { broker: to, .. }) => {
                *to == broker.uid && brings(reads, kafka)
            }
            _ => false,
        }) {
            continue;
        }
        let at = site.node(&["metadata", "annotations", "weir.dev/backing"]);
        let at = at.map_or_else(|| site.named(), |node| node.span);
        let message = format!(
            "the events of the Broker '{}' go to the topic '{}', which no KafkaSource here reads for it: its triggers get none",
            broker.name, kafka.topic
        );
        findings.add(LINT, site, at, message, &help(broker, kafka));
    }
}

/// One server in common is enough: the others may be of the same cluster.
fn brings(source: &KafkaSource, sink: &KafkaSink) -> bool {
    source.topics.contains(&sink.topic)
        && source.bootstrap_servers.iter().any(|server| sink.bootstrap_servers.contains(server))
}

fn help(broker: &Broker, kafka: &KafkaSink) -> String {
    format!(
        "add a KafkaSource of the topic, with this broker as its sink:\nspec:\n  topics: [{}]\n  sink: {{ref: {{apiVersion: \
         eventing.knative.dev/v1, kind: Broker, name: {}}}}}",
        kafka.topic, broker.name
    )
}
