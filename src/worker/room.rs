//! Whether there is room for what is not on disk here yet: what /readyz and the log say, and what the loop takes in by it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::source::Refused;

/// Set by the scribe, read by whoever wants to know.
#[derive(Debug, Default)]
pub struct Room(AtomicU8);

const LACKS: [Refused; 4] = [Refused::QueueFull, Refused::DiskFull, Refused::JournalFull, Refused::Store];

impl Room {
    /// Why there is none. `None`: there is.
    pub fn lack(&self) -> Option<Refused> {
        let lack = usize::from(self.0.load(Ordering::Relaxed));
        lack.checked_sub(1).map(|at| LACKS[at])
    }

    /// The log says what changes.
    pub(super) fn set(&self, lack: Option<Refused>) {
        let at = lack.and_then(|lack| LACKS.iter().position(|known| *known == lack));
        let now = at.map_or(0, |at| at as u8 + 1);
        if self.0.swap(now, Ordering::Relaxed) == now {
            return;
        }
        match lack {
            None => tracing::info!("events are taken in again"),
            Some(lack) => tracing::warn!(reason = %lack, "no events are taken in"),
        }
    }

    /// May events be read from brokers? They are safe where they are.
    pub(super) fn takes_reads(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// May events of the queue begin? Each leaves entries in the journal.
    pub(super) fn takes_arrivals(&self) -> bool {
        self.lack() != Some(Refused::JournalFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_told_until_it_is_there() {
        let room = Room::default();
        assert_eq!((room.lack(), room.takes_reads(), room.takes_arrivals()), (None, true, true));
        for lack in LACKS {
            room.set(Some(lack));
            assert_eq!((room.lack(), room.takes_reads()), (Some(lack), false));
            assert_eq!(room.takes_arrivals(), lack != Refused::JournalFull);
        }
        room.set(None);
        assert!(room.takes_reads());
    }
}
