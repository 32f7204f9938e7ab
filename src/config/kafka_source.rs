//! The KafkaSource document: topics to consume, and where their events go.

use crate::dispatch::Order;
use crate::event::Uid;

use super::diagnostic::Report;
use super::kafka_security::{self, KafkaSecurity};
use super::mapping::{self, Mapping};
use super::metadata::Metadata;
use super::node::{Kind, Node};
use super::reader::{self, Fields};
use super::scalar::Scalar;
use super::server::{self, Server};
use super::source::{self, Initial, Reads};
use super::topic;

const KEY_TYPE: &str = "kafkasources.sources.knative.dev/key-type";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSource {
    /// At least one.
    pub bootstrap_servers: Vec<Server>,
    /// At least one, each once.
    pub topics: Vec<String>,
    pub consumer_group: String,
    /// What Knative would run in one cluster; a worker is one.
    pub consumers: u32,
    /// Where to begin in partitions of which nothing is committed.
    pub initial_offset: Initial,
    pub key_type: KeyType,
    /// Where records that are no events have what events say.
    pub mapping: Option<Mapping>,
    pub security: KafkaSecurity,
}

/// What the bytes of a record's key are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    #[default]
    String,
    /// Big-endian, of four bytes.
    Int,
    /// Big-endian, of four or eight bytes.
    Float,
    /// Read as base64.
    ByteArray,
}

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<source::Draft> {
    let key_types = [
        ("string", KeyType::String),
        ("int", KeyType::Int),
        ("float", KeyType::Float),
        ("byte-array", KeyType::ByteArray),
    ];
    let key_type = metadata.label_choice(KEY_TYPE, &key_types, report);
    let mut spec = document.required_map("spec", report)?;
    let servers = spec.required("bootstrapServers");
    let servers = servers.and_then(|node| server::bootstrap(node, &spec.below("bootstrapServers"), report));
    let topics = spec.required("topics");
    let topics = topics.and_then(|node| topic::list(node, &spec.below("topics"), report));
    let group = match spec.optional("consumerGroup") {
        Some(node) => consumer_group(node, &spec.below("consumerGroup"), report),
        None => Some(default_group(metadata)),
    };
    let consumers =
        spec.optional("consumers").map_or(1, |node| consumers(node, &spec.below("consumers"), report));
    let initial = spec.choice("initialOffset", &Initial::WORDS, report).unwrap_or(Initial::Latest);
    let initial = source::initial_time(metadata, "spec.initialOffset", report).unwrap_or(initial);
    let mapping = mapping::read(metadata, report);
    let security = kafka_security::read(&mut spec, report);
    let reads = servers.zip(topics).zip(group).map(|((bootstrap_servers, topics), consumer_group)| {
        Reads::Kafka(KafkaSource {
            bootstrap_servers,
            topics,
            consumer_group,
            consumers,
            initial_offset: initial,
            key_type: key_type.unwrap_or_default(),
            mapping,
            security,
        })
    });
    let orders = [("ordered", Order::Ordered), ("unordered", Order::Unordered)];
    Some(source::read(spec, metadata, &orders, reads, report))
}

/// Knative makes one up, once, and keeps it in the cluster. Ours must be the same on every worker and after every restart.
fn default_group(metadata: &Metadata<'_>) -> String {
    let name = metadata.name.map_or("", |(name, _)| name);
    format!("knative-kafka-source-{}", Uid::of_document(metadata.namespace(), "KafkaSource", name))
}

/// What must wait is kept in the topic `<group>.parked`.
fn consumer_group(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let text = reader::string(node, path, report)?;
    let parked = format!("{text}.parked");
    if !text.is_empty() && topic::is_name(&parked) {
        return Some(text.to_owned());
    }
    report
        .error(node.span, format!("{path}: '{text}' can't be a group: '{parked}' has to be a topic's name"))
        .help(format!(
            "write at most {} letters, digits, '.', '_' and '-'",
            topic::LONGEST - ".parked".len()
        ));
    None
}

fn consumers(node: &Node, path: &str, report: &mut Report<'_>) -> u32 {
    if matches!(node.kind, Kind::Scalar { is: Scalar::Int(0), .. }) {
        report
            .error(node.span, format!("{path}: with 0 nothing would be consumed"))
            .help("take the document out to stop it, or write 1");
        return 0;
    }
    let count = reader::integer(node, path, 1..=i64::from(i32::MAX), report).unwrap_or(1);
    if count > 1 {
        report
            .note(
                node.span,
                format!("{path} has no effect in this version: a worker is one consumer of the group"),
            )
            .help("start more workers");
    }
    count as u32
}
