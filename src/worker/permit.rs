//! Permits to run a function: as many as it may run on events at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Of one function, whichever deployment it is of.
#[derive(Clone, Debug)]
pub struct Permits {
    most: u32,
    taken: Arc<AtomicU32>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU32>);

impl Permits {
    pub fn new(most: u32) -> Permits {
        Permits { most, taken: Arc::default() }
    }

    /// As many as before, less those that are taken still.
    pub fn after(&mut self, before: &Permits) {
        self.taken = Arc::clone(&before.taken);
    }

    /// `None`: all are taken.
    pub fn take(&self) -> Option<Permit> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Permit(Arc::clone(&self.taken)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
