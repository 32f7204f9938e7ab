//! What numbers are kept in: plain atomics, read at any time by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or a gauge.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// By the one thread that writes here: no locked instruction, so a nanosecond.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// By any of several that write here.
    pub fn share(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Of what is counted elsewhere.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in nanoseconds, sorted into classes, by the one thread that writes here.
#[derive(Debug)]
pub struct Histogram {
    /// The most that a class holds; the last class has no bound.
    bounds: &'static [u64],
    classes: Box<[Cell]>,
    sum: Cell,
}

/// A histogram as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    pub bounds: &'static [u64],
    /// Of each class alone; one more than there are bounds.
    pub counts: Vec<u64>,
    pub sum: u64,
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;
const SECOND: u64 = 1_000 * MILLI;

/// For calls and writes: ten microseconds to half a minute.
pub const SHORT: &[u64] = &[
    10 * MICRO,
    30 * MICRO,
    100 * MICRO,
    300 * MICRO,
    MILLI,
    3 * MILLI,
    10 * MILLI,
    30 * MILLI,
    100 * MILLI,
    300 * MILLI,
    SECOND,
    3 * SECOND,
    10 * SECOND,
    30 * SECOND,
];

/// For an event's whole way: a millisecond to an hour.
pub const LONG: &[u64] = &[
    MILLI,
    3 * MILLI,
    10 * MILLI,
    30 * MILLI,
    100 * MILLI,
    300 * MILLI,
    SECOND,
    3 * SECOND,
    10 * SECOND,
    30 * SECOND,
    100 * SECOND,
    600 * SECOND,
    3600 * SECOND,
];

impl Histogram {
    pub fn new(bounds: &'static [u64]) -> Histogram {
        let classes = (0..=bounds.len()).map(|_| Cell::default()).collect();
        Histogram { bounds, classes, sum: Cell::default() }
    }

    pub fn observe(&self, nanos: u64) {
        let class = self.bounds.partition_point(|&most| most < nanos);
        self.classes[class].add(1);
        self.sum.add(nanos);
    }

    pub fn distribution(&self) -> Distribution {
        let counts = self.classes.iter().map(Cell::get).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.get() }
    }
}

impl Distribution {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_long_as_a_bound_is_within_it() {
        let histogram = Histogram::new(&[10, 100]);
        [0, 10, 11, 100, 101, u64::MAX / 2].iter().for_each(|&nanos| histogram.observe(nanos));
        let Distribution { counts, sum, .. } = histogram.distribution();
        assert_eq!(counts, [2, 2, 2]);
        assert_eq!(sum, u64::MAX / 2 + 222);
    }

    #[test]
    fn bounds_rise() {
        for bounds in [SHORT, LONG] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
