//! The worker's numbers. Each cell is written by one thread (the loop, the scribe) or is shared by those whose work costs
//! far more than an atomic addition (requests); whoever asks reads the cells and makes nobody wait.

pub mod attempt;
pub mod cell;
pub mod page;
pub mod partitions;
pub mod process;
pub mod series;
pub mod shipment;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod timeline;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use attempt::Attempted;
pub use cell::{Cell, Histogram};
pub use page::documentation;
pub use partitions::{Partition, Partitions};
pub use series::{Place, Series};
pub use shipment::Shipment;
pub use snapshot::{Point, Snapshot, Value};
pub use table::{Metric, TABLE};
pub use text::Format;
pub use timeline::{Timeline, Times};

use super::limit;
use super::trace::Spans;
use crate::dispatch::Counts;
use attempt::{OfFunction, OfTrigger};

#[derive(Debug)]
pub struct Metrics {
    pub triggers: Series<OfTrigger>,
    pub functions: Series<OfFunction>,
    pub requests: Requests,
    pub core: Core,
    pub queue: Source,
    /// Of brokers.
    pub partitions: Arc<Partitions>,
    pub store: Store,
    pub sinks: Sinks,
    /// Events whose senders wait, and what they take up: the loop counts them.
    pub asked: Cell,
    pub asked_bytes: Cell,
    pub compiles: Cell,
    pub refused_reloads: Cell,
    pub spans: Spans,
    pub failed_exports: Cell,
    busy: Mutex<Vec<Weak<AtomicU32>>>,
    shipments: Mutex<Vec<Arc<Shipment>>>,
}

/// Answers to requests, by the closed list of their statuses.
#[derive(Debug, Default)]
pub struct Requests([Cell; CODES.len()], Cell);

const CODES: [u16; 21] =
    [200, 202, 204, 400, 401, 403, 404, 405, 406, 408, 411, 413, 415, 417, 422, 429, 431, 500, 503, 504, 507];

/// What the loop says of its core.
#[derive(Debug, Default)]
pub struct Core {
    pub arrived: Cell,
    pub routed: Cell,
    pub unrouted: Cell,
    pub settled: Cell,
    pub fenced: Cell,
    pub retries: Cell,
    pub delivered: Cell,
    pub dead_lettered: Cell,
    pub returned: Cell,
    pub parked: Cell,
    pub fetched: Cell,
    pub pauses: Cell,
    pub events: Cell,
    pub bytes: Cell,
    pub waiting: Cell,
    pub running: Cell,
    pub remote: Cell,
    pub writing: Cell,
    pub held: Cell,
    pub stubs: Cell,
}

/// A partition of a source.
#[derive(Debug, Default)]
pub struct Source {
    pub watermark: Cell,
    /// The offset after the last event that there is.
    pub end: Cell,
    /// When the event at the watermark became durable, in nanoseconds since 1970; 0: there is none.
    pub oldest: Cell,
    pub commits: Cell,
    pub timeline: Timeline,
}

/// What the scribe says of the disk.
#[derive(Debug)]
pub struct Store {
    pub events: Cell,
    pub event_bytes: Cell,
    pub queue_full: Cell,
    pub disk_full: Cell,
    pub journal_full: Cell,
    pub failed: Cell,
    pub entries: Cell,
    pub entry_bytes: Cell,
    pub writes: Histogram,
    pub dead_letters: Cell,
}

/// What the porter says of what goes to Kafka and NATS.
#[derive(Debug, Default)]
pub struct Sinks {
    /// Of those that were posted to a broker.
    pub events: Cell,
    pub event_bytes: Cell,
    pub acknowledged: Cell,
    pub again: Cell,
    pub refused: Cell,
    pub waiting: Cell,
}

/// Which function an executor runs at this moment; `busy` of it is told apart from idle.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<AtomicU32>);

impl Busy {
    pub fn begin(&self, function: Place) {
        self.0.store(function.number() + 1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Metrics {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Arc<Metrics> {
        Arc::new(Metrics {
            triggers: Series::new(OfTrigger::new),
            functions: Series::new(OfFunction::new),
            requests: Requests::default(),
            core: Core::default(),
            queue: Source::default(),
            partitions: Arc::default(),
            store: Store {
                events: Cell::default(),
                event_bytes: Cell::default(),
                queue_full: Cell::default(),
                disk_full: Cell::default(),
                journal_full: Cell::default(),
                failed: Cell::default(),
                entries: Cell::default(),
                entry_bytes: Cell::default(),
                writes: Histogram::new(cell::SHORT),
                dead_letters: Cell::default(),
            },
            sinks: Sinks::default(),
            asked: Cell::default(),
            asked_bytes: Cell::default(),
            compiles: Cell::default(),
            refused_reloads: Cell::default(),
            spans: Spans::default(),
            failed_exports: Cell::default(),
            busy: Mutex::default(),
            shipments: Mutex::default(),
        })
    }

    /// For one executor, as long as it is there.
    pub fn busy(&self) -> Busy {
        let busy = Busy::default();
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&busy.0));
        busy
    }

    /// Of one BillingSink, as "namespace/name".
    pub fn shipment(&self, sink: &str) -> Arc<Shipment> {
        let shipment = Arc::new(Shipment { sink: sink.to_owned(), ..Shipment::default() });
        self.shipments.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&shipment));
        shipment
    }

    /// How many executors run this function now.
    pub fn busy_with(&self, function: Place) -> u64 {
        let mut all = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|busy| busy.strong_count() > 0);
        let with = |busy: &&Weak<AtomicU32>| {
            busy.upgrade().is_some_and(|busy| busy.load(Ordering::Relaxed) == function.number() + 1)
        };
        all.iter().filter(with).count() as u64
    }

    /// All that is kept here, at `now` in nanoseconds since 1970.
    pub fn gather(&self, now: u64) -> Snapshot {
        use Metric as M;
        let mut all = Snapshot::nothing();
        all.whole(M::Build, &[env!("CARGO_PKG_VERSION")], 1);
        self.requests.gather(&mut all);
        let Store {
            events,
            event_bytes,
            queue_full,
            disk_full,
            journal_full,
            failed,
            entries,
            entry_bytes,
            writes,
            dead_letters,
        } = &self.store;
        let (events, event_bytes) =
            (events.get() + self.asked.get(), event_bytes.get() + self.asked_bytes.get());
        all.whole(M::Events, &[], events + self.sinks.events.get());
        all.whole(M::EventBytes, &[], event_bytes + self.sinks.event_bytes.get());
        for (reason, cell) in [
            ("queue-full", queue_full),
            ("disk-full", disk_full),
            ("journal-full", journal_full),
            ("store", failed),
        ] {
            all.whole(M::RefusedRequests, &[reason], cell.get());
        }
        all.whole(M::JournalEntries, &[], entries.get());
        all.whole(M::JournalBytes, &[], entry_bytes.get());
        all.add(M::WriteDuration, &[], Value::Distribution(writes.distribution()));
        all.whole(M::DeadLetters, &[], dead_letters.get());
        let Sinks { acknowledged, again, refused, waiting, .. } = &self.sinks;
        for (result, cell) in [("acknowledged", acknowledged), ("again", again), ("refused", refused)] {
            all.whole(M::SinkRecords, &[result], cell.get());
        }
        all.whole(M::SinkWaiting, &[], waiting.get());
        for shipment in &*self.shipments.lock().unwrap_or_else(PoisonError::into_inner) {
            shipment.gather(entries.get(), &mut all);
        }
        self.core.gather(&mut all);
        self.queue.gather(["queue", "0"], now, &mut all);
        self.partitions.gather(now, &mut all);
        self.gather_attempts(&mut all);
        all.whole(M::Compiles, &[], self.compiles.get());
        all.whole(M::SuppressedLines, &[], limit::suppressed());
        for (result, cell) in
            [("sent", &self.spans.sent), ("refused", &self.spans.refused), ("dropped", &self.spans.dropped)]
        {
            all.whole(M::Spans, &[result], cell.get());
        }
        all.whole(M::FailedExports, &["spans"], self.spans.failures.get());
        all.whole(M::FailedExports, &["metrics"], self.failed_exports.get());
        process::gather(&mut all);
        all
    }
}

impl Requests {
    pub fn answered(&self, code: u16) {
        let at = CODES.iter().position(|&known| known == code);
        at.map_or(&self.1, |at| &self.0[at]).share(1);
    }

    fn gather(&self, all: &mut Snapshot) {
        for (code, cell) in
            CODES.iter().map(u16::to_string).zip(&self.0).chain([(series::OTHER.to_owned(), &self.1)])
        {
            if cell.get() > 0 {
                all.whole(Metric::Requests, &[&code], cell.get());
            }
        }
    }
}

impl Core {
    pub fn count(&self, counts: &Counts) {
        self.arrived.set(counts.arrived);
        self.routed.set(counts.routed);
        self.unrouted.set(counts.unrouted);
        self.settled.set(counts.settled);
        self.fenced.set(counts.fenced);
        self.retries.set(counts.retries);
        self.delivered.set(counts.delivered);
        self.dead_lettered.set(counts.dead_lettered);
        self.returned.set(counts.returned);
        self.parked.set(counts.parked);
        self.fetched.set(counts.fetched);
        self.pauses.set(counts.pauses);
    }

    fn gather(&self, all: &mut Snapshot) {
        use Metric as M;
        all.whole(M::Arrived, &[], self.arrived.get());
        all.whole(M::Routed, &[], self.routed.get());
        all.whole(M::Unrouted, &[], self.unrouted.get());
        all.whole(M::Settled, &[], self.settled.get());
        all.whole(M::Fenced, &[], self.fenced.get());
        all.whole(M::Retries, &[], self.retries.get());
        all.whole(M::Ended, &["delivered"], self.delivered.get());
        all.whole(M::Ended, &["dead-lettered"], self.dead_lettered.get());
        all.whole(M::Ended, &["returned"], self.returned.get());
        all.whole(M::ParkedDeliveries, &[], self.parked.get());
        all.whole(M::FetchedDeliveries, &[], self.fetched.get());
        all.whole(M::Pauses, &[], self.pauses.get());
        all.whole(M::EventsInFlight, &[], self.events.get());
        all.whole(M::EventMemory, &[], self.bytes.get());
        for (state, cell) in [
            ("waiting", &self.waiting),
            ("running", &self.running),
            ("remote", &self.remote),
            ("writing", &self.writing),
            ("held", &self.held),
            ("parked", &self.stubs),
        ] {
            all.whole(M::Deliveries, &[state], cell.get());
        }
    }
}

impl Source {
    fn gather(&self, labels: [&str; 2], now: u64, all: &mut Snapshot) {
        let (watermark, oldest) = (self.watermark.get(), self.oldest.get());
        all.whole(Metric::Watermark, &labels, watermark);
        all.whole(Metric::Lag, &labels, self.end.get().saturating_sub(watermark));
        let age = if oldest == 0 { 0 } else { now.saturating_sub(oldest) };
        all.nanos(Metric::OldestAge, &labels, age);
        all.whole(Metric::Commits, &[labels[0], labels[1], "acknowledged"], self.commits.get());
    }
}
