//! What is told of the core to those who count, each in a few steps.

use super::core::Core;
use crate::event::Uid;

impl Core {
    /// Deliveries that are ready and have no turn yet, and those that are on their way to the disk. Of those for remote
    /// subscribers both are among the former.
    pub fn waiting_and_writing(&self) -> (usize, usize) {
        let writing = self.load.writing();
        let room = self.load.local() + self.load.remote();
        (room.saturating_sub(self.load.running() + writing), writing)
    }

    /// What may be committed of a partition, without what is complete beyond it.
    pub fn watermark(&self, source: Uid, partition: u32) -> Option<u64> {
        self.partitions
            .index_of(source, partition)
            .and_then(|index| self.partitions[index].incomplete.watermark())
    }
}
