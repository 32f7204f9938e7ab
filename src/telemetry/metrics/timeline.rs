//! When the events of a source became durable: noted once a write, by whoever writes; kept by the loop as long as one of
//! them is not settled. So an event carries no time of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many writes are told apart. Where more are under way, two that follow each other count as one.
const WRITES: usize = 4096;

/// What stands below `end`, and not below that of the one before, became durable at `at`, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    end: u64,
    at: u64,
}

/// From who writes to the loop.
#[derive(Debug, Default)]
pub struct Timeline {
    fresh: Mutex<Vec<Write>>,
    any: AtomicBool,
}

impl Timeline {
    /// All below `end` is durable.
    pub fn note(&self, end: u64, at: u64) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = fresh.len() >= WRITES;
        match fresh.last_mut() {
            Some(last) if last.end >= end => {}
            Some(last) if is_full => last.end = end,
            _ => fresh.push(Write { end, at }),
        }
        self.any.store(true, Ordering::Release);
    }
}

/// The loop's own.
#[derive(Debug)]
pub struct Times {
    writes: VecDeque<Write>,
    /// So many writes count as one, and so many have gone into the last one.
    each: u32,
    in_last: u32,
}

impl Default for Times {
    fn default() -> Times {
        Times { writes: VecDeque::new(), each: 1, in_last: 0 }
    }
}

impl Times {
    pub fn take_in(&mut self, timeline: &Timeline) {
        if !timeline.any.swap(false, Ordering::Acquire) {
            return;
        }
        for write in timeline.fresh.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.push(write);
        }
    }

    fn push(&mut self, write: Write) {
        match self.writes.back_mut() {
            Some(last) if self.in_last < self.each => {
                last.end = write.end;
                self.in_last += 1;
            }
            _ => {
                self.writes.push_back(write);
                self.in_last = 1;
            }
        }
        if self.writes.len() > WRITES {
            self.halve();
        }
    }

    /// `None`: it is not known, or was forgotten.
    pub fn of(&self, offset: u64) -> Option<u64> {
        let at = self.writes.partition_point(|write| write.end <= offset);
        self.writes.get(at).map(|write| write.at)
    }

    /// What stands below is settled.
    pub fn forget_below(&mut self, offset: u64) {
        while self.writes.front().is_some_and(|write| write.end <= offset) {
            self.writes.pop_front();
        }
        if self.writes.len() < WRITES / 4 {
            self.each = (self.each / 2).max(1);
        }
    }

    fn halve(&mut self) {
        let mut kept = VecDeque::with_capacity(WRITES);
        while let Some(first) = self.writes.pop_front() {
            let end = self.writes.pop_front().map_or(first.end, |second| second.end);
            kept.push_back(Write { end, at: first.at });
        }
        self.writes = kept;
        self.each = self.each.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_s_time_is_that_of_its_write_until_all_of_that_is_settled() {
        let (timeline, mut times) = (Timeline::default(), Times::default());
        [(10, 100), (11, 200), (11, 250), (20, 300)].iter().for_each(|&(end, at)| timeline.note(end, at));
        times.take_in(&timeline);
        let all = |times: &Times| [0, 9, 10, 11, 19, 20].map(|offset| times.of(offset));
        assert_eq!(all(&times), [Some(100), Some(100), Some(200), Some(300), Some(300), None]);
        times.forget_below(9);
        assert_eq!(times.of(9), Some(100));
        times.forget_below(11);
        assert_eq!((times.of(11), times.writes.len()), (Some(300), 1));
    }

    #[test]
    fn many_writes_under_way_are_told_apart_less_finely() {
        let (timeline, mut times) = (Timeline::default(), Times::default());
        for n in 1..=100_000 {
            timeline.note(n, n * 10);
            if n % 3_000 == 0 {
                times.take_in(&timeline);
            }
        }
        times.take_in(&timeline);
        assert!(times.writes.len() <= WRITES);
        for offset in (0..100_000).step_by(17) {
            let at = times.of(offset).unwrap();
            assert!(at <= (offset + 1) * 10 && at + 10 * 100 > offset * 10, "{offset}: {at}");
        }
        // The loop has stopped: what is noted meanwhile stays bounded, too.
        (100_001..200_000).for_each(|n| timeline.note(n, n * 10));
        assert_eq!(timeline.fresh.lock().unwrap().len(), WRITES);
    }
}
