//! One life of the worker: the production core, archive and source, and in memory around them all that a crash takes away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir::dispatch::{Core, Input, Key, Outcome, Progress, StubKey, Table};
use weir::event::{Envelope, Uid};
use weir::sink::parking::Label;
use weir::source::queue::QueueSource;
use weir::time::Moment;
use weir::worker::archive::{Archive, Attempt, Written};
use weir::worker::query::Store;

use super::super::meter::Meter;
use super::truth::{Change, Duty};

/// One attempt that an executor is to make. Its number is the report that the core passes through.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) delivery: Key,
    pub(crate) duty: Duty,
    pub(crate) attempt: u32,
    pub(crate) follows: bool,
    pub(crate) outcome: Outcome,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) envelope: Envelope,
    pub(crate) broker: Uid,
}

impl Job {
    /// None that is run: what is left of a delivery after so many attempts.
    pub(crate) fn given_up(delivery: Key, duty: Duty, attempt: u32, envelope: Envelope, broker: Uid) -> Job {
        let (follows, outcome, retry_after) = (false, Outcome::Permanent, None);
        Job { delivery, duty, attempt, follows, outcome, retry_after, envelope, broker }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Executor {
    pub(crate) queue: VecDeque<u64>,
    /// The events of the run under way that have succeeded.
    pub(crate) run: Vec<u64>,
}

/// What the worker knows of a delivery in this life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Under {
    pub(crate) attempts: u32,
    pub(crate) ended: bool,
    pub(crate) parked: bool,
    pub(crate) due: Moment,
}

/// What the loop wants written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) attempts: Vec<(Attempt, Option<Change>)>,
    pub(crate) progress: Option<Progress>,
    pub(crate) fetches: Vec<(StubKey, u64)>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.progress.is_none() && self.fetches.is_empty()
    }
}

/// Events that a publisher sends together: of which publication, and their ids.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) publication: u64,
    pub(crate) ids: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Replay,
    Drop,
    DropAll,
}

/// What is being made durable together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) posts: Vec<Post>,
    pub(crate) fetches: Vec<(StubKey, u64)>,
    pub(crate) progress: Option<Progress>,
    pub(crate) unparked: Vec<Label>,
}

/// What the scribe has to say once it has written.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) posts: Vec<Post>,
    pub(crate) written: Written,
    pub(crate) fetched: Vec<(StubKey, u64, Envelope, Uid)>,
    pub(crate) unparked: Vec<Label>,
    pub(crate) evict_below: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: u32,
    /// Its clock begins here.
    pub(crate) born: Moment,
    pub(crate) store: Arc<Store>,
    pub(crate) archive: Archive,
    pub(crate) source: QueueSource,
    pub(crate) core: Core,
    /// Those there are, by their index in the core's table.
    pub(crate) triggers: Vec<u32>,
    /// Those that are gone, or were at some moment of this step.
    pub(crate) gone: BTreeSet<u32>,
    pub(crate) table: Arc<Table>,
    pub(crate) executors: Vec<Executor>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) handed_over: BTreeSet<Key>,
    pub(crate) meter: Meter,
    pub(crate) known: BTreeMap<Duty, Under>,
    /// What came of the queue in this life, to the triggers there were then.
    pub(crate) routed: BTreeSet<Duty>,
    /// By the ids of parked records.
    pub(crate) records: BTreeMap<u64, Duty>,
    pub(crate) fetching: BTreeSet<StubKey>,
    /// Deliveries on their way to being parked.
    pub(crate) parking: BTreeMap<Key, Duty>,
    pub(crate) given: Progress,
    pub(crate) watermark: u64,
    pub(crate) inbox: Vec<Input<u64>>,
    pub(crate) step_planned: bool,
    pub(crate) read_planned: bool,
    pub(crate) wake_planned: Option<Moment>,
    pub(crate) commit_planned: bool,
    pub(crate) committed: Progress,
    pub(crate) committed_events: u64,
    pub(crate) unwritten: Batch,
    pub(crate) batches: VecDeque<Batch>,
    pub(crate) intake: Vec<Post>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) group: Option<Group>,
    pub(crate) group_planned: bool,
    pub(crate) look_planned: bool,
    /// Written and not told yet, so many times. What is said comes in the order in which it was.
    pub(crate) untold: usize,
    pub(crate) last_told: Moment,
    pub(crate) stopping: bool,
    /// The loop has ended: with all settled, or not.
    pub(crate) closed: Option<bool>,
}

impl Life {
    /// Nothing of it is left to be written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.group.is_none() && self.batches.is_empty() && self.unwritten.is_empty() && self.intake.is_empty()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.core.progress(super::events::QUEUE, 0).expect("the queue is assigned at the start")
    }
}
