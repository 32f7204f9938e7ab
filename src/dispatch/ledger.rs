//! What is incomplete in a partition, and so how far it is safe to commit.

use std::collections::VecDeque;

use crate::event::wire::{Corrupt, Reader, Writer};

/// The positions of one partition: those below the watermark are complete; from there on, a bit each.
///
/// Whatever was begun and not completed holds the watermark back, so a commit can never pass it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every position below is complete.
    watermark: u64,
    /// The position after the last one begun.
    end: u64,
    /// From `watermark` rounded down to a multiple of 64: 1 is complete.
    words: VecDeque<u64>,
    incomplete: usize,
}

/// What to commit: everything below `watermark` and every position in `runs` is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub watermark: u64,
    /// Complete positions beyond the watermark as (first, count), in order.
    pub runs: Vec<(u64, u64)>,
}

impl Progress {
    const FORMAT: u8 = 1;

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Progress::FORMAT];
        let mut out = Writer(&mut bytes);
        out.varint(self.watermark);
        out.varint(self.runs.len() as u64);
        let mut from = self.watermark;
        for &(first, count) in &self.runs {
            out.varint(first - from);
            out.varint(count);
            from = first + count;
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Progress, Corrupt> {
        let beyond = Corrupt::Varint;
        let mut reader = Reader::new(bytes);
        reader.version(Progress::FORMAT)?;
        let watermark = reader.varint()?;
        let mut runs = Vec::new();
        let mut from = watermark;
        for _ in 0..reader.length()? {
            let first = from.checked_add(reader.varint()?).ok_or(beyond)?;
            let count = reader.varint()?;
            from = first.checked_add(count).ok_or(beyond)?;
            runs.push((first, count));
        }
        Ok(Progress { watermark, runs })
    }
}

impl Ledger {
    /// Goes on from what was committed. Positions that `progress` calls complete are not to be begun again.
    pub fn resume(progress: &Progress) -> Ledger {
        let mut ledger =
            Ledger { watermark: progress.watermark, end: progress.watermark, ..Ledger::default() };
        for &(first, count) in &progress.runs {
            // What lies between was in flight and will come again: it holds the watermark until then.
            for position in ledger.end..first.saturating_add(count) {
                ledger.set(position, position >= first);
            }
            ledger.end = first.saturating_add(count);
        }
        ledger
    }

    pub fn watermark(&self) -> u64 {
        self.watermark
    }

    pub fn incomplete(&self) -> usize {
        self.incomplete
    }

    /// Complete, as far as this ledger has been told.
    pub fn is_settled(&self, position: u64) -> bool {
        position < self.watermark || (position < self.end && self.is_complete(position))
    }

    /// Must be called for every position, before anything else is done with its event. False: it is complete already.
    pub fn begin(&mut self, position: u64) -> bool {
        if self.is_settled(position) {
            return false;
        }
        while self.end <= position {
            // Positions that the source left out (nothing stands there) are complete: they hold nothing back.
            let skipped = self.end < position;
            self.set(self.end, skipped);
            self.end += 1;
        }
        self.incomplete += 1;
        true
    }

    /// # Panics
    /// If the position was not begun or is complete: an event would have settled twice.
    pub fn complete(&mut self, position: u64) {
        assert!(
            self.watermark <= position && position < self.end && !self.is_complete(position),
            "position {position} completed, but it is not in flight ({} to {})",
            self.watermark,
            self.end
        );
        self.set(position, true);
        self.incomplete -= 1;
        while self.watermark < self.end && self.is_complete(self.watermark) {
            self.watermark += 1;
            if self.watermark.is_multiple_of(64) {
                self.words.pop_front();
            }
        }
    }

    pub fn progress(&self) -> Progress {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut add = |first: u64, count: u64| match runs.last_mut() {
            Some((start, length)) if *start + *length == first => *length += count,
            _ => runs.push((first, count)),
        };
        let mut position = self.watermark;
        while position < self.end {
            // A word at a time where it can be: one position that is stuck may have millions behind it.
            let word = self.words[self.slot(position).0];
            let whole = position.is_multiple_of(64) && self.end - position >= 64;
            if whole && (word == 0 || word == u64::MAX) {
                if word == u64::MAX {
                    add(position, 64);
                }
                position += 64;
            } else {
                if self.is_complete(position) {
                    add(position, 1);
                }
                position += 1;
            }
        }
        Progress { watermark: self.watermark, runs }
    }

    fn slot(&self, position: u64) -> (usize, u64) {
        let word = position / 64 - self.watermark / 64;
        (usize::try_from(word).expect("positions in flight fit in memory"), 1 << (position % 64))
    }

    fn is_complete(&self, position: u64) -> bool {
        let (word, bit) = self.slot(position);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    fn set(&mut self, position: u64, complete: bool) {
        let (word, bit) = self.slot(position);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if complete {
            self.words[word] |= bit;
        } else {
            self.words[word] &= !bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_watermark_waits_for_the_first_incomplete_position() {
        let mut ledger = Ledger::resume(&Progress { watermark: 60, runs: vec![] });
        (60..70).for_each(|p| assert!(ledger.begin(p)));
        (61..70).for_each(|p| ledger.complete(p));
        assert_eq!(ledger.progress(), Progress { watermark: 60, runs: vec![(61, 9)] });
        ledger.complete(60);
        assert_eq!(ledger.progress(), Progress { watermark: 70, runs: vec![] });
    }

    #[test]
    fn what_was_complete_before_a_restart_is_not_begun_again() {
        let mut ledger = Ledger::resume(&Progress { watermark: 5, runs: vec![(7, 2)] });
        assert!(!ledger.begin(4));
        assert!(!ledger.begin(7));
        assert!(ledger.begin(9));
    }

    /// What lies between complete runs was in flight: taking it for a gap of the source would lose it.
    #[test]
    fn what_was_in_flight_before_a_restart_holds_the_watermark_and_is_begun_again() {
        let mut ledger = Ledger::resume(&Progress { watermark: 0, runs: vec![(1, 1), (62, 130)] });
        for position in (0..192).filter(|p| *p != 1 && !(62..192).contains(p)) {
            assert!(!ledger.is_settled(position), "{position}");
            assert!(ledger.begin(position), "{position}");
            assert_eq!(ledger.watermark(), if position == 0 { 0 } else { position });
            ledger.complete(position);
        }
        assert_eq!(ledger.progress(), Progress { watermark: 192, runs: vec![] });
    }

    #[test]
    #[should_panic(expected = "not in flight")]
    fn nothing_completes_twice() {
        let mut ledger = Ledger::default();
        ledger.begin(0);
        ledger.begin(1);
        ledger.complete(1);
        ledger.complete(1);
    }

    proptest! {
        /// Against a plain set: begin in order with gaps, complete in any order.
        #[test]
        fn it_agrees_with_a_set(start in 0u64..200, gaps in prop::collection::vec(1u64..5, 1..300), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..320)) {
            let mut ledger = Ledger::resume(&Progress { watermark: start, runs: vec![] });
            let mut open = BTreeSet::new();
            let mut next = start;
            for gap in gaps {
                prop_assert!(ledger.begin(next));
                open.insert(next);
                next += gap;
            }
            let end = open.last().unwrap() + 1;
            for pick in picks {
                if open.is_empty() { break; }
                let position = *open.iter().nth(pick.index(open.len())).unwrap();
                let before = ledger.watermark();
                ledger.complete(position);
                open.remove(&position);
                prop_assert!(ledger.watermark() >= before);
                prop_assert!(open.first().is_none_or(|&first| ledger.watermark() <= first));
            }
            let progress = ledger.progress();
            // The watermark is at the first incomplete position, or one that a gap let it stop before.
            prop_assert_eq!(ledger.incomplete(), open.len());
            let complete: BTreeSet<u64> = progress.runs.iter().flat_map(|&(f, n)| f..f + n).collect();
            for position in progress.watermark..end {
                prop_assert_eq!(complete.contains(&position), !open.contains(&position));
            }
            prop_assert_eq!(Progress::decode(&progress.encode()), Ok(progress.clone()));
            let mut resumed = Ledger::resume(&progress);
            for position in start..end {
                prop_assert_eq!(resumed.begin(position), open.contains(&position));
            }
        }
    }
}
