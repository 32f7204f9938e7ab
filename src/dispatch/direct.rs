//! Direct sources: whoever sends an event waits for what becomes of it, and keeps it until then. So each delivery is
//! attempted once, never parked and never a dead letter; what fails is the sender's to send again.

use super::core::Core;
use super::delivery::Key;
use super::message::Effect;
use super::progress::Progress;
use crate::event::{Epoch, Uid};
use crate::time::Moment;

impl Core {
    pub(super) fn opened(&mut self, source: Uid, number: u32, epoch: Epoch, first: u64) {
        let progress = Progress { watermark: first, ..Progress::default() };
        self.assigned((source, number), epoch, &progress, Vec::new(), Vec::new());
        let index = self.partitions.index_of(source, number).expect("it was assigned");
        self.partitions[index].direct = true;
    }

    pub(super) fn is_direct(&self, key: Key) -> bool {
        self.partitions[self.events[self.deliveries[key].event].partition].direct
    }

    /// Its route is paused, and its sender has better things to do than to wait for that. It has no place in a lane.
    pub(super) fn turn_away<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) {
        let delivery = &self.deliveries[key];
        let (trigger, position) = (delivery.trigger, self.events[delivery.event].envelope.position);
        let until = self.turns.is_shut(trigger).max(self.turns.breaker(trigger).until());
        let until = until.unwrap_or(Moment(0));
        self.counts.returned += 1;
        effects.push(Effect::Refuse { position, trigger: self.roster.uid(trigger), until });
        self.settle(key);
    }
}
