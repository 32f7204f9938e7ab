//! `weir cost --from kafka://…`: what all workers have shipped to a topic, of each charge the first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::exit::Failed;
use super::produce::Target;
use super::usage_tally::Tally;
use crate::client::kafka;
use crate::event::binary::decode_kafka;

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// From the topic's beginning to where it ends now. It joins no group.
pub(super) fn count(target: &Target, tally: &mut Tally) -> Result<(), Failed> {
    let failed = |what: &str, error: rdkafka::error::KafkaError| {
        Failed::error(format!("{what}: {error}")).help("write it as kafka://host:port/topic")
    };
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &target.servers)
        .set("group.id", format!("weir-cost-{}", std::process::id()));
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false").set("log_level", "2");
    let consumer: BaseConsumer = kafka::make(&config, |config| config.create())
        .map_err(|error| failed("the Kafka client can't be made", error))?;
    let mut left = assign(&consumer, &target.topic, failed)?;
    let mut quiet = Instant::now();
    while !left.is_empty() {
        let Some(message) = consumer.poll(LOOK) else {
            // Where nothing but markers of transactions stands before the end, no record tells.
            let position = consumer.position().map_err(|error| failed("reading failed", error))?;
            for element in position.elements() {
                let at = if let Offset::Offset(at) = element.offset() { at } else { 0 };
                left.retain(|partition, end| *partition != element.partition() || at < *end);
            }
            if quiet.elapsed() > PATIENCE {
                return Err(Failed::error(
                    "nothing came though there is something: the brokers do not answer",
                ));
            }
            continue;
        };
        quiet = Instant::now();
        let message = message.map_err(|error| failed("reading failed", error))?;
        let is_last = left.get(&message.partition()).is_none_or(|end| message.offset() + 1 >= *end);
        if is_last {
            left.remove(&message.partition());
        }
        let headers: Vec<_> =
            message.headers().map_or(Vec::new(), |all| all.iter().map(|h| (h.key, h.value)).collect());
        let event = decode_kafka(headers.into_iter(), message.payload()).map_err(|why| why.to_string());
        event.and_then(|event| tally.add(&event)).map_err(|why| {
            let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
            Failed::error(format!(
                "{topic}, partition {partition}, offset {offset}: this is no usage of weir's: {why}"
            ))
        })?;
    }
    Ok(())
}

/// All of it. Where each partition ends that has something.
fn assign(
    consumer: &BaseConsumer,
    topic: &str,
    failed: impl Fn(&str, rdkafka::error::KafkaError) -> Failed,
) -> Result<BTreeMap<i32, i64>, Failed> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE);
    let metadata = metadata.map_err(|error| failed("the brokers do not answer", error))?;
    let found =
        metadata.topics().iter().find(|found| found.name() == topic && !found.partitions().is_empty());
    let Some(found) = found else { return Err(Failed::error(format!("there is no topic {topic}"))) };
    let (mut list, mut left) = (TopicPartitionList::new(), BTreeMap::new());
    for partition in found.partitions() {
        let ends = consumer.fetch_watermarks(topic, partition.id(), PATIENCE);
        let (first, end) = ends.map_err(|error| failed("the brokers do not answer", error))?;
        let added = list.add_partition_offset(topic, partition.id(), Offset::Beginning);
        added.map_err(|error| failed("the partitions can't be read", error))?;
        if first < end {
            left.insert(partition.id(), end);
        }
    }
    consumer.assign(&list).map_err(|error| failed("the partitions can't be read", error))?;
    Ok(left)
}
