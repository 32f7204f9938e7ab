//! Where in each partition to begin, and where it ended by then.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    Earliest,
    Offset(i64),
    /// In milliseconds since 1970.
    Time(i64),
    /// So many before the end.
    Last(i64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        if text == "earliest" {
            return Ok(From::Earliest);
        }
        if let Ok(offset) = text.parse::<u64>() {
            return i64::try_from(offset).map(From::Offset).map_err(|e| e.to_string());
        }
        let time = jiff::Timestamp::from_str(text)
            .map_err(|_| "write earliest, an offset, or a time like 2026-11-21T12:00:00Z".to_owned())?;
        Ok(From::Time(time.as_millisecond()))
    }
}

/// The partitions of all topics.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) begin: TopicPartitionList,
    /// Those of which something is still to come, with the offset at which they ended.
    left: BTreeMap<(String, i32), i64>,
}

impl Places {
    pub(super) fn find(
        consumer: &BaseConsumer,
        topics: &[String],
        from: &From,
        patience: Duration,
    ) -> Result<Places, String> {
        let mut places = Places { begin: TopicPartitionList::new(), left: BTreeMap::new() };
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), patience);
            let metadata = metadata.map_err(|e| format!("Kafka does not say where {topic} is: {e}"))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let found = found.filter(|found| found.error().is_none() && !found.partitions().is_empty());
            let Some(found) = found else { return Err(format!("there is no topic {topic}")) };
            for partition in found.partitions() {
                places.add(consumer, (topic, partition.id()), from, patience)?;
            }
        }
        Ok(places)
    }

    fn add(
        &mut self,
        consumer: &BaseConsumer,
        (topic, partition): (&str, i32),
        from: &From,
        patience: Duration,
    ) -> Result<(), String> {
        let said = |error| format!("Kafka does not say where {topic}[{partition}] begins and ends: {error}");
        let (first, end) = consumer.fetch_watermarks(topic, partition, patience).map_err(said)?;
        let begin = match from {
            From::Earliest => first,
            From::Offset(offset) => *offset,
            From::Last(count) => end - count,
            From::Time(time) => {
                let mut asked = TopicPartitionList::new();
                asked.add_partition_offset(topic, partition, Offset::Offset(*time)).map_err(said)?;
                let found = consumer.offsets_for_times(asked, patience).map_err(said)?;
                match found.find_partition(topic, partition).map(|found| found.offset()) {
                    Some(Offset::Offset(offset)) => offset,
                    // None is so late.
                    _ => end,
                }
            }
        };
        let begin = begin.clamp(first, end);
        self.begin.add_partition_offset(topic, partition, Offset::Offset(begin)).map_err(said)?;
        if begin < end {
            self.left.insert((topic.to_owned(), partition), end);
        }
        Ok(())
    }

    /// All that stood there at the beginning has been read.
    pub(super) fn are_done(&self) -> bool {
        self.left.is_empty()
    }

    /// A record has come. False: it came after the end that there was.
    pub(super) fn pass(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        let key = (topic.to_owned(), partition);
        let Some(&end) = self.left.get(&key) else { return false };
        if offset + 1 >= end {
            self.left.remove(&key);
        }
        offset < end
    }

    /// Looks how far the client has read.
    pub(super) fn look(&mut self, consumer: &BaseConsumer) {
        let Ok(position) = consumer.position() else { return };
        self.left.retain(|(topic, partition), end| {
            let read = position.find_partition(topic, *partition).map(|at| at.offset());
            !matches!(read, Some(Offset::Offset(offset)) if offset >= *end)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        assert_eq!("earliest".parse(), Ok(From::Earliest));
        assert_eq!("17".parse(), Ok(From::Offset(17)));
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(From::Time(1500)));
        for wrong in ["", "latest-ish", "-1", "yesterday"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
        }
    }
}
