//! Room: whether a source may hand over more, and what may be begun beside what is in flight.

use super::core::Core;
use crate::event::Uid;

impl Core {
    /// May a source hand over more?
    pub fn has_room(&self) -> bool {
        self.has_room_for_active()
            && self.bytes < self.limits.bytes
            && self.load.held() < self.limits.held.saturating_mul(2)
    }

    /// Would it be so if nothing were for remote subscribers? Their slowness says nothing of what can be done here.
    pub(super) fn has_room_but_for_remote(&self) -> bool {
        self.has_room() || self.load.remote() > 0 && self.has_turns(0)
    }

    /// May this one? Its watermark may be too far behind.
    pub fn takes(&self, source: Uid, partition: u32) -> bool {
        self.has_room() && self.has_room_ahead(source, partition)
    }

    pub(super) fn has_room_for_active(&self) -> bool {
        self.has_turns(self.load.remote())
    }

    /// Will one more have its turn soon, beside so many that take none?
    fn has_turns(&self, remote: usize) -> bool {
        let local = self.load.local() + self.stubs.fetching() - self.turns.fetching_remote();
        // What is on its way to the disk waits for no turn: the slower the disk, the more is written together.
        let waiting = local.saturating_sub(self.load.writing());
        local + remote < self.limits.deliveries && waiting < self.pace.limit()
    }

    /// So much more may be sent to remote subscribers. Half of the memory is left to others, but for one.
    pub(super) fn remote_room(&self) -> usize {
        let running = self.load.running_remote();
        let is_heavy = running > 0 && self.bytes >= self.limits.bytes / 2;
        if is_heavy { 0 } else { self.limits.remote.saturating_sub(running) }
    }

    /// May one more of a route with limits be fetched?
    pub(super) fn has_room_for(&self, trigger: u32) -> bool {
        match self.policy(trigger).remote {
            true => self.load.remote() < self.limits.deliveries && self.remote_room() > 0,
            false => self.has_room(),
        }
    }

    /// So much is held that what comes to be held is parked at once.
    pub(super) fn is_burdened(&self) -> bool {
        self.load.held() >= self.limits.held || self.bytes >= self.limits.bytes / 2
    }
}
