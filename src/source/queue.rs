//! Reads the embedded queue: from the first event that is not settled to the last that is durable, and on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::dispatch::Progress;
use crate::dispatch::ledger::Ledger;
use crate::event::segment::{Ended, Mark, Segment};
use crate::event::{Envelope, Epoch, Position, Uid};
use crate::store::{Log, StoreError};

/// An event as it was read, and the broker that it is for.
#[derive(Debug)]
pub struct Arrival {
    pub envelope: Envelope,
    pub broker: Uid,
}

/// How long to wait for a store that fails.
const PATIENCE: Duration = Duration::from_secs(1);

/// One segment's worth.
pub type Arrivals = Vec<Arrival>;

#[derive(Debug)]
pub struct QueueSource {
    log: Arc<Log>,
    source: Uid,
    epoch: Epoch,
    /// The next segment to read.
    next: u64,
}

impl QueueSource {
    /// Starts at the segment that holds `watermark`: what stands before it is settled.
    pub fn open(log: Arc<Log>, source: Uid, watermark: u64) -> Result<QueueSource, QueueError> {
        let next = segment_of(&log, watermark)?;
        Ok(QueueSource { log, source, epoch: Epoch(1), next })
    }

    /// Reads until `durable` is closed, which tells by a message that there may be more to read. Blocks where nobody
    /// takes the arrivals: that is the back-pressure.
    pub fn run(mut self, durable: &Receiver<()>, arrivals: &Sender<Arrivals>) -> Result<(), QueueError> {
        loop {
            match self.read() {
                Ok(Some(batch)) => {
                    if arrivals.send(batch).is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    if durable.recv().is_err() {
                        return Ok(());
                    }
                }
                // The store is being mended: the scribe tries until it is.
                Err(QueueError::Store(error)) => {
                    tracing::warn!(%error, "the queue can't be read just now");
                    if durable.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The next durable segment, if there is one.
    pub fn read(&mut self) -> Result<Option<Arrivals>, QueueError> {
        // What was dropped before it was read held marks alone: no event goes before it has settled.
        self.next = self.next.max(self.log.first());
        if self.next >= self.log.flushed() {
            return Ok(None);
        }
        let number = self.next;
        let bytes = match self.log.get(number)? {
            Some(bytes) => bytes,
            None if number < self.log.first() => return self.read(),
            None => return Err(QueueError::Missing(number)),
        };
        let segment = Segment::decode(&bytes).map_err(|e| QueueError::Corrupt(number, e.to_string()))?;
        let mut arrivals = Vec::with_capacity(segment.records.len());
        for (offset, (broker, record)) in (segment.first..).zip(segment.records) {
            let position = Position { source: self.source, partition: 0, offset };
            // A copy: one event that waits long would keep the whole segment in memory, and count for itself alone.
            let envelope = Envelope::new(position, self.epoch, Bytes::copy_from_slice(record))
                .map_err(|e| QueueError::Corrupt(number, e.to_string()))?;
            arrivals.push(Arrival { envelope, broker });
        }
        self.next += 1;
        Ok(Some(arrivals))
    }
}

/// What the queue's marks tell a worker that starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// The deliveries of unsettled events that have ended.
    pub ended: Vec<Ended>,
    /// Parked records that are done.
    pub unparked: Vec<u64>,
}

/// The deliveries of unsettled events that have ended: what the segments from `progress` on say.
pub fn ended(log: &Log, progress: &Progress) -> Result<Vec<Ended>, QueueError> {
    marked(log, progress, u64::MAX).map(|marked| marked.ended)
}

/// The same, and the parked records that are done by the segments from `seen` on.
pub fn marked(log: &Log, progress: &Progress, seen: u64) -> Result<Marked, QueueError> {
    let ledger = Ledger::resume(progress);
    let mut marked = Marked::default();
    // An event's deliveries end after it was stored: never in an earlier segment.
    let from = segment_of(log, progress.watermark)?;
    for number in from.min(seen).max(log.first())..log.flushed() {
        let bytes = log.get(number)?.ok_or(QueueError::Missing(number))?;
        let segment = Segment::decode(&bytes).map_err(|e| QueueError::Corrupt(number, e.to_string()))?;
        for mark in segment.marks {
            match mark {
                Mark::Ended(ended) if ledger.is_settled(ended.offset) => {}
                Mark::Ended(ended) => marked.ended.push(ended),
                Mark::Unparked(id) if number >= seen => marked.unparked.push(id),
                // The parking knows already.
                Mark::Unparked(_) => {}
            }
        }
    }
    Ok(marked)
}

/// The segment that holds the event number `sequence`, or would.
pub fn segment_of(log: &Log, sequence: u64) -> Result<u64, QueueError> {
    let (mut low, mut high) = (log.first(), log.flushed());
    // Invariant: every segment below `low` ends at or before `sequence`; every one from `high` on begins after it.
    while low < high {
        let middle = low + (high - low) / 2;
        let bytes = log.get(middle)?.ok_or(QueueError::Missing(middle))?;
        let segment = Segment::decode(&bytes).map_err(|e| QueueError::Corrupt(middle, e.to_string()))?;
        if segment.first + segment.records.len() as u64 <= sequence {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[derive(Debug)]
pub enum QueueError {
    Store(StoreError),
    Missing(u64),
    Corrupt(u64, String),
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> QueueError {
        QueueError::Store(error)
    }
}

impl std::fmt::Display for QueueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QueueError::Store(error) => error.fmt(f),
            QueueError::Missing(segment) => write!(f, "the queue's segment {segment} is not there"),
            QueueError::Corrupt(segment, why) => {
                write!(f, "the queue's segment {segment} can't be read: {why}")
            }
        }
    }
}

impl std::error::Error for QueueError {}
