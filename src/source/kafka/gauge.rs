//! How far a partition is, for /metrics: looked at on the commit interval, so that an event costs a comparison.

use std::collections::VecDeque;
use std::sync::Arc;

use rdkafka::consumer::Consumer as _;

use super::consumer::Consumer;
use crate::telemetry::metrics::Partition;

/// So many times are kept of a partition; with more in flight they lie further apart.
const TIMES: usize = 256;

/// When records were written, by their offsets: of some of those that are not done.
#[derive(Debug)]
pub(super) struct Times {
    known: VecDeque<(u64, i64)>,
    /// Offsets between two.
    step: u64,
    /// Below it nothing is to be noted.
    next: u64,
}

impl Default for Times {
    fn default() -> Times {
        Times { known: VecDeque::new(), step: 1, next: 0 }
    }
}

impl Times {
    /// In the order of the offsets. `millis` since 1970.
    pub(super) fn note(&mut self, offset: u64, millis: Option<i64>) {
        if offset < self.next {
            return;
        }
        let Some(millis) = millis else { return };
        if self.known.len() == TIMES {
            let mut keep = false;
            self.known.retain(|_| {
                keep = !keep;
                keep
            });
            self.step = self.step.saturating_mul(2);
        }
        self.known.push_back((offset, millis));
        self.next = offset.saturating_add(self.step);
    }

    /// When about the record at the watermark was written, in nanoseconds since 1970; what stands before it is forgotten.
    pub(super) fn oldest(&mut self, watermark: u64) -> u64 {
        while self.known.get(1).is_some_and(|(offset, _)| *offset <= watermark) {
            self.known.pop_front();
        }
        if self.known.len() <= 1 {
            self.step = 1;
        }
        self.known
            .front()
            .map_or(0, |(_, millis)| u64::try_from(*millis).unwrap_or(0).saturating_mul(1_000_000))
    }
}

#[derive(Debug)]
pub(super) struct Gauge {
    cells: Arc<Partition>,
    pub(super) times: Times,
}

impl Gauge {
    pub(super) fn new(cells: Arc<Partition>) -> Gauge {
        cells.ours.set(1);
        Gauge { cells, times: Times::default() }
    }

    pub(super) fn look(&mut self, watermark: u64, next: u64, end: Option<u64>) {
        self.cells.watermark.set(watermark);
        self.cells.lag.set(end.unwrap_or(0).max(next).saturating_sub(watermark));
        let oldest = if watermark >= next { 0 } else { self.times.oldest(watermark) };
        self.cells.oldest.set(oldest);
    }

    pub(super) fn acknowledged(&self, offset: u64) {
        self.cells.committed.set(offset);
        self.cells.acknowledged.add(1);
    }

    pub(super) fn failed(&self) {
        self.cells.failed.add(1);
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.cells.ours.set(0);
    }
}

impl Consumer {
    /// On the commit interval.
    pub(super) fn measure(&mut self) {
        self.note_answers();
        let Consumer { inlet, owned, .. } = self;
        for (place, owned) in owned {
            owned.gauge.look(owned.done.watermark, owned.next, inlet.end(&place.0, place.1));
        }
    }

    pub(super) fn note_answers(&self) {
        for (places, is_ok) in self.client.context().answers() {
            for (place, offset) in places {
                let Some(owned) = self.owned.get(&place) else { continue };
                if is_ok { owned.gauge.acknowledged(offset) } else { owned.gauge.failed() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_about_the_one_at_the_watermark_however_many_there_are() {
        let mut times = Times::default();
        (0..100_000).for_each(|offset| times.note(offset, Some(1000 + offset.cast_signed())));
        assert!(times.known.len() <= TIMES);
        for watermark in [0, 1, 5000, 49_999, 99_999] {
            let millis = times.oldest(watermark) / 1_000_000 - 1000;
            assert!(
                millis <= watermark && watermark - millis <= 2 * times.step.max(512),
                "{watermark}: {millis}"
            );
        }
        assert_eq!(times.oldest(200_000), times.known[0].1.cast_unsigned() * 1_000_000);
        times.note(200_000, None);
        assert_eq!(times.known.len(), 1);
        assert_eq!(Times::default().oldest(7), 0);
    }
}
