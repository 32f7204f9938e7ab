//! The parking topic of a group, `<group>.parked`, read beside the group: each partition of it is for one partition of the
//! group's topics, so whoever has that reads this, and nobody has to agree on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::done::Done;
use super::group::Place;
use super::inlet::{Content, Inlet};
use super::news::Fetched;
use crate::client::kafka;
use crate::dispatch::{Progress, StubKey};
use crate::event::parked::{AFAR, Label, ParkedRecord};
use crate::event::{Envelope, Epoch, Uid};
use crate::telemetry::limit::Limit;

/// The partition of the parking for a partition of a topic; `topics` are all that the group's source reads, sorted.
pub fn place_of(topics: &[String], topic: &str, partition: i32) -> i32 {
    let rank = topics.iter().position(|own| own == topic).unwrap_or(0);
    let (count, rank) = (topics.len().max(1) as i32, rank as i32);
    partition * count + rank
}

pub fn topic_of(group: &str) -> String {
    format!("{group}.parked")
}

#[derive(Debug)]
pub enum Wanted {
    /// All that is parked there and not done.
    Load { partition: i32, done: Progress, answer: Sender<Result<Loaded, String>> },
    /// How far nothing stands from an offset on, in a topic of the group's.
    Passed { place: Place, from: u64, answer: Sender<u64> },
    /// One record, whenever.
    Fetch { stub: StubKey, partition: i32, offset: u64 },
}

#[derive(Debug, Default)]
pub struct Loaded {
    /// In the order in which they were parked; of a delivery that was parked again, the last.
    pub labels: Vec<Label>,
    /// With those that another takes the place of.
    pub done: Done,
}

/// How long a broker may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(100);
/// Records between two that are fetched in one go.
const NEAR: u64 = 4096;
/// Fetches that are gathered before they are begun.
const AT_ONCE: usize = 8192;

/// The one who reads it.
pub struct Reader {
    topic: String,
    client: Arc<BaseConsumer>,
    inlet: Inlet<DefaultConsumerContext>,
    wanted: Receiver<Wanted>,
    fetched: Sender<Vec<Fetched>>,
    /// By partition and offset.
    fetches: BTreeMap<(i32, u64), StubKey>,
}

static UNREADABLE: Limit = Limit::new("what is parked can't be read", 1);

impl Reader {
    pub fn new(
        client: &ClientConfig,
        group: &str,
        wanted: Receiver<Wanted>,
        fetched: Sender<Vec<Fetched>>,
    ) -> KafkaResult<Reader> {
        let mut client = client.clone();
        // The client wants one; nobody joins it.
        client.set("group.id", format!("{group}.parked.reader"));
        client.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        client.set("auto.offset.reset", "earliest").set("fetch.queue.backoff.ms", "2");
        // What is wanted next would wait for a fetch that waits at the end of what was wanted before.
        client.set("fetch.wait.max.ms", "10");
        client.set("queued.max.messages.kbytes", "16384").set("enable.partition.eof", "true");
        client.set("log_level", "2");
        let client: Arc<BaseConsumer> = kafka::make_for_long(&client, |config| config.create())?;
        let inlet = Inlet::new(&client);
        Ok(Reader { topic: topic_of(group), client, inlet, wanted, fetched, fetches: BTreeMap::new() })
    }

    /// Until nobody wants anything any more.
    pub fn run(mut self) {
        loop {
            let wanted = if self.fetches.is_empty() {
                match self.wanted.recv() {
                    Ok(wanted) => wanted,
                    Err(_) => return,
                }
            } else {
                match self.wanted.try_recv() {
                    Ok(wanted) => wanted,
                    Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => {
                        self.fetch();
                        continue;
                    }
                }
            };
            match wanted {
                Wanted::Load { partition, done, answer } => {
                    // Who asked may have gone.
                    let _ = answer.send(self.load(partition, &done).map_err(|error| error.to_string()));
                }
                Wanted::Passed { place, from, answer } => {
                    if let Some(passed) = self.passed(&place, from) {
                        let _ = answer.send(passed);
                    }
                }
                Wanted::Fetch { stub, partition, offset } => {
                    self.fetches.insert((partition, offset), stub);
                    if self.fetches.len() >= AT_ONCE {
                        self.fetch();
                    }
                }
            }
        }
    }

    fn load(&self, partition: i32, done: &Progress) -> KafkaResult<Loaded> {
        let (first, end) = self.client.fetch_watermarks(&self.topic, partition, PATIENCE)?;
        let (first, end) = (first.cast_unsigned(), end.cast_unsigned());
        // Made anew, or its oldest are gone.
        let from = if done.watermark > end { first } else { done.watermark.max(first) };
        let known = if done.watermark > end { Progress::default() } else { done.clone() };
        let known = known.merge(&Progress { watermark: from, runs: Vec::new() });
        let mut loaded = Loaded { labels: Vec::new(), done: Done::resume(&known) };
        if from >= end {
            return Ok(loaded);
        }
        let mut last: HashMap<Uid, usize> = HashMap::new();
        self.read(partition, from, end, |message| {
            let offset = message.offset().cast_unsigned();
            if known.is_complete(offset) {
                return;
            }
            let label = message.payload().and_then(|bytes| {
                let parked = ParkedRecord::decode(bytes).ok()?;
                Label::of(offset | AFAR, &parked).ok()
            });
            let Some(label) = label else {
                tracing::error!(
                    topic = self.topic,
                    partition,
                    offset,
                    "a record that is no parked delivery, or of a newer version, is left where it is"
                );
                return;
            };
            // It was parked again since, and that this one is done was not committed.
            if let Some(earlier) = last.insert(label.delivery, loaded.labels.len()) {
                loaded.done.add(loaded.labels[earlier].id & !AFAR);
                loaded.labels[earlier].id = 0;
            }
            loaded.labels.push(label);
        })?;
        loaded.labels.retain(|label| label.id & AFAR != 0);
        Ok(loaded)
    }

    /// The offset before which nothing stands from `from` on: that of the next record, or the end. `None`: who knows.
    fn passed(&mut self, (topic, partition): &Place, from: u64) -> Option<u64> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, *partition, Offset::Offset(from.cast_signed())).ok()?;
        self.inlet.lead(topic, *partition);
        self.client.assign(&list).ok()?;
        let begun = Instant::now();
        let mut found = None;
        while found.is_none() && begun.elapsed() < PATIENCE {
            for message in self.inlet.take(MOMENT) {
                if (message.topic(), message.partition()) != (topic, *partition) || found.is_some() {
                    continue;
                }
                found = match message.content() {
                    Content::Record(record) => Some(record.offset),
                    Content::End { offset } => Some(offset),
                    Content::Failed(_) => None,
                };
            }
            // Whatever else the client has to say.
            let _ = self.client.poll(Duration::ZERO);
        }
        let _ = self.client.unassign();
        found.and_then(|offset| u64::try_from(offset).ok())
    }

    /// Visits what stands between two offsets.
    fn read(
        &self,
        partition: i32,
        from: u64,
        end: u64,
        mut visit: impl FnMut(&BorrowedMessage<'_>),
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(from.cast_signed()))?;
        self.client.assign(&list)?;
        let mut next = from;
        let (mut heard, mut ends) = (Instant::now(), false);
        while next < end {
            match self.client.poll(MOMENT) {
                None if heard.elapsed() > PATIENCE && ends => next = end,
                None if heard.elapsed() > PATIENCE => {
                    // What it was to read may be gone: told apart by what stands there now.
                    let (first, _) = self.client.fetch_watermarks(&self.topic, partition, PATIENCE)?;
                    next = next.max(first.cast_unsigned());
                    heard = Instant::now();
                }
                None => {}
                // Said of an assignment before this one, or it ends earlier than it did: what stood there is gone.
                Some(Err(KafkaError::PartitionEOF(of))) => {
                    let (_, now) = self.client.fetch_watermarks(&self.topic, partition, PATIENCE)?;
                    ends |= of == partition;
                    if now.cast_unsigned() < end {
                        next = end;
                    }
                }
                // Of a connection, and perhaps of one that was lost long ago: nobody has listened since. If it is still so, nothing
                // is heard for long.
                Some(Err(error)) if kafka::is_of_a_connection(&error) && heard.elapsed() <= PATIENCE => {}
                Some(message) => {
                    let message = message?;
                    heard = Instant::now();
                    let offset = message.offset().cast_unsigned();
                    if message.partition() == partition && offset >= next && offset < end {
                        visit(&message);
                        next = offset + 1;
                    } else if message.partition() == partition && offset >= end {
                        next = end;
                    }
                }
            }
        }
        self.client.unassign()
    }

    /// What is wanted, as far as one way through a partition leads to it.
    fn fetch(&mut self) {
        let Some((&(partition, first), _)) = self.fetches.first_key_value() else { return };
        let mut end = first + 1;
        for (_, offset) in self.fetches.range((partition, first)..(partition + 1, 0)).map(|(key, _)| *key) {
            if offset >= end + NEAR {
                break;
            }
            end = offset + 1;
        }
        let mut found = Vec::new();
        let fetches = std::mem::take(&mut self.fetches);
        let read = self.read(partition, first, end, |message| {
            let offset = message.offset().cast_unsigned();
            if let Some(&stub) = fetches.get(&(partition, offset))
                && let Some(fetched) = fetched(stub, message.payload().unwrap_or_default())
            {
                found.push((offset, fetched));
            }
        });
        self.fetches = fetches;
        let why = match read {
            Err(error) => Some(error.to_string()),
            Ok(()) if found.is_empty() => Some(format!("offset {first} is not there")),
            Ok(()) => None,
        };
        if let Some(why) = why {
            if UNREADABLE.admits() {
                tracing::error!(topic = self.topic, partition, why, "what is parked can't be read just now");
            }
            std::thread::park_timeout(MOMENT * 5);
        }
        if found.is_empty() {
            return;
        }
        let found = found.into_iter().map(|(offset, fetched)| {
            self.fetches.remove(&(partition, offset));
            fetched
        });
        let found: Vec<Fetched> = found.collect();
        // A loop that is gone needs nothing.
        let _ = self.fetched.send(found);
    }
}

fn fetched(stub: StubKey, bytes: &[u8]) -> Option<Fetched> {
    let parked = ParkedRecord::decode(bytes).ok()?;
    let record = Bytes::copy_from_slice(parked.record);
    let envelope = Envelope::new(parked.position, Epoch(0), record).ok()?;
    Some(Fetched { stub, envelope, broker: parked.broker })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_partitions_share_one_of_the_parking() {
        let topics = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let mut places = std::collections::BTreeSet::new();
        for topic in &topics {
            for partition in 0..10 {
                assert!(places.insert(place_of(&topics, topic, partition)));
            }
        }
        assert_eq!((places.len(), places.last()), (30, Some(&29)));
        assert_eq!(place_of(&topics[..1], "a", 7), 7);
    }
}
