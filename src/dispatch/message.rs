//! What the core is told and what it says. Inputs are past tense, effects imperative.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::Key;
use super::outcome::Outcome;
use super::progress::Progress;
use super::stub::StubKey;
use super::table::Table;
use crate::event::segment::Ended;
use crate::event::{Envelope, Epoch, Position, Uid};
use crate::time::Moment;

/// What has happened. `R` is the report of an attempt: the core passes it through and never looks.
#[derive(Debug)]
pub enum Input<R> {
    /// A partition is ours from here on. `ended`: deliveries of its unsettled events that have ended already. `parked`:
    /// what has been parked of it and is not done.
    Assigned {
        source: Uid,
        partition: u32,
        epoch: Epoch,
        progress: Progress,
        ended: Vec<Ended>,
        parked: Vec<Stub>,
    },
    /// A source whose senders wait for the answer, whose offsets begin with `first`: each delivery of its events is attempted
    /// once, and what fails is theirs to send again.
    Opened { source: Uid, partition: u32, epoch: Epoch, first: u64 },
    /// A source that others share message by message: its events come in any order, each is answered for by `Answer`, and what
    /// is parked of it is no longer ours: it comes back by `Unparked`, to whomever.
    Shared { source: Uid, partition: u32, epoch: Epoch },
    /// A partition is no longer ours: whatever is still under way for it is fenced.
    Revoked { source: Uid, partition: u32 },
    /// An event was read for a broker. The events of a partition come in the order of their offsets.
    Arrived { envelope: Envelope, broker: Uid },
    /// Nothing that stands below `offset` is still to come.
    Passed { source: Uid, partition: u32, epoch: Epoch, offset: u64 },
    /// An attempt is over. `retry_after` is what an HTTP subscriber asked for.
    Attempted { delivery: Key, outcome: Outcome, retry_after: Option<Duration>, report: R },
    /// It was not attempted: a delivery before it in its run failed.
    Skipped { delivery: Key },
    /// The end of a delivery is durable, or it is parked durably as the record `parked`.
    Journaled { delivery: Key, parked: Option<u64> },
    /// What `Fetch` asked for.
    Fetched { stub: StubKey, envelope: Envelope, broker: Uid },
    /// The partition is to be given back: nothing more of it is begun, what waits of events that have begun is parked. The
    /// core says when it [is quiet](super::Core::is_quiet).
    Recalled { source: Uid, partition: u32 },
    /// Deliveries were parked by someone else: replays. It carries no epoch, so it is for whoever has the partition without
    /// a break: said after `Assigned`, of none that it named, and never of what another assignment was told.
    Unparked { source: Uid, partition: u32, parked: Vec<Stub> },
    /// What has not settled below `below` is to be parked: its volume is to be dropped. Said too late, under another
    /// assignment, it parks what could have stayed, and loses nothing.
    Evicted { source: Uid, partition: u32, below: u64 },
    /// What the trigger may take in a day is used up: nothing more of it begins before `until`. `None`: it is not used up any
    /// more. One whose budget is not to pause it hears nothing of it.
    Spent { trigger: Uid, until: Option<Moment> },
    /// Other triggers are in force. What arrives from here on is routed by them; what runs goes on to its end; what else is
    /// left of one that is gone is given up. Ledger and progress are as they were.
    Reloaded { table: Arc<Table> },
    /// The worker stops: what waits for a retry is to be parked, and nothing parked is fetched.
    Drain,
}

/// What to do.
#[derive(Debug)]
pub enum Effect<R> {
    /// Run the function of the trigger at that index of the table with the event. `follows`: by the same executor as the one said before it, and only if
    /// that succeeded; else answer `Skipped`.
    Invoke {
        delivery: Key,
        trigger: u32,
        attempt: u32,
        replay: u32,
        follows: bool,
        envelope: Envelope,
        broker: Uid,
    },
    /// Write down the attempt and what became of the delivery.
    Journal { delivery: Key, report: R, fate: Fate },
    /// Write the delivery aside; answer `Journaled`.
    Park { delivery: Key, parked: Parked },
    /// Its trigger is gone: write it down as a dead letter; answer `Journaled`. `record`: what it was parked as, and is done
    /// with.
    GiveUp {
        delivery: Key,
        trigger: Uid,
        attempts: u32,
        replay: u32,
        record: Option<u64>,
        envelope: Envelope,
        broker: Uid,
    },
    /// Read what was parked as `id`; answer `Fetched`.
    Fetch { stub: StubKey, source: Uid, partition: u32, id: u64 },
    /// A delivery of an event whose sender waits is not attempted, for its trigger pauses: there is no use before `until`.
    Refuse { position: Position, trigger: Uid, until: Moment },
    /// Each delivery of the event has ended, and that is durable: tell its sender, who waits, or the broker that it is shared by.
    Answer { position: Position },
}

/// What an attempt has made of its delivery.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It runs again later, in this life or the next.
    Retried,
    /// It has ended: answer `Journaled` once that is durable. `record`: what it was parked as, and is done with.
    Ended { end: End, record: Option<u64> },
    /// It runs again so much later that it is written aside meanwhile: answer `Journaled` with the record's id.
    Parked(Parked),
    /// Too late: the partition has been lost. Costs nothing, replies nothing.
    Fenced,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered,
    DeadLettered,
    /// It would run again, but its trigger is gone: a dead letter with that reason.
    GivenUp,
    /// It failed, and is its sender's, who waits and has it still.
    Returned,
}

/// A delivery to be written aside, whole.
#[derive(Clone, Debug)]
pub struct Parked {
    pub trigger: Uid,
    pub attempts: u32,
    pub failures: u32,
    pub replay: u32,
    pub due: Moment,
    /// What follows it in its lane waits for it.
    pub holds: bool,
    /// The record that this one replaces.
    pub was: Option<u64>,
    pub envelope: Envelope,
    pub broker: Uid,
}

/// What the core keeps of a parked delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    pub id: u64,
    pub offset: u64,
    pub trigger: Uid,
    /// The event's key, as [`Keys`](super::Keys) makes it.
    pub key: Option<u64>,
    pub attempts: u32,
    pub failures: u32,
    pub replay: u32,
    pub due: Moment,
    /// What follows it in its lane waits for it. A replay that has not begun holds nothing.
    pub holds: bool,
}
