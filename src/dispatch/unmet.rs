//! Events that no trigger wants. They settle and are counted, unless their source says otherwise: then they become dead
//! letters, or their partition waits until there are triggers that they meet.

use super::core::Core;
use super::message::Effect;
use super::partition::Partition;
use crate::event::{Envelope, Uid};

/// What becomes of such an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It goes to this broker instead.
    Take(Uid),
    /// Nothing, and no more of its partition is read.
    Wait,
}

impl Core {
    pub(super) fn wait_unmet(&mut self, index: u32, envelope: Envelope, broker: Uid) {
        self.bytes += envelope.record().len();
        self.partitions[index].unmet.push((envelope, broker));
    }

    /// There are other triggers.
    pub(super) fn route_unmet<R>(&mut self, effects: &mut Vec<Effect<R>>) {
        for index in self.partitions.indices() {
            let partition = &self.partitions[index];
            // What has not begun of one that leaves is for whoever has it next.
            if partition.unmet.is_empty() || partition.leaving {
                continue;
            }
            for (envelope, broker) in std::mem::take(&mut self.partitions[index].unmet) {
                self.bytes -= envelope.record().len();
                self.route(index, envelope, broker, effects);
            }
        }
    }

    /// The first event of a partition that waits for a trigger, and how many do.
    pub fn unmet(&self, source: Uid, partition: u32) -> Option<(&Envelope, usize)> {
        let unmet = &self.partitions[self.partitions.index_of(source, partition)?].unmet;
        unmet.first().map(|(envelope, _)| (envelope, unmet.len()))
    }
}

impl Partition {
    /// How much they took up.
    pub(super) fn forget_unmet(&mut self) -> usize {
        self.unmet.drain(..).map(|(envelope, _)| envelope.record().len()).sum()
    }
}
