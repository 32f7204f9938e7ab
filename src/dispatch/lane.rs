//! Lanes: the deliveries that must run one after another.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

use foldhash::{HashMap, quality};

use super::delivery::Key;
use super::policy::Order;
use crate::event::Event;

/// Which lane a delivery runs in. Two keys that hash alike share a lane, which only orders more than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LaneId {
    trigger: u32,
    /// The partition's index in the core.
    partition: u32,
    /// The hash of the event's key. One for all where the trigger orders by partition.
    key: u64,
}

impl LaneId {
    /// `key` is the hash of the event's, if it has one. `None`: nothing to wait for.
    pub fn of(trigger: u32, order: Order, partition: u32, key: Option<u64>) -> Option<LaneId> {
        let key = match order {
            Order::Unordered => return None,
            Order::Ordered => 0,
            Order::Key => key?,
        };
        Some(LaneId { trigger, partition, key })
    }
}

/// All lanes with something in them. The first of a lane runs or waits for its retry; the others wait for it.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<LaneId, Lane>,
    /// Another in each process: publishers choose keys, and could choose such as hash alike.
    seed: quality::RandomState,
}

/// Most lanes hold one delivery: a queue that stays empty takes no memory from the heap.
#[derive(Debug)]
struct Lane {
    first: Key,
    behind: VecDeque<Key>,
}

impl Lanes {
    /// The hash of the key that orders the event, if it has one.
    pub fn key_of(&self, event: &Event<'_>) -> Option<u64> {
        event.partition_key().map(|key| self.seed.hash_one(key))
    }

    /// True: the delivery is the first of its lane and may run.
    pub fn join(&mut self, lane: LaneId, delivery: Key) -> bool {
        match self.lanes.entry(lane) {
            Entry::Vacant(entry) => {
                entry.insert(Lane { first: delivery, behind: VecDeque::new() });
                true
            }
            Entry::Occupied(entry) => {
                entry.into_mut().behind.push_back(delivery);
                false
            }
        }
    }

    /// The first of the lane has ended; returns the one that may run now.
    pub fn leave(&mut self, lane: LaneId, delivery: Key) -> Option<Key> {
        let Entry::Occupied(mut entry) = self.lanes.entry(lane) else {
            panic!("a delivery leaves the lane that it joined");
        };
        let lane = entry.get_mut();
        assert_eq!(lane.first, delivery, "only the first of a lane runs");
        let next = lane.behind.pop_front();
        match next {
            Some(next) => lane.first = next,
            None => drop(entry.remove()),
        }
        next
    }

    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}
