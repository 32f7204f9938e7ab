//! A partition is to be given back: what has begun of it ends or is parked, so that whoever has it next repeats nothing;
//! what has not begun is theirs.

use std::collections::HashSet;

use super::core::Core;
use super::delivery::{Key, State};
use super::message::Effect;
use crate::event::Uid;

impl Core {
    /// Begins nothing more of it, and parks what waits of events that have begun, whatever their order.
    pub(super) fn recalled<R>(&mut self, (source, number): (Uid, u32), effects: &mut Vec<Effect<R>>) {
        let Some(index) = self.partitions.index_of(source, number) else { return };
        self.partitions[index].leaving = true;
        let mut begun = HashSet::new();
        for key in self.deliveries.keys(|delivery| self.events[delivery.event].partition == index) {
            let delivery = &self.deliveries[key];
            let event = &self.events[delivery.event];
            let untouched = delivery.state == State::Waiting && delivery.counted.attempts == 0;
            if !event.fetched && (!untouched || event.unsettled < event.matched) {
                begun.insert(delivery.event);
            }
        }
        let keys = self.deliveries.keys(|delivery| begun.contains(&delivery.event));
        self.park_all(keys, effects);
    }

    /// Is nothing of it at work any more, nor on its way to the disk?
    pub fn is_quiet(&self, source: Uid, number: u32) -> bool {
        let Some(index) = self.partitions.index_of(source, number) else { return true };
        self.deliveries
            .values()
            .all(|delivery| !delivery.state.is_busy() || self.events[delivery.event].partition != index)
    }

    /// How many of its events met a trigger, and how many none, since it was assigned.
    pub fn met(&self, source: Uid, number: u32) -> (u64, u64) {
        self.partitions.index_of(source, number).map_or((0, 0), |index| self.partitions[index].met)
    }

    /// Is its watermark not too far behind?
    pub fn has_room_ahead(&self, source: Uid, partition: u32) -> bool {
        let index = self.partitions.index_of(source, partition);
        index.map(|index| &self.partitions[index]).is_some_and(|partition| {
            partition.incomplete.span() < self.limits.span && partition.unmet.is_empty()
        })
    }

    /// Is it of a partition of which nothing more is begun?
    pub(super) fn is_leaving(&self, key: Key) -> bool {
        self.partitions[self.events[self.deliveries[key].event].partition].leaving
    }
}
