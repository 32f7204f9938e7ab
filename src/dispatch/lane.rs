//! Lanes: the deliveries that must run one after another.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::delivery::Key;
use super::policy::Order;
use crate::event::{Event, Position};

/// Which lane a delivery runs in. Two keys that hash alike share a lane, which only orders more than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LaneId {
    trigger: u32,
    hash: u64,
}

impl LaneId {
    /// `None`: nothing to wait for.
    pub fn of(trigger: u32, order: Order, position: Position, event: &Event<'_>) -> Option<LaneId> {
        let mut hasher = DefaultHasher::new();
        match order {
            Order::Unordered => return None,
            Order::Ordered => (position.source, position.partition).hash(&mut hasher),
            Order::Key => (position.source, position.partition, event.partition_key()?).hash(&mut hasher),
        }
        Some(LaneId { trigger, hash: hasher.finish() })
    }
}

/// All lanes with something in them. The first of a lane runs or waits for its retry; the others wait for it.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<LaneId, VecDeque<Key>>,
}

impl Lanes {
    /// True: the delivery is the first of its lane and may run.
    pub fn join(&mut self, lane: LaneId, delivery: Key) -> bool {
        let queue = self.lanes.entry(lane).or_default();
        queue.push_back(delivery);
        queue.len() == 1
    }

    /// The first of the lane has ended; returns the one that may run now.
    pub fn leave(&mut self, lane: LaneId, delivery: Key) -> Option<Key> {
        let queue = self.lanes.get_mut(&lane).expect("a delivery leaves the lane that it joined");
        let first = queue.pop_front();
        assert_eq!(first, Some(delivery), "only the first of a lane runs");
        let next = queue.front().copied();
        if next.is_none() {
            self.lanes.remove(&lane);
        }
        next
    }

    pub fn is_first(&self, lane: LaneId, delivery: Key) -> bool {
        self.lanes.get(&lane).and_then(VecDeque::front) == Some(&delivery)
    }

    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}
