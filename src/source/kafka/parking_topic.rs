//! The parking topic itself: it is there before anything is read, with a partition for each that it may have to do with, and
//! keeps what stands in it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use tokio::runtime::Handle;

use super::parked::topic_of;
use crate::client::kafka;

/// With which the topic keeps what is parked until a worker is done with it, and takes whatever came in with what is known of it.
pub const KEPT: [(&str, &str); 4] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("max.message.bytes", "67108864"),
];

const PATIENCE: Duration = Duration::from_secs(10);

/// Makes it or makes it larger where it has to be. What an error says is for people.
pub(super) fn ensure<C: ConsumerContext>(
    client: &ClientConfig,
    consumer: &BaseConsumer<C>,
    group: &str,
    topics: &[String],
    runtime: &Handle,
) -> Result<(), String> {
    let mut most = 1;
    for topic in topics {
        most = most.max(partitions(consumer, topic)?.unwrap_or(0));
    }
    let (name, wanted) = (topic_of(group), most * topics.len().max(1));
    let there = partitions(consumer, &name)?;
    if there.is_some_and(|there| there >= wanted) {
        return Ok(());
    }
    let said = |error: String| {
        let what = if there.is_some() { "has too few partitions" } else { "is not there" };
        format!(
            "the topic {name}, where deliveries wait that must wait long, {what}, and can't be made to have {wanted}: {error}; \
             have it made by someone who may: weir setup, or kafka-topics.sh --create --topic {name} --partitions {wanted} \
             --config retention.ms=-1"
        )
    };
    let admin: AdminClient<DefaultClientContext> =
        kafka::make(client, |config| config.create()).map_err(|error| said(error.to_string()))?;
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    let results = match there {
        // The broker's own default says how often it is kept.
        None => runtime.block_on(async {
            let replication = TopicReplication::Fixed(-1);
            let new = NewTopic::new(&name, i32::try_from(wanted).unwrap_or(i32::MAX), replication);
            let new = KEPT.iter().fold(new, |new, (name, value)| new.set(name, value));
            admin.create_topics([&new], &options).await
        }),
        Some(_) => runtime.block_on(admin.create_partitions([&NewPartitions::new(&name, wanted)], &options)),
    };
    match results.map_err(|error| said(error.to_string()))?.into_iter().next() {
        // Another worker was as fast.
        None
        | Some(
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::InvalidPartitions)),
        ) => {
            tracing::info!(topic = name, partitions = wanted, "the parking topic was made");
            Ok(())
        }
        Some(Err((_, code))) => Err(said(code.to_string())),
    }
}

/// How many a topic has; `None`: it is not there.
fn partitions<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> Result<Option<usize>, String> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE);
    let metadata = metadata.map_err(|error| format!("Kafka does not say where {topic} is: {error}"))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.filter(|found| found.error().is_none()).map(|found| found.partitions().len()).filter(|n| *n > 0))
}
