//! What the documents need of their brokers: topics, and what the worker's user must be allowed.

use crate::config::{Config, KafkaSink, KafkaSource, NewTopic, Reads, Server, Writes};
use crate::source::kafka::KEPT;

/// Of one document.
#[derive(Debug)]
pub(super) struct Needs<'c> {
    /// `KafkaSource default/orders`.
    pub(super) whose: String,
    pub(super) servers: String,
    pub(super) login: Login<'c>,
    pub(super) topics: Vec<Topic<'c>>,
    /// On what, and which.
    pub(super) rights: Vec<(String, &'static str)>,
}

/// Where it says how the brokers are spoken to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Login<'c> {
    Source(&'c KafkaSource),
    Sink(&'c KafkaSink),
}

#[derive(Debug)]
pub(super) struct Topic<'c> {
    pub(super) name: String,
    pub(super) role: Role<'c>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Role<'c> {
    /// It has to be there.
    Others,
    /// For what a source parks of these topics.
    Parked(&'c [String]),
    /// Made as the document says, where it isn't there.
    Made(NewTopic),
}

const READ: &str = "READ, DESCRIBE";
const WRITE: &str = "WRITE, DESCRIBE";
const BOTH: &str = "READ, WRITE, DESCRIBE";
const ONCE: &str = "IDEMPOTENT_WRITE";

/// In the documents' order, sources first.
pub(super) fn needs(config: &Config) -> Vec<Needs<'_>> {
    let sources = config.sources.iter().filter_map(|source| match &source.reads {
        Reads::Kafka(kafka) => {
            Some(of_source(format!("KafkaSource {}/{}", source.namespace, source.name), kafka))
        }
        Reads::Nats(_) => None,
    });
    let sinks = config.sinks.iter().filter_map(|sink| match &sink.writes {
        Writes::Kafka(kafka) => Some(of_sink(format!("KafkaSink {}/{}", sink.namespace, sink.name), kafka)),
        Writes::Nats(_) => None,
    });
    sources.chain(sinks).collect()
}

fn of_source(whose: String, kafka: &KafkaSource) -> Needs<'_> {
    let parked = format!("{}.parked", kafka.consumer_group);
    let read = kafka.topics.iter().map(|name| Topic { name: name.clone(), role: Role::Others });
    let mut topics: Vec<_> = read.collect();
    topics.push(Topic { name: parked.clone(), role: Role::Parked(&kafka.topics) });
    let mut rights: Vec<_> = kafka.topics.iter().map(|name| (format!("topic {name}"), READ)).collect();
    rights.push((format!("group {}", kafka.consumer_group), READ));
    rights.push((format!("topic {parked}"), BOTH));
    rights.push(("cluster".to_owned(), ONCE));
    Needs { whose, servers: listed(&kafka.bootstrap_servers), login: Login::Source(kafka), topics, rights }
}

fn of_sink(whose: String, kafka: &KafkaSink) -> Needs<'_> {
    let topic = Topic { name: kafka.topic.clone(), role: kafka.create.map_or(Role::Others, Role::Made) };
    let rights = vec![(format!("topic {}", kafka.topic), WRITE), ("cluster".to_owned(), ONCE)];
    let servers = listed(&kafka.bootstrap_servers);
    Needs { whose, servers, login: Login::Sink(kafka), topics: vec![topic], rights }
}

fn listed(servers: &[Server]) -> String {
    servers.iter().map(Server::to_string).collect::<Vec<_>>().join(",")
}

impl Role<'_> {
    /// In a list of what is needed.
    pub(super) fn wanted(&self) -> String {
        match self {
            Role::Others => "has to be there".to_owned(),
            Role::Parked(topics) => {
                let kept: Vec<_> = KEPT.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let partitions = match topics.len() {
                    1 => "as many partitions as its topic".to_owned(),
                    count => format!("{count} times the partitions of the largest of its topics"),
                };
                format!("{partitions}, {}", kept.join(" "))
            }
            Role::Made(NewTopic { partitions, replication }) => {
                format!("partitions: {partitions}, replicas: {replication}")
            }
        }
    }
}

/// What is parked of partition `p` of the topic of rank `r` stands in partition `p * topics + r`.
pub(super) fn parked_partitions(topics: usize, largest: usize) -> usize {
    topics * largest
}
