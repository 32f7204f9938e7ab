//! Requests whose senders wait: what has become of their events so far, until all of it has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::attempt::Attempt;
use super::report::Report;
use crate::dispatch::{Input, Key, Outcome};
use crate::event::{Envelope, Epoch, Position, Uid};
use crate::source::direct::{Answer, Asked, Failed};
use crate::time::unix_nanos;

const EPOCH: Epoch = Epoch(1);
/// Retry-After has whole seconds.
const LEAST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Requests {
    source: Uid,
    /// Of this life of this worker alone: no request of another ever has the same position, and with it the same charge.
    partition: u32,
    next: u64,
    /// By the offset of their first event.
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Events of it that have not settled.
    left: usize,
    replies: Vec<Vec<u8>>,
    worst: Option<Failed>,
    not_now: Option<(String, Duration)>,
    answer: oneshot::Sender<Answer>,
    _slot: OwnedSemaphorePermit,
}

impl Requests {
    pub(super) fn new() -> Requests {
        let mut random = [0; 4];
        // Without a source of randomness the clock alone tells two lives apart.
        let _ = getrandom::fill(&mut random);
        Requests {
            source: Uid::of_document("weir", "Http", "direct"),
            partition: u32::from_ne_bytes(random),
            next: unix_nanos(),
            waiting: BTreeMap::new(),
        }
    }

    pub(super) fn source(&self) -> (Uid, u32) {
        (self.source, self.partition)
    }

    pub(super) fn opened<R>(&self) -> Input<R> {
        let (source, partition) = self.source();
        Input::Opened { source, partition, epoch: EPOCH, first: self.next }
    }

    pub(super) fn has(&self, position: Position) -> bool {
        position.source == self.source
    }

    pub(super) fn take<R>(&mut self, asked: Asked, inputs: &mut Vec<Input<R>>) {
        let Asked { broker, records, answer, slot } = asked;
        let (first, left) = (self.next, records.len());
        self.next += left as u64;
        let waiting = Waiting { left, replies: vec![], worst: None, not_now: None, answer, _slot: slot };
        self.waiting.insert(first, waiting);
        inputs.extend(records.into_iter().zip(first..).map(|(record, offset)| {
            let position = Position { source: self.source, partition: self.partition, offset };
            let envelope = Envelope::new(position, EPOCH, record.into()).expect("the source encoded it");
            Input::Arrived { envelope, broker }
        }));
    }

    /// An attempt has ended: what is written of it is its cost.
    pub(super) fn attempted(&mut self, delivery: Key, report: Report) -> Attempt {
        let position = report.position();
        let (attempt, result) = report.return_to_sender(delivery);
        if let Some(waiting) = self.of(position) {
            match result {
                Ok(replies) => waiting.replies.extend(replies),
                Err(failed) => waiting.failed(failed),
            }
        }
        attempt
    }

    /// A delivery of it is not attempted, and there is no use in coming again before.
    pub(super) fn refuse(&mut self, position: Position, why: String, wait: Duration) {
        let Some(waiting) = self.of(position) else { return };
        let wait = wait.max(LEAST_WAIT);
        let longer = waiting.not_now.as_ref().is_none_or(|(_, other)| wait > *other);
        if longer {
            waiting.not_now = Some((why, wait));
        }
    }

    /// The event has settled.
    pub(super) fn settled(&mut self, position: Position) {
        let Some((&first, waiting)) = self.waiting.range_mut(..=position.offset).next_back() else { return };
        waiting.left -= 1;
        if waiting.left > 0 {
            return;
        }
        let Waiting { replies, worst, not_now, answer, .. } =
            self.waiting.remove(&first).expect("it is here");
        let said = match (not_now, worst) {
            (Some((why, wait)), _) => Answer::NotNow { why, wait },
            (None, Some(failed)) => Answer::Failed(failed),
            (None, None) => Answer::Done(replies),
        };
        // Whoever asked may have gone.
        let _ = answer.send(said);
    }

    fn of(&mut self, position: Position) -> Option<&mut Waiting> {
        self.waiting.range_mut(..=position.offset).next_back().map(|(_, waiting)| waiting)
    }
}

impl Waiting {
    fn failed(&mut self, failed: Failed) {
        if self.worst.as_ref().is_none_or(|worst| gravity(failed.outcome) > gravity(worst.outcome)) {
            self.worst = Some(failed);
        }
    }
}

/// What may succeed when it is sent again outweighs what can't: a sender that gives up would lose it.
fn gravity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Permanent => 1,
        Outcome::Trapped => 2,
        Outcome::Retryable => 3,
        Outcome::TimedOut => 4,
    }
}
