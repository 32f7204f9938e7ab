//! Sources that other workers have, too, message by message: events come in any order, some again, and each is answered for
//! by itself. No order is kept between them. What is parked of them is everybody's: it comes back to whoever is given it.

use super::core::Core;
use super::delivery::Key;
use super::incomplete::Incomplete;
use super::lane::LaneId;
use super::progress::Progress;
use crate::event::{Epoch, Uid};

impl Core {
    pub(super) fn shared(&mut self, source: Uid, number: u32, epoch: Epoch) {
        self.assigned((source, number), epoch, &Progress::default(), Vec::new(), Vec::new());
        let index = self.partitions.index_of(source, number).expect("it was assigned");
        let partition = &mut self.partitions[index];
        partition.shared = true;
        partition.incomplete = Incomplete::apart();
    }

    pub(super) fn is_shared(&self, key: Key) -> bool {
        self.partitions[self.events[self.deliveries[key].event].partition].shared
    }

    /// The lane of what has this key, if it has to wait for anything.
    pub(super) fn lane_of(&self, trigger: u32, partition: u32, key: Option<u64>) -> Option<LaneId> {
        match self.partitions[partition].shared {
            true => None,
            false => LaneId::of(trigger, self.policy(trigger).order, partition, key),
        }
    }
}
