//! What is due, and when. A timer is never cancelled: whoever it wakes looks whether it is still meant.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::delivery::Key;
use super::lane::LaneKey;
use super::stub::StubKey;
use crate::time::Moment;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A retry in memory.
    Retry(Key),
    /// The first of what a lane has parked.
    Lane(LaneKey),
    /// A parked delivery without a lane.
    Stub(StubKey),
    /// A route's pause.
    Route(u32),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Moment, Timer)>>,
}

impl Timers {
    pub(super) fn set(&mut self, due: Moment, timer: Timer) {
        self.heap.push(Reverse((due, timer)));
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Timer> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}
