//! The cells of brokers' partitions. Their counters stay when they are given back; the rest is said of what this worker has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::cell::Cell;
use super::snapshot::Snapshot;
use super::table::Metric;

/// So many have cells of their own; of more nothing is said, for a sum of offsets says nothing.
pub const PARTITIONS: usize = 1000;

#[derive(Debug, Default)]
pub struct Partitions(Mutex<BTreeMap<(String, String), Arc<Partition>>>);

/// Written by the thread of its consumer.
#[derive(Debug, Default)]
pub struct Partition {
    /// 1: this worker has it.
    pub ours: Cell,
    pub watermark: Cell,
    /// What the broker has of it.
    pub committed: Cell,
    /// So many are there from the watermark on, as far as is known.
    pub lag: Cell,
    /// Of these, those that are handed out: where a broker counts that.
    pub unacknowledged: OnceLock<Cell>,
    /// When the first record from the watermark on was written, in nanoseconds since 1970; 0: there is none.
    pub oldest: Cell,
    pub acknowledged: Cell,
    pub failed: Cell,
}

impl Partitions {
    /// `source`: "default/orders"; `partition`: "topic/0", or "stream/0". The same for the same names.
    pub fn of(&self, source: &str, partition: String) -> Arc<Partition> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (source.to_owned(), partition);
        match all.get(&key) {
            Some(there) => Arc::clone(there),
            None if all.len() >= PARTITIONS => Arc::default(),
            None => Arc::clone(all.entry(key).or_default()),
        }
    }

    pub(super) fn gather(&self, now: u64, all: &mut Snapshot) {
        for ((source, partition), cells) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = [source.as_str(), partition.as_str()];
            for (result, cell) in [("acknowledged", &cells.acknowledged), ("failed", &cells.failed)] {
                all.whole(Metric::Commits, &[labels[0], labels[1], result], cell.get());
            }
            if cells.ours.get() == 0 {
                continue;
            }
            let oldest = cells.oldest.get();
            all.whole(Metric::Watermark, &labels, cells.watermark.get());
            all.whole(Metric::CommittedOffset, &labels, cells.committed.get());
            all.whole(Metric::Lag, &labels, cells.lag.get());
            if let Some(cell) = cells.unacknowledged.get() {
                all.whole(Metric::Unacknowledged, &labels, cell.get());
            }
            all.nanos(Metric::OldestAge, &labels, if oldest == 0 { 0 } else { now.saturating_sub(oldest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_given_back_keeps_its_counters_and_no_more_than_so_many_are_kept() {
        let partitions = Partitions::default();
        let first = partitions.of("default/orders", "orders/0".into());
        first.ours.set(1);
        first.acknowledged.add(2);
        let families = |partitions: &Partitions| {
            let mut all = Snapshot::nothing();
            partitions.gather(0, &mut all);
            all.families().map(|(row, points)| (row.name, points.len())).collect::<Vec<_>>()
        };
        assert_eq!(families(&partitions).len(), 5);
        first.unacknowledged.get_or_init(Cell::default).set(1);
        assert!(families(&partitions).contains(&("weir_unacknowledged_events", 1)));
        first.ours.set(0);
        assert_eq!(families(&partitions), [("weir_commits", 2)]);
        assert_eq!(partitions.of("default/orders", "orders/0".into()).acknowledged.get(), 2);
        (0..2 * PARTITIONS).for_each(|n| drop(partitions.of("default/orders", format!("orders/{n}"))));
        assert_eq!(families(&partitions), [("weir_commits", 2 * PARTITIONS)]);
    }
}
