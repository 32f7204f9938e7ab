//! How far those who ship the journal have it: what the scribe may drop.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number for each of them: the segment that has not gone whole.
#[derive(Debug, Default)]
pub struct Shipped(Box<[AtomicU64]>);

impl Shipped {
    /// Nothing has gone yet.
    pub fn by(shippers: usize) -> Shipped {
        Shipped((0..shippers).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn note(&self, shipper: usize, segment: u64) {
        self.0[shipper].store(segment, Ordering::Release);
    }

    /// Segments below are with everybody. `None`: nobody ships.
    pub fn below(&self) -> Option<u64> {
        self.0.iter().map(|segment| segment.load(Ordering::Acquire)).min()
    }
}
