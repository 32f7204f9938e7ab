//! When nothing is left to happen: what must be true then.

use std::collections::BTreeSet;

use weir::event::Uid;

use super::group::World;
use super::truth::broken;

impl World {
    pub(crate) fn at_rest(&mut self) {
        let settled = self.truth.all_settled();
        for (number, partition) in self.partitions.iter().enumerate() {
            if let Some((id, record)) = partition.live().next() {
                broken("left parked", &format!("{id} of partition {number}: {record:?}"));
            }
            let committed = partition.committed.as_ref().map_or(0, |committed| committed.watermark);
            if committed != partition.end {
                broken("not committed", &format!("partition {number}: {committed} of {}", partition.end));
            }
        }
        for (w, worker) in self.workers.iter().enumerate() {
            let core = &worker.core;
            let left = [
                ("events", core.events_in_flight()),
                ("deliveries", core.deliveries_in_flight()),
                ("held", core.held()),
                ("parked", core.parked()),
                ("running", core.running() + core.running_remote()),
                ("lanes", core.lanes()),
                ("bytes", core.bytes()),
                ("jobs", worker.jobs.len()),
                ("fetching", worker.fetching.len()),
            ];
            if let Some((what, count)) = left.iter().find(|(_, count)| *count > 0) {
                broken("left in memory", &format!("{what} at worker {w}: {count}"));
            }
            if !core.has_room() {
                broken("no room", &format!("at worker {w}, where nothing is left"));
            }
            if let Some(left) = core.traffic().find(|left| left.running + left.waiting + left.parked > 0) {
                broken("left in memory", &format!("traffic at worker {w}: {left:?}"));
            }
            self.totals.pauses += core.counts().pauses;
            self.totals.limited += worker.meter.reached;
        }
        self.billed(&settled.into_iter().collect::<Vec<_>>());
    }

    /// Billing has counted each attempt that any end rests on, and nothing that no journal holds.
    fn billed(&mut self, settled: &[(super::broker::Duty, u32)]) {
        let counted = self.billing.counted();
        for &(duty, attempts) in settled {
            for attempt in 1..=attempts {
                if !counted.contains(&Uid::of_charge(self.truth.delivery_id(duty), attempt)) {
                    broken("not billed", &format!("attempt {attempt} of (event, trigger, replay) {duty:?}"));
                }
            }
        }
        let journalled = self.workers.iter().flat_map(|worker| worker.journal.entries());
        let journalled: BTreeSet<Uid> = journalled.flatten().copied().collect();
        if journalled != *counted {
            let what = format!("{} charges, and {} in the journals", counted.len(), journalled.len());
            broken("billed wrongly", &what);
        }
        self.totals.billed_again += self.billing.repeats;
    }
}
