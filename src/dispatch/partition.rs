//! The partitions that are ours, each with what is incomplete in it.

use foldhash::HashMap;

use super::ledger::Ledger;
use super::progress::Progress;
use crate::event::segment::Ended;
use crate::event::{Position, Uid};

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) ledger: Ledger,
    /// Triggers whose delivery had ended when the partition was assigned, for events that have not arrived since.
    ended: HashMap<u64, Vec<Uid>>,
}

impl Partition {
    fn resume(progress: &Progress, ended: Vec<Ended>) -> Partition {
        let mut by_offset: HashMap<u64, Vec<Uid>> = HashMap::default();
        for Ended { offset, trigger } in ended {
            by_offset.entry(offset).or_default().push(trigger);
        }
        Partition { ledger: Ledger::resume(progress), ended: by_offset }
    }

    /// The triggers whose delivery of this event had ended before; asked once.
    pub(super) fn ended_before(&mut self, offset: u64) -> Vec<Uid> {
        self.ended.remove(&offset).unwrap_or_default()
    }
}

/// Partitions by index: an event is looked up once, when it arrives. An index stays the partition's for good.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    indices: HashMap<(Uid, u32), u32>,
    partitions: Vec<Partition>,
}

impl Partitions {
    pub(super) fn assign(&mut self, source: Uid, partition: u32, progress: &Progress, ended: Vec<Ended>) {
        let state = Partition::resume(progress, ended);
        if let Some(index) = self.indices.get(&(source, partition)) {
            self.partitions[*index as usize] = state;
        } else {
            let index = u32::try_from(self.partitions.len()).expect("partitions are far fewer than u32");
            self.indices.insert((source, partition), index);
            self.partitions.push(state);
        }
    }

    /// # Panics
    /// If the partition was never assigned.
    pub(super) fn index_of(&self, position: Position) -> u32 {
        *self
            .indices
            .get(&(position.source, position.partition))
            .expect("a source assigns a partition before it hands over its events")
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut Partition {
        &mut self.partitions[index as usize]
    }

    pub(super) fn progress(&self, source: Uid, partition: u32) -> Option<Progress> {
        let index = self.indices.get(&(source, partition))?;
        Some(self.partitions[*index as usize].ledger.progress())
    }
}
