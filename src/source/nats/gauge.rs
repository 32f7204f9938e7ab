//! How far a partition is, for /metrics: what this worker knows of it, and what its durable says of itself, whenever that is looked
//! at.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_nats::jetstream::consumer::Info;

use super::line::Confirmed;
use crate::telemetry::metrics::{Cell, Partition};

#[derive(Debug)]
pub(super) struct Gauge {
    cells: Arc<Partition>,
    /// When those were written that have come and are not done, in nanoseconds since 1970. No more than may be under way.
    written: BTreeMap<u64, u64>,
}

impl Gauge {
    pub(super) fn new(cells: Arc<Partition>) -> Gauge {
        Gauge { cells, written: BTreeMap::new() }
    }

    /// This worker has it, from this sequence on.
    pub(super) fn taken(&self, from: u64) {
        self.cells.watermark.set(from);
        self.cells.ours.set(1);
    }

    pub(super) fn given_back(&mut self) {
        self.written.clear();
        self.date();
        self.cells.ours.set(0);
    }

    /// `published`: in nanoseconds since 1970.
    pub(super) fn came(&mut self, sequence: u64, published: i64) {
        self.written.insert(sequence, published.max(0).cast_unsigned());
        self.date();
    }

    pub(super) fn done(&mut self, sequences: &[u64], watermark: u64) {
        self.cells.watermark.set(watermark);
        for sequence in sequences {
            self.written.remove(sequence);
        }
        self.date();
    }

    fn date(&self) {
        self.cells.oldest.set(self.written.first_key_value().map_or(0, |(_, written)| *written));
    }

    /// Answers have gone out together.
    pub(super) fn answered(&self, heard: &Confirmed) {
        let cell = if heard.is_ok() { &self.cells.acknowledged } else { &self.cells.failed };
        cell.add(1);
    }

    pub(super) fn look(&self, info: &Info) {
        let unacknowledged = info.num_ack_pending as u64;
        self.cells.committed.set(info.ack_floor.stream_sequence + 1);
        self.cells.lag.set(info.num_pending + unacknowledged);
        self.cells.unacknowledged.get_or_init(Cell::default).set(unacknowledged);
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.cells.ours.set(0);
    }
}
