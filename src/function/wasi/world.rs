//! What is asked of the machine, and of who counts what a guest uses.

use crate::function::limits::Stop;

pub(in crate::function) trait World {
    /// Since 1970, in nanoseconds.
    fn realtime(&self) -> u64;
    /// Since some moment, in nanoseconds; never less than before.
    fn monotonic(&self) -> u64;
    /// False: there is no randomness to be had.
    fn random(&self, bytes: &mut [u8]) -> bool;
    /// Has the guest pay for work of the host, before it is done.
    fn charge(&self, units: u64) -> Result<(), Stop>;
}

/// What the work of the host costs, in units of fuel.
pub(in crate::function) mod cost {
    /// Of every call.
    pub(in crate::function) const CALL: u64 = 64;
    /// Of every vector, subscription or string.
    pub(in crate::function) const ITEM: u64 = 16;
    /// Between two charges at most so much is done, in bytes.
    pub(in crate::function) const PIECE: usize = 64 << 10;

    pub(in crate::function) fn copied(bytes: usize) -> u64 {
        bytes as u64 / 16
    }

    pub(in crate::function) fn printed(bytes: usize) -> u64 {
        bytes as u64 / 2
    }

    pub(in crate::function) fn random(bytes: usize) -> u64 {
        bytes as u64 * 2
    }
}
