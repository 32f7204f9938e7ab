//! The dead letters in the topic of a KafkaSink. A topic is only ever appended to: which of its letters have been replayed or
//! dropped is committed for a group of its own, as a consumer's offsets and what is done beyond them are, and passed over from
//! then on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::choice::{Chosen, Made, Taker};
use super::letter::Reader;
use super::letter_id;
use super::tally::{self, Counted};
use crate::cli::exit::Failed;
use crate::cli::stored::Stored;
use crate::cli::tap;
use crate::client::kafka::{is_of_a_connection, make};
use crate::config::{Config, KafkaSink, SecretRef, Settings, Sink};
use crate::dispatch::Progress as Known;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::letter_filter::Filter;
use crate::source::kafka::{self, Done, Place};
use crate::worker::errand::{Errand, Progress};
use crate::worker::letters::Letters;
use crate::worker::outlets;

const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

pub struct Topic {
    /// As people know it: "KafkaSink default/letters".
    name: String,
    topic: String,
    reader: Reader,
    consumer: BaseConsumer,
    /// By their numbers.
    partitions: Vec<Partition>,
    pub(super) taker: Taker,
}

/// As it was when the command began.
#[derive(Debug)]
struct Partition {
    end: i64,
    /// Replayed, dropped, or gone.
    done: Known,
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl Topic {
    /// `paths`: where the documents are, of which `config` was read.
    pub(super) fn open(
        settings: &Settings,
        (of, sink): (&Sink, &KafkaSink),
        (config, paths): (Config, &[PathBuf]),
    ) -> Result<Topic, Failed> {
        let name = format!("KafkaSink {}/{}", of.namespace, of.name);
        let resolve =
            |secret: &SecretRef| secret.resolve(&settings.secrets_dir, &|name| std::env::var(name).ok());
        let mut client = outlets::client_config(sink, &resolve)
            .map_err(|reason| Failed::error(format!("{name}: {reason}")))?;
        for (key, value) in [
            ("group.id", group_of(&sink.topic).as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "earliest"),
            ("fetch.wait.max.ms", "50"),
            // What the client has to say of a broker that is not there is said by us, once.
            ("log_level", "2"),
        ] {
            client.set(key, value);
        }
        let consumer: BaseConsumer = make(&client, |config| config.create())
            .map_err(|e| Failed::error(format!("the Kafka client can't be made: {e}")))?;
        let partitions =
            partitions(&consumer, &sink.topic).map_err(|why| Failed::error(format!("{name}: {why}")))?;
        Ok(Topic {
            reader: Reader::new(of.uid, &sink.topic),
            topic: sink.topic.clone(),
            name,
            consumer,
            partitions,
            taker: Taker::new(Stored::to_change(settings, Some(paths)), config),
        })
    }

    /// As a worker answers of its own.
    pub(super) fn answer(&self, letters: &Letters) -> Result<String, Failed> {
        let text = match letters {
            Letters::One { id } => {
                let (partition, offset) = letter_id::place(*id);
                let mut text = Ok(String::new());
                self.read(partition, offset, |found, letter| {
                    if found == *id {
                        text = tally::whole(found, letter);
                    }
                    false
                })?;
                text
            }
            Letters::Tally { filter } => self.tally(filter, 0)?,
            Letters::List { filter, last } => self.tally(filter, *last)?,
        };
        text.map_err(|why| Failed::error(format!("{}: {why}", self.name)))
    }

    fn tally(&self, filter: &Filter, last: usize) -> Result<Result<String, String>, Failed> {
        let mut counted = Counted::new(filter, last);
        for (partition, known) in (0..).zip(&self.partitions) {
            self.read(partition, known.done.watermark.cast_signed(), |id, letter| {
                if !known.done.is_complete(letter_id::place(id).1.cast_unsigned()) {
                    counted.add(id, letter);
                }
                true
            })?;
        }
        Ok(counted.finish())
    }

    /// Visits the letters of a partition from an offset on, until it ends or no more is wanted.
    fn read(
        &self,
        partition: i32,
        from: i64,
        mut visit: impl FnMut(u64, &DeadLetter<'_>) -> bool,
    ) -> Result<(), Failed> {
        let failed = |error: KafkaError| Failed::error(format!("{} can't be read: {error}", self.name));
        let Some(end) = usize::try_from(partition).ok().and_then(|n| self.partitions.get(n)).map(|p| p.end)
        else {
            return Ok(());
        };
        if from >= end {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(from)).map_err(failed)?;
        self.consumer.assign(&list).map_err(failed)?;
        let mut heard = Instant::now();
        loop {
            let message = match self.consumer.poll(LOOK) {
                None if heard.elapsed() > PATIENCE => {
                    return Err(Failed::error(format!(
                        "{} can't be read: the brokers do not answer",
                        self.name
                    )));
                }
                None => continue,
                Some(Err(KafkaError::PartitionEOF(of))) if of == partition => break,
                Some(Err(KafkaError::PartitionEOF(_))) => continue,
                Some(Err(error)) if is_of_a_connection(&error) && heard.elapsed() <= PATIENCE => continue,
                Some(message) => message.map_err(failed)?,
            };
            heard = Instant::now();
            if message.partition() != partition || message.offset() < from {
                continue;
            }
            if message.offset() >= end {
                break;
            }
            let bytes = self.reader.read(&tap::record(&message));
            let letter = DeadLetter::decode(&bytes).expect("it was encoded here");
            if !visit(letter_id::of(partition, message.offset()), &letter) || message.offset() + 1 >= end {
                break;
            }
        }
        self.consumer.unassign().map_err(failed)
    }

    /// Some of what is meant, durably.
    pub(super) fn run(&mut self, errand: &Errand) -> Result<Progress, Failed> {
        let triggers = self.taker.stored.triggers()?;
        let mut choice = self.taker.choice(errand, triggers);
        let mut look = |id: u64, letter: &DeadLetter<'_>| {
            let (partition, offset) = letter_id::place(id);
            let known = &self.partitions[partition as usize].done;
            choice.look(id, letter, known.is_complete(offset.cast_unsigned()))
        };
        if errand.filter.ids.is_empty() {
            let (first, offset) = letter_id::place(errand.from);
            for partition in first..self.partitions.len() as i32 {
                let known = self.partitions[partition as usize].done.watermark.cast_signed();
                let from = if partition == first { offset.max(known) } else { known };
                let mut goes_on = true;
                self.read(partition, from, |id, letter| {
                    goes_on = look(id, letter);
                    goes_on
                })?;
                if !goes_on {
                    break;
                }
            }
        } else {
            for id in errand.filter.ids.iter().copied().filter(|id| (errand.from..errand.before).contains(id))
            {
                let (partition, offset) = letter_id::place(id);
                let mut goes_on = true;
                self.read(partition, offset, |found, letter| {
                    goes_on = found != id || look(id, letter);
                    false
                })?;
                if !goes_on {
                    break;
                }
            }
        }
        let made = choice.made();
        self.carry_out(&made)?;
        Ok(self.taker.finish(made))
    }

    /// First the worker has them durably, then they are committed as done: a crash between the two has those of this batch
    /// replayed again by whoever runs it again.
    fn carry_out(&mut self, made: &Made) -> Result<(), Failed> {
        if made.chosen.is_empty() {
            return Ok(());
        }
        let after = self.after(&made.chosen)?;
        self.taker.take(made)?;
        let failed = |error: KafkaError| {
            Failed::error(format!("{}: what has been done can't be committed: {error}", self.name))
        };
        let list = kafka::commits(after.iter().map(|(place, known)| (place, known))).map_err(failed)?;
        self.consumer.commit(&list, CommitMode::Sync).map_err(failed)?;
        for ((_, partition), known) in after {
            self.partitions[partition as usize].done = known;
        }
        Ok(())
    }

    /// What will be done of the partitions that they stand in; with what somebody else has done meanwhile.
    fn after(&self, chosen: &[Chosen]) -> Result<Vec<(Place, Known)>, Failed> {
        let mut numbers: Vec<i32> = chosen.iter().map(|chosen| letter_id::place(chosen.id).0).collect();
        numbers.dedup();
        let places: Vec<Place> = numbers.into_iter().map(|number| (self.topic.clone(), number)).collect();
        let there = kafka::committed(&self.consumer, &places, PATIENCE);
        let there =
            there.map_err(|e| Failed::error(format!("{}: what is done can't be read: {e}", self.name)))?;
        let mut after = Vec::new();
        for (place, there) in places.into_iter().zip(there) {
            let known = &self.partitions[place.1 as usize];
            let there = there.into_progress();
            let there = if there.watermark > known.end.cast_unsigned() { Known::default() } else { there };
            let mut done = Done::resume(&known.done.merge(&there));
            let own = chosen.iter().map(|chosen| letter_id::place(chosen.id)).filter(|at| at.0 == place.1);
            own.for_each(|(_, offset)| done.add(offset.cast_unsigned()));
            let done = done.progress();
            if !kafka::fits(&done, false) {
                let message = format!(
                    "{}: what was replayed and dropped of partition {} is so scattered that its commit has no room for more",
                    self.name, place.1
                );
                return Err(
                    Failed::error(message).help("replay or drop the oldest that are left there first")
                );
            }
            after.push((place, done));
        }
        Ok(after)
    }
}

/// The group that has committed what is done of a topic's letters. Nobody joins it.
fn group_of(topic: &str) -> String {
    format!("{topic}.weir-dlq")
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Partition>, String> {
    let asked = |e: KafkaError| format!("the brokers do not say what stands in the topic {topic}: {e}");
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(asked)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let count = found.map_or(0, |found| found.partitions().len());
    if count == 0 {
        return Err(format!("there is no topic {topic}, and so no dead letter in it"));
    }
    let places: Vec<Place> = (0..count as i32).map(|number| (topic.to_owned(), number)).collect();
    let committed = kafka::committed(consumer, &places, PATIENCE).map_err(asked)?;
    let mut partitions = Vec::with_capacity(count);
    for (place, committed) in places.iter().zip(committed) {
        let (first, end) = consumer.fetch_watermarks(topic, place.1, PATIENCE).map_err(asked)?;
        let known = committed.into_progress();
        // Further than there is anything: it was another topic of this name.
        let known = if known.watermark > end.cast_unsigned() { Known::default() } else { known };
        let gone = Known { watermark: first.cast_unsigned(), runs: Vec::new() };
        partitions.push(Partition { end, done: known.merge(&gone) });
    }
    Ok(partitions)
}
