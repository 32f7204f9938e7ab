//! What the brokers say of a group's partitions. It is asked for and not joined: whoever works in it notices nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::measure::Partition;
use crate::client::kafka;
use crate::config::Initial;

/// How long the brokers may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Group {
    consumer: BaseConsumer,
}

impl Group {
    pub(super) fn new(mut config: ClientConfig, group: &str) -> Result<Group, String> {
        config.set("group.id", group);
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        // One record of each partition is looked at.
        config.set("queued.min.messages", "1").set("fetch.message.max.bytes", "65536");
        // What the client has to say of a broker that is not there is said by us, once.
        config.set("log_level", "2");
        let consumer: BaseConsumer = kafka::make(&config, |config| config.create())
            .map_err(|e| format!("the Kafka client can't be made: {e}"))?;
        Ok(Group { consumer })
    }

    /// Those of a topic; none: there is no such topic.
    pub(super) fn partitions(&self, topic: &str, initial: Initial) -> Result<Vec<Partition>, String> {
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE);
        let metadata = metadata.map_err(|e| format!("Kafka does not answer: {e}"))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let numbers: Vec<i32> =
            found.map(|found| found.partitions().iter().map(|p| p.id()).collect()).unwrap_or_default();
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let committed = self.committed(topic, &numbers)?;
        let first = self.first(topic, &numbers, initial)?;
        numbers
            .into_iter()
            .map(|number| {
                let ends = self.consumer.fetch_watermarks(topic, number, PATIENCE);
                let (begin, end) =
                    ends.map_err(|e| format!("{topic}[{number}]: where it ends is not said: {e}"))?;
                let first = match initial {
                    Initial::Earliest => begin,
                    Initial::Latest => end,
                    Initial::At(_) => first.get(&number).copied().unwrap_or(end),
                };
                let committed = committed.get(&number).copied();
                Ok(Partition { topic: topic.to_owned(), number, begin, end, committed, first, oldest: None })
            })
            .collect()
    }

    fn committed(&self, topic: &str, numbers: &[i32]) -> Result<BTreeMap<i32, i64>, String> {
        let asked = list(topic, numbers, Offset::Invalid)?;
        let found = self.consumer.committed_offsets(asked, PATIENCE);
        offsets(&found.map_err(|e| format!("what is committed of {topic} is not said: {e}"))?)
    }

    /// Where the records of a time begin.
    fn first(&self, topic: &str, numbers: &[i32], initial: Initial) -> Result<BTreeMap<i32, i64>, String> {
        let Initial::At(time) = initial else { return Ok(BTreeMap::new()) };
        let found = self.consumer.offsets_for_times(list(topic, numbers, Offset::Offset(time))?, PATIENCE);
        offsets(&found.map_err(|e| format!("what {topic} has of that time is not said: {e}"))?)
    }

    /// Looks when the first record of each backlog was written; what does not come in time stays unknown.
    pub(super) fn date(&self, partitions: &mut [Partition]) -> Result<(), String> {
        let said = |e| format!("the first of what waits can't be read: {e}");
        let mut places = TopicPartitionList::new();
        let mut left = BTreeMap::new();
        for (at, partition) in partitions.iter().enumerate().filter(|(_, partition)| partition.backlog() > 0)
        {
            let from = Offset::Offset(partition.from());
            places.add_partition_offset(&partition.topic, partition.number, from).map_err(said)?;
            left.insert((partition.topic.clone(), partition.number), at);
        }
        if left.is_empty() {
            return Ok(());
        }
        self.consumer.assign(&places).map_err(said)?;
        let mut quiet = Instant::now();
        while !left.is_empty() && quiet.elapsed() < PATIENCE {
            let Some(message) = self.consumer.poll(LOOK) else {
                self.pass_over(&mut left, partitions);
                continue;
            };
            let message = message.map_err(said)?;
            let Some(at) = left.remove(&(message.topic().to_owned(), message.partition())) else { continue };
            quiet = Instant::now();
            let mut done = TopicPartitionList::new();
            done.add_partition(message.topic(), message.partition());
            self.consumer.pause(&done).map_err(said)?;
            // What came meanwhile is no backlog of then.
            if message.offset() < partitions[at].end {
                partitions[at].oldest = message.timestamp().to_millis();
            }
        }
        self.consumer.assign(&TopicPartitionList::new()).map_err(said)
    }

    /// Where nothing but markers of transactions stands before the end, no record tells.
    fn pass_over(&self, left: &mut BTreeMap<(String, i32), usize>, partitions: &[Partition]) {
        let Ok(position) = self.consumer.position() else { return };
        left.retain(|(topic, number), at| {
            let read = position.find_partition(topic, *number).map(|found| found.offset());
            !matches!(read, Some(Offset::Offset(offset)) if offset >= partitions[*at].end)
        });
    }
}

fn list(topic: &str, numbers: &[i32], offset: Offset) -> Result<TopicPartitionList, String> {
    let mut list = TopicPartitionList::new();
    for number in numbers {
        list.add_partition_offset(topic, *number, offset).map_err(|e| format!("{topic}[{number}]: {e}"))?;
    }
    Ok(list)
}

/// Those that are known, by partition.
fn offsets(list: &TopicPartitionList) -> Result<BTreeMap<i32, i64>, String> {
    let mut known = BTreeMap::new();
    for element in list.elements() {
        element.error().map_err(|e| format!("{}[{}]: {e}", element.topic(), element.partition()))?;
        if let Offset::Offset(offset) = element.offset() {
            known.insert(element.partition(), offset);
        }
    }
    Ok(known)
}
