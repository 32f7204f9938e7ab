//! A delivery: the duty to run one trigger for one event.

use super::lane::LaneKey;
use super::slots;
use crate::event::{Envelope, Uid};
use crate::time::Moment;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfDelivery {}

/// Names a delivery in flight.
pub type Key = slots::Key<OfDelivery>;

#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) event: usize,
    pub(super) trigger: u32,
    /// Until it has left the lane.
    pub(super) lane: Option<LaneKey>,
    /// Where it stands in its lane: the event's offset, or for a replay that of the last event before it.
    pub(super) order: u64,
    pub(super) counted: Counted,
    pub(super) state: State,
    /// It waits for a retry and stands in no lane. (A lane counts what is held in it.)
    pub(super) held: bool,
    /// The record that it was parked as, while that is what a restart would find.
    pub(super) record: Option<u64>,
    /// When it runs again, while it waits for that.
    pub(super) due: Moment,
    /// When its first attempt failed since it came into memory.
    pub(super) failing_since: Option<Moment>,
}

/// What is counted of a delivery, wherever it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Attempts begun.
    pub(super) attempts: u32,
    /// Attempts that use up what the policy allows.
    pub(super) failures: u32,
    pub(super) replay: u32,
    /// The route's series of failures that it has been counted in. 0: none, or in an earlier life.
    pub(super) series: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In its lane, or in its route's queue: not handed over.
    Waiting,
    Running,
    /// Failed; runs again when its timer is due.
    Retrying,
    /// Being written aside.
    Parking,
    /// Has ended; settles when that is durable.
    Ended,
}

impl State {
    /// It is at work or on its way to the disk: it waits for nothing that the core decides.
    pub(super) fn is_busy(self) -> bool {
        matches!(self, State::Running | State::Parking | State::Ended)
    }
}

/// An event in flight: settles when all of its deliveries have.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) envelope: Envelope,
    pub(super) broker: Uid,
    /// The partition's index in the core.
    pub(super) partition: u32,
    /// As many deliveries as it had when it arrived.
    pub(super) matched: u32,
    pub(super) unsettled: u32,
    /// It came back from where it was parked: its position has settled long ago.
    pub(super) fetched: bool,
}

pub(super) type Deliveries = slots::Slots<OfDelivery, Delivery>;
