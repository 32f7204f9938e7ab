//! The KafkaSink document: a topic to write to.

use super::diagnostic::Report;
use super::metadata::{self, Metadata};
use super::node::Node;
use super::reader::{self, Fields};
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

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<KafkaSink> {
    metadata.check_annotations("weir.dev/", &[], report);
    let mut spec = Fields::of(document.required("spec")?, "KafkaSink.spec", report)?;
    let servers = spec.required("bootstrapServers");
    let servers = servers.and_then(|node| server::bootstrap(node, &spec.below("bootstrapServers"), report));
    let topic = spec.required("topic");
    let topic = topic.and_then(|node| topic::one(node, &spec.below("topic"), report));
    let mode = spec.optional("contentMode");
    let mode =
        mode.and_then(|node| reader::choice(node, &spec.below("contentMode"), &ContentMode::WORDS, report));
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
    let partitions = partitions.and_then(|entry| {
        reader::integer(&entry.value, &spec.below("numPartitions"), 1..=i64::from(i32::MAX), report)
    });
    let replication = replication.and_then(|entry| {
        reader::integer(&entry.value, &spec.below("replicationFactor"), 1..=i64::from(i16::MAX), report)
    });
    let (partitions, replication) = partitions.zip(replication)?;
    Some(NewTopic { partitions: partitions as u32, replication: replication as u16 })
}

fn auth(mut auth: Fields<'_>, report: &mut Report<'_>) -> Option<String> {
    let secret = auth.required("secret");
    let (path, secret) = (auth.below("secret"), secret.map(|node| node as &Node));
    auth.finish(report);
    let mut secret = Fields::of(secret?, path, report)?;
    let (reference, path) = (secret.required("ref"), secret.below("ref"));
    secret.finish(report);
    let mut reference = Fields::of(reference?, path, report)?;
    let name = reference.required("name");
    let name = name.and_then(|node| metadata::name(node, &reference.below("name"), report));
    reference.finish(report);
    name.map(str::to_owned)
}
