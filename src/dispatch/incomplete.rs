//! The positions of a partition that were begun and are not complete.

use foldhash::{HashSet, HashSetExt};

use super::ledger::Ledger;
use super::progress::Progress;

#[derive(Debug)]
pub(super) enum Incomplete {
    /// Positions come in their order, and what is done can be told by how far it is.
    InOrder(Ledger),
    /// They come as they like: each is told of by itself.
    Apart(HashSet<u64>),
}

impl Incomplete {
    pub(super) fn resume(progress: &Progress) -> Incomplete {
        Incomplete::InOrder(Ledger::resume(progress))
    }

    pub(super) fn apart() -> Incomplete {
        Incomplete::Apart(HashSet::new())
    }

    /// False: it is complete or in flight already.
    pub(super) fn begin(&mut self, position: u64) -> bool {
        match self {
            Incomplete::InOrder(ledger) => ledger.begin(position),
            Incomplete::Apart(positions) => positions.insert(position),
        }
    }

    pub(super) fn pass(&mut self, position: u64) {
        if let Incomplete::InOrder(ledger) = self {
            ledger.pass(position);
        }
    }

    /// # Panics
    /// If it was not begun or is complete: an event would have settled twice.
    pub(super) fn complete(&mut self, position: u64) {
        match self {
            Incomplete::InOrder(ledger) => ledger.complete(position),
            Incomplete::Apart(positions) => {
                assert!(
                    positions.remove(&position),
                    "position {position} completed, but it is not in flight"
                );
            }
        }
    }

    /// `None`: there is no such thing.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Incomplete::InOrder(ledger) => Some(ledger.progress()),
            Incomplete::Apart(_) => None,
        }
    }

    pub(super) fn watermark(&self) -> Option<u64> {
        match self {
            Incomplete::InOrder(ledger) => Some(ledger.watermark()),
            Incomplete::Apart(_) => None,
        }
    }

    pub(super) fn span(&self) -> u64 {
        match self {
            Incomplete::InOrder(ledger) => ledger.span(),
            Incomplete::Apart(_) => 0,
        }
    }
}
