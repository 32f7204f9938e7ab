//! Lanes: the deliveries that must run one after another.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

use foldhash::{HashMap, quality};

use super::delivery::Key;
use super::policy::Order;
use super::slots::{self, Slots};
use super::stub::StubKey;
use crate::event::Event;
use crate::time::Moment;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfLane {}

pub(super) type LaneKey = slots::Key<OfLane>;

/// Which lane a delivery runs in. Two keys that hash alike share a lane, which only orders more than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneId {
    pub(super) trigger: u32,
    /// The partition's index in the core.
    pub(super) partition: u32,
    /// The hash of the event's key. One for all where the trigger orders by partition.
    key: u64,
}

impl LaneId {
    /// `key` is the hash of the event's, if it has one. `None`: nothing to wait for.
    pub(super) fn of(trigger: u32, order: Order, partition: u32, key: Option<u64>) -> Option<LaneId> {
        let key = match order {
            Order::Unordered => return None,
            Order::Ordered => 0,
            Order::Key => key?,
        };
        Some(LaneId { trigger, partition, key })
    }
}

/// How keys become numbers: otherwise in each process, since publishers choose keys and could choose such as hash alike.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    seed: quality::RandomState,
}

impl Keys {
    /// The hash of the key that orders the event, if it has one.
    pub fn of(&self, event: &Event<'_>) -> Option<u64> {
        event.partition_key().map(|key| self.of_text(&key))
    }

    pub fn of_text(&self, key: &str) -> u64 {
        self.seed.hash_one(key)
    }
}

/// A lane with something in it. Both lists are in order, and whichever is first in both is next.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: LaneId,
    /// In memory. Those that run are first.
    pub(super) members: VecDeque<Key>,
    /// Members handed over as one run and not come back yet.
    pub(super) handed: usize,
    /// Parked durably.
    pub(super) parked: VecDeque<StubKey>,
    /// Members on their way to being parked.
    pub(super) parking: usize,
    /// Parked ones on their way into memory.
    pub(super) fetching: usize,
    /// It stands in its route's queue.
    pub(super) queued: bool,
    /// When the first of what is parked is to be fetched, while a timer is set for that.
    pub(super) fetch_due: Option<Moment>,
    /// Its first member waits for a retry, and so do all.
    pub(super) is_held: bool,
    /// So many members are counted as held: those that run are not, until they come back.
    pub(super) held: usize,
}

impl Lane {
    /// What comes new is parked behind what is parked.
    pub(super) fn is_parked(&self) -> bool {
        !self.parked.is_empty() || self.parking > 0 || self.fetching > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && !self.is_parked()
    }
}

/// Emptied lists that are kept to be used again.
const SPARE: usize = 1024;
/// The longest list that is worth keeping.
const SPARE_LENGTH: usize = 16;

/// All lanes with something in them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    ids: HashMap<LaneId, LaneKey>,
    lanes: Slots<OfLane, Lane>,
    spare: Vec<VecDeque<Key>>,
}

impl Lanes {
    /// The lane, made if there is none.
    pub(super) fn enter(&mut self, id: LaneId) -> LaneKey {
        match self.ids.entry(id) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let lane = Lane {
                    id,
                    members: self.spare.pop().unwrap_or_default(),
                    handed: 0,
                    parked: VecDeque::new(),
                    parking: 0,
                    fetching: 0,
                    queued: false,
                    fetch_due: None,
                    is_held: false,
                    held: 0,
                };
                *entry.insert(self.lanes.insert(lane))
            }
        }
    }

    pub(super) fn remove(&mut self, key: LaneKey) {
        if let Some(mut lane) = self.lanes.remove(key) {
            self.ids.remove(&lane.id);
            lane.members.clear();
            if self.spare.len() < SPARE && lane.members.capacity() <= SPARE_LENGTH {
                self.spare.push(lane.members);
            }
        }
    }

    pub(super) fn of_partition(&self, partition: u32) -> Vec<LaneKey> {
        self.lanes.keys(|lane| lane.id.partition == partition)
    }

    pub(super) fn get(&self, key: LaneKey) -> Option<&Lane> {
        self.lanes.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }
}

impl std::ops::Index<LaneKey> for Lanes {
    type Output = Lane;

    fn index(&self, key: LaneKey) -> &Lane {
        &self.lanes[key]
    }
}

impl std::ops::IndexMut<LaneKey> for Lanes {
    fn index_mut(&mut self, key: LaneKey) -> &mut Lane {
        &mut self.lanes[key]
    }
}
