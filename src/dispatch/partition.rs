//! The partitions that are ours, each with what is incomplete in it.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::incomplete::Incomplete;
use super::lane::LaneKey;
use super::progress::Progress;
use crate::event::segment::Ended;
use crate::event::{Envelope, Epoch, Position, Uid};

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) source: Uid,
    pub(super) number: u32,
    /// `None`: it is not ours.
    pub(super) epoch: Option<Epoch>,
    pub(super) incomplete: Incomplete,
    /// Events that met a trigger, and that met none.
    pub(super) met: (u64, u64),
    /// The offset after the last one that has come.
    pub(super) reached: u64,
    /// Triggers whose delivery had ended when the partition was assigned, for events that have not arrived since.
    ended: HashMap<u64, Vec<Uid>>,
    /// Lanes whose first is parked and stands where events are yet to arrive again: something of the lane may come before it.
    pub(super) waiting: BTreeMap<u64, Vec<LaneKey>>,
    /// Who sent an event of it waits for what becomes of it: see `direct.rs`.
    pub(super) direct: bool,
    /// Others have events of it, too, and each is answered for: see `shared.rs`.
    pub(super) shared: bool,
    /// It is to be given back: see `recall.rs`.
    pub(super) leaving: bool,
    /// Events that wait for a trigger that they meet, with their brokers: see `unmet.rs`.
    pub(super) unmet: Vec<(Envelope, Uid)>,
}

impl Partition {
    /// Does somebody wait for each event of it to settle?
    pub(super) fn answers(&self) -> bool {
        self.direct || self.shared
    }

    /// The triggers whose delivery of this event had ended before; asked once.
    pub(super) fn ended_before(&mut self, offset: u64) -> Vec<Uid> {
        if self.ended.is_empty() { Vec::new() } else { self.ended.remove(&offset).unwrap_or_default() }
    }

    pub(super) fn note_ended(&mut self, offset: u64, trigger: Uid) {
        self.ended.entry(offset).or_default().push(trigger);
    }

    /// All below `offset` have come. Returns the lanes that waited for that.
    pub(super) fn reach(&mut self, offset: u64) -> Vec<LaneKey> {
        self.reached = self.reached.max(offset);
        let mut lanes = Vec::new();
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.reached) {
            lanes.extend(entry.remove());
        }
        lanes
    }
}

/// Partitions by index: an event is looked up once, when it arrives. An index stays the partition's for good.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    indices: HashMap<(Uid, u32), u32>,
    partitions: Vec<Partition>,
}

impl Partitions {
    /// Returns the partition's index.
    pub(super) fn assign(
        &mut self,
        (source, number): (Uid, u32),
        epoch: Epoch,
        progress: &Progress,
        ended: Vec<Ended>,
    ) -> u32 {
        let mut state = Partition {
            source,
            number,
            epoch: Some(epoch),
            incomplete: Incomplete::resume(progress),
            met: (0, 0),
            reached: progress.watermark,
            ended: HashMap::default(),
            waiting: BTreeMap::new(),
            direct: false,
            shared: false,
            leaving: false,
            unmet: Vec::new(),
        };
        for Ended { offset, trigger } in ended {
            state.note_ended(offset, trigger);
        }
        if let Some(&index) = self.indices.get(&(source, number)) {
            self.partitions[index as usize] = state;
            return index;
        }
        let index = u32::try_from(self.partitions.len()).expect("partitions are far fewer than u32");
        self.indices.insert((source, number), index);
        self.partitions.push(state);
        index
    }

    pub(super) fn index_of(&self, source: Uid, number: u32) -> Option<u32> {
        self.indices.get(&(source, number)).copied()
    }

    /// Of the partition, if it is ours under this epoch.
    pub(super) fn index_under(&self, position: Position, epoch: Epoch) -> Option<u32> {
        let index = self.index_of(position.source, position.partition)?;
        (self[index].epoch == Some(epoch)).then_some(index)
    }
}

impl Partitions {
    pub(super) fn indices(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.partitions.len()).expect("partitions are far fewer than u32")
    }
}

impl std::ops::Index<u32> for Partitions {
    type Output = Partition;

    fn index(&self, index: u32) -> &Partition {
        &self.partitions[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Partitions {
    fn index_mut(&mut self, index: u32) -> &mut Partition {
        &mut self.partitions[index as usize]
    }
}
