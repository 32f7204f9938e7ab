//! What the client has to say of the group that it is a member of: noted here, and done by the consumer in its own time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::telemetry::limit::Limit;

/// A topic and a partition of it.
pub type Place = (String, i32);

/// To be answered by taking the partitions, or giving them back: the group waits for that.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<Place>),
    Revoked(Vec<Place>),
    /// Given back already: the group has gone on without us.
    Lost(Vec<Place>),
}

/// The partitions of a commit, with the offsets, and whether it went well.
pub(super) type Answer = (Vec<(Place, u64)>, bool);

#[derive(Debug)]
pub(super) struct Group {
    /// As the log has it: `default/orders`.
    source: String,
    changes: Mutex<VecDeque<Change>>,
    /// The last commit has failed.
    failed: AtomicBool,
    /// A commit is under way.
    commits: AtomicBool,
    /// What became of the last one.
    outcome: Mutex<Option<KafkaResult<()>>>,
    /// What became of commits, since somebody has asked.
    answers: Mutex<Vec<Answer>>,
    /// Whatever is asked for from here on is done at once.
    closing: AtomicBool,
    lines: Limit,
}

impl Group {
    pub(super) fn of(source: String) -> Group {
        Group {
            source,
            changes: Mutex::default(),
            failed: AtomicBool::new(false),
            commits: AtomicBool::new(false),
            outcome: Mutex::default(),
            answers: Mutex::default(),
            closing: AtomicBool::new(false),
            lines: Limit::new("the Kafka client says", 1),
        }
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes().pop_front()
    }

    /// Has a commit failed since this was asked?
    pub(super) fn has_failed(&self) -> bool {
        self.failed.swap(false, Ordering::Relaxed)
    }

    /// One is under way until it is answered.
    pub(super) fn commits(&self) -> bool {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn begin_commit(&self) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.commits.store(true, Ordering::Relaxed);
    }

    pub(super) fn end_commit(&self) {
        self.commits.store(false, Ordering::Relaxed);
    }

    /// Of the last commit, once it has been answered.
    pub(super) fn outcome(&self) -> Option<KafkaResult<()>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the group gone on without us, and what is said of that is still to be heard?
    pub(super) fn has_lost(&self, places: &[Place]) -> bool {
        let lost =
            |change: &Change| matches!(change, Change::Lost(lost) if lost.iter().any(|l| places.contains(l)));
        self.changes().iter().any(lost)
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// What was not answered until it was over. The group waits for an answer, and so does whoever leaves it.
    pub(super) fn answer(&self, consumer: &BaseConsumer<Group>) {
        while let Some(change) = self.next_change() {
            let _ = match &change {
                Change::Assigned(places) => consumer.incremental_assign(&list_of(places)),
                Change::Revoked(places) => consumer.incremental_unassign(&list_of(places)),
                Change::Lost(_) => Ok(()),
            };
        }
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn places(list: &TopicPartitionList) -> Vec<Place> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

pub(super) fn list_of(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Group>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let at_once = self.closing.load(Ordering::Relaxed) || !is_assigned && consumer.assignment_lost();
        let change = match (is_assigned, at_once) {
            (true, true) => {
                // Nothing is read any more: taken so that it can be given back.
                let _ = consumer.incremental_assign(list);
                return;
            }
            (true, false) => Change::Assigned(places(list)),
            (false, true) => {
                let _ = consumer.incremental_unassign(list);
                Change::Lost(places(list))
            }
            (false, false) => Change::Revoked(places(list)),
        };
        self.changes().push_back(change);
    }

    fn commit_callback(&self, result: KafkaResult<()>, list: &TopicPartitionList) {
        // All is well of a commit of which some is not.
        let error = result.err().or_else(|| list.elements().iter().find_map(|element| element.error().err()));
        let outcome = error.clone().map_or(Ok(()), Err);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.end_commit();
        let of = |element: &TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => {
                Some(((element.topic().to_owned(), element.partition()), offset.cast_unsigned()))
            }
            _ => None,
        };
        let places = list.elements().iter().filter_map(of).collect();
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((places, error.is_none()));
        let Some(error) = error else { return };
        let no_offset = RDKafkaRespErr::RD_KAFKA_RESP_ERR__NO_OFFSET;
        if error.rdkafka_error_code().is_some_and(|code| code == no_offset.into()) {
            return;
        }
        self.failed.store(true, Ordering::Relaxed);
        if self.lines.admits() {
            tracing::warn!(source = %self.source, %error, "offsets could not be committed: tried again shortly");
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, _: &str, said: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(source = %self.source, "the Kafka client: {said}");
            }
            _ if self.lines.admits() => tracing::warn!(source = %self.source, "the Kafka client: {said}"),
            _ => {}
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.lines.admits() {
            tracing::warn!(source = %self.source, %error, "Kafka: {reason}");
        }
    }
}
