//! The loop's numbers: what it adds up itself, and what it says of its core once a turn. Plain stores to cells that it alone
//! writes: nobody who reads them makes it wait.

use std::sync::Arc;

use super::report::Report;
use crate::dispatch::{Core, Fate};
use crate::event::Uid;
use crate::source::direct::Asked;
use crate::telemetry::metrics::{Metrics, Times};
use crate::telemetry::trace::Span;

#[derive(Debug)]
pub struct Meter {
    metrics: Arc<Metrics>,
    /// The embedded queue's uid as a source.
    queue: Uid,
    times: Times,
    /// Of this turn.
    spans: Vec<Span>,
}

impl Meter {
    pub fn new(metrics: Arc<Metrics>, queue: Uid) -> Meter {
        Meter { metrics, queue, times: Times::default(), spans: Vec::new() }
    }

    pub(super) fn attempted(&mut self, report: &Report, fate: &Fate) {
        let (measured, position) = (report.measured(), report.position());
        self.metrics.attempted(measured);
        let since = match fate {
            Fate::Ended { record: None, .. } if position.source == self.queue => {
                self.times.of(position.offset)
            }
            _ => None,
        };
        if let Some(since) = since {
            let trigger = self.metrics.triggers.at(measured.trigger);
            trigger.delivery.observe(report.ended().saturating_sub(since));
        }
        if let Some(traced) = report.traced() {
            self.spans.push(traced.attempt());
            if let Fate::Ended { end, .. } = fate {
                self.spans.push(traced.delivery(*end, since));
            }
        }
    }

    /// A request whose sender waits.
    pub(super) fn asked(&self, asked: &Asked) {
        self.metrics.asked.add(asked.records.len() as u64);
        self.metrics.asked_bytes.add(asked.records.iter().map(|record| record.len() as u64).sum());
    }

    pub(super) fn committed(&self) {
        self.metrics.queue.commits.add(1);
    }

    /// Once a turn, when all inputs have been taken in.
    pub(super) fn look(&mut self, core: &Core) {
        let Metrics { core: cells, queue, spans, .. } = &*self.metrics;
        spans.offer(&mut self.spans);
        cells.count(&core.counts());
        cells.events.set(core.events_in_flight() as u64);
        cells.bytes.set(core.bytes() as u64);
        let (waiting, writing) = core.waiting_and_writing();
        cells.waiting.set(waiting as u64);
        cells.writing.set(writing as u64);
        cells.running.set(core.running() as u64);
        cells.remote.set(core.running_remote() as u64);
        cells.held.set(core.held() as u64);
        cells.stubs.set(core.parked() as u64);
        let watermark = core.watermark(self.queue, 0).unwrap_or_default();
        queue.watermark.set(watermark);
        self.times.take_in(&queue.timeline);
        self.times.forget_below(watermark);
        queue.oldest.set(self.times.of(watermark).unwrap_or_default());
    }
}
