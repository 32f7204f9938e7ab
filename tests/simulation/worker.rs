//! One worker of the group: the production core, and in memory around it all that a crash takes away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use weir::dispatch::{Core, Input, Key, Outcome, Parked, Progress, StubKey};
use weir::time::Moment;

use super::billing::Journal;
use super::broker::Duty;
use super::meter::Meter;

/// One attempt that an executor is to make. Its number is the report that the core passes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) delivery: Key,
    pub(crate) duty: Duty,
    pub(crate) attempt: u32,
    pub(crate) partition: u32,
    pub(crate) epoch: u32,
    pub(crate) follows: bool,
    /// Its partition was lost when its result came.
    pub(crate) late: bool,
    pub(crate) outcome: Outcome,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Executor {
    pub(crate) queue: VecDeque<u64>,
    /// The events of the run under way that have succeeded.
    pub(crate) run: Vec<usize>,
}

/// What is being made durable for a delivery.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) delivery: Key,
    pub(crate) duty: Duty,
    pub(crate) attempt: u32,
    pub(crate) partition: u32,
    pub(crate) epoch: u32,
    pub(crate) what: What,
    pub(crate) flushed: bool,
    pub(crate) acked: bool,
}

#[derive(Debug)]
pub(crate) enum What {
    /// The record that it was parked as goes with it.
    End(Option<u64>),
    Park(Box<Parked>),
}

/// What a worker knows of a delivery under one assignment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Under {
    /// Attempts begun; what the parked record says to begin with.
    pub(crate) attempts: u32,
    pub(crate) ended: bool,
    /// It stands parked: it does not run until it has been fetched.
    pub(crate) parked: bool,
    pub(crate) fetched: bool,
    /// It may not run again before this.
    pub(crate) due: Moment,
}

#[derive(Debug)]
pub(crate) struct Mine {
    pub(crate) epoch: u32,
    /// Where its source reads on.
    pub(crate) next: u64,
    /// How far it has told the core that nothing is missing.
    pub(crate) passed: u64,
    pub(crate) sent: Option<Progress>,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) core: Core,
    pub(crate) life: u32,
    pub(crate) up: bool,
    pub(crate) stopping: bool,
    /// What the source has.
    pub(crate) mine: BTreeMap<u32, Mine>,
    /// What the core was told that it has: the epoch of each.
    pub(crate) told: BTreeMap<u32, u32>,
    /// What it began each with.
    pub(crate) given: BTreeMap<u32, Progress>,
    pub(crate) watermarks: BTreeMap<u32, u64>,
    pub(crate) known: BTreeMap<(u32, u32, Duty), Under>,
    pub(crate) inbox: Vec<Input<u64>>,
    pub(crate) step_planned: bool,
    pub(crate) poll_planned: bool,
    /// What was read is in the inbox.
    pub(crate) arrived: bool,
    pub(crate) commit_planned: bool,
    pub(crate) wake_planned: Option<Moment>,
    /// Commits arrive in the order in which they were sent.
    pub(crate) last_commit: Moment,
    pub(crate) executors: Vec<Executor>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) handed_over: BTreeSet<Key>,
    pub(crate) meter: Meter,
    pub(crate) fetching: BTreeMap<StubKey, (u32, u32, Duty)>,
    pub(crate) writes: BTreeMap<u64, Write>,
    /// Parked records that are done and not marked so.
    pub(crate) marking: usize,
    pub(crate) journal: Journal,
    pub(crate) ship_planned: bool,
}

impl Worker {
    pub(crate) fn new(core: Core, executors: usize) -> Worker {
        Worker {
            core,
            life: 0,
            up: true,
            stopping: false,
            mine: BTreeMap::new(),
            told: BTreeMap::new(),
            given: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            known: BTreeMap::new(),
            inbox: Vec::new(),
            step_planned: false,
            poll_planned: false,
            arrived: false,
            commit_planned: false,
            wake_planned: None,
            last_commit: Moment(0),
            executors: (0..executors).map(|_| Executor::default()).collect(),
            jobs: BTreeMap::new(),
            handed_over: BTreeSet::new(),
            meter: Meter::default(),
            fetching: BTreeMap::new(),
            writes: BTreeMap::new(),
            marking: 0,
            journal: Journal::default(),
            ship_planned: false,
        }
    }

    /// Its next life: nothing is left of this one but the journal.
    pub(crate) fn reborn(&mut self, core: Core) {
        let journal = std::mem::take(&mut self.journal);
        let (life, executors) = (self.life + 1, self.executors.len());
        *self = Worker { life, journal, ..Worker::new(core, executors) };
    }

    pub(crate) fn is(&self, life: u32) -> bool {
        self.up && self.life == life
    }

    pub(crate) fn is_candidate(&self) -> bool {
        self.up && !self.stopping
    }
}
