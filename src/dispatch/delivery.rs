//! A delivery: the duty to run one trigger for one event. And the table of all that are in flight.

use super::lane::LaneId;
use crate::event::{Envelope, Uid};

/// Names a delivery in flight. The serial keeps a late result from meeting another delivery in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    slot: u32,
    serial: u32,
}

#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) event: usize,
    pub(super) trigger: u32,
    /// Until it has left the lane.
    pub(super) lane: Option<LaneId>,
    /// Attempts begun.
    pub(super) attempts: u32,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In its lane behind another, or not yet handed over.
    Waiting,
    Running,
    /// Failed; runs again when its timer is due.
    Retrying,
    /// Has ended; settles when that is durable.
    Ended,
}

/// An event in flight: settles when all of its deliveries have.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) envelope: Envelope,
    pub(super) broker: Uid,
    /// The partition's index in the core.
    pub(super) partition: u32,
    pub(super) unsettled: u32,
}

/// Deliveries by key, in reused slots.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    slots: Vec<(u32, Option<Delivery>)>,
    free: Vec<u32>,
    len: usize,
}

impl Deliveries {
    pub(super) fn insert(&mut self, delivery: Delivery) -> Key {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            let (serial, entry) = &mut self.slots[slot as usize];
            *serial = serial.wrapping_add(1);
            *entry = Some(delivery);
            return Key { slot, serial: *serial };
        }
        let slot = u32::try_from(self.slots.len()).expect("deliveries in flight are bounded far below u32");
        self.slots.push((0, Some(delivery)));
        Key { slot, serial: 0 }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Delivery> {
        let (serial, delivery) = self.slots.get(key.slot as usize)?;
        delivery.as_ref().filter(|_| *serial == key.serial)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Delivery> {
        let (serial, delivery) = self.slots.get_mut(key.slot as usize)?;
        delivery.as_mut().filter(|_| *serial == key.serial)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Delivery> {
        self.get(key)?;
        self.free.push(key.slot);
        self.len -= 1;
        self.slots[key.slot as usize].1.take()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}
