//! The KafkaSink document: a topic to write to.

use super::diagnostic::Report;
use super::reader::Fields;
use super::server::{self, Server};
use super::sink::ContentMode;
use super::topic;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSink {
    pub bootstrap_servers: Vec<Server>,
    pub topic: String,
    pub content_mode: ContentMode,
    /// How the topic is made if it isn't there. `None`: it has to be there.
    pub create: Option<NewTopic>,
    /// The name of the Secret that says how to log in, with Knative's keys: protocol, sasl.mechanism, user, password,
    /// ca.crt, user.crt, user.key.
    pub auth: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub partitions: u32,
    pub replication: u16,
}

pub(super) fn read(document: &mut Fields<'_>, report: &mut Report<'_>) -> Option<KafkaSink> {
    let mut spec = document.required_map("spec", report)?;
    let servers = spec.required("bootstrapServers");
    let servers = servers.and_then(|node| server::bootstrap(node, &spec.below("bootstrapServers"), report));
    let topic = spec.required("topic");
    let topic = topic.and_then(|node| topic::one(node, &spec.below("topic"), report));
    let mode = spec.choice("contentMode", &ContentMode::WORDS, report);
    let create = create(&mut spec, report);
    let auth = spec.map("auth", report).and_then(|fields| auth(fields, report));
    spec.finish(report);
    let (bootstrap_servers, topic) = servers.zip(topic)?;
    Some(KafkaSink { bootstrap_servers, topic, content_mode: mode.unwrap_or_default(), create, auth })
}

fn create(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Option<NewTopic> {
    let (partitions, replication) = (spec.entry("numPartitions"), spec.entry("replicationFactor"));
    if let Some(alone) = partitions.xor(replication) {
        let other = if partitions.is_some() { "replicationFactor" } else { "numPartitions" };
        let message = format!("{}.{} has no effect without {other}", spec.path, alone.key);
        report.warning(alone.key_span, message).help("a topic is made only where both are said");
    }
    let partitions = spec.integer("numPartitions", report);
    let replication = spec.integer("replicationFactor", report);
    let (partitions, replication) = partitions.zip(replication)?;
    Some(NewTopic { partitions: partitions as u32, replication: replication as u16 })
}

fn auth(mut auth: Fields<'_>, report: &mut Report<'_>) -> Option<String> {
    let secret = auth.required_map("secret", report);
    auth.finish(report);
    let mut secret = secret?;
    let reference = secret.required_map("ref", report);
    secret.finish(report);
    let mut reference = reference?;
    let name = reference.required_string("name", report);
    reference.finish(report);
    name.map(|(name, _)| name.to_owned())
}
