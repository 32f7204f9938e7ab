//! What an attempt adds to the numbers of its trigger and its function.

use super::Metrics;
use super::cell::{Cell, Histogram, LONG, SHORT};
use super::series::Place;
use super::snapshot::{Snapshot, Value};
use super::table::Metric;
use crate::dispatch::{Outcome, Reason};

/// An attempt as it was measured.
#[derive(Clone, Copy, Debug)]
pub struct Attempted {
    pub trigger: Place,
    pub function: Place,
    pub outcome: Outcome,
    pub reason: Reason,
    pub wall_ns: u64,
    /// Of a cold start.
    pub init_ns: Option<u64>,
    pub fuel: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Debug)]
pub struct OfTrigger {
    /// By outcome and reason.
    attempts: Box<[Cell]>,
    pub delivery: Histogram,
}

#[derive(Debug)]
pub struct OfFunction {
    calls: Histogram,
    fuel: Cell,
    bytes_in: Cell,
    bytes_out: Cell,
    cold_starts: Cell,
    cold_ns: Cell,
}

impl OfTrigger {
    pub(super) fn new() -> OfTrigger {
        let attempts = (0..Outcome::ALL.len() * Reason::ALL.len()).map(|_| Cell::default()).collect();
        OfTrigger { attempts, delivery: Histogram::new(LONG) }
    }

    fn attempts(&self, outcome: Outcome, reason: Reason) -> &Cell {
        &self.attempts[outcome.code() as usize * Reason::ALL.len() + reason.code() as usize]
    }
}

impl OfFunction {
    pub(super) fn new() -> OfFunction {
        OfFunction {
            calls: Histogram::new(SHORT),
            fuel: Cell::default(),
            bytes_in: Cell::default(),
            bytes_out: Cell::default(),
            cold_starts: Cell::default(),
            cold_ns: Cell::default(),
        }
    }
}

impl Metrics {
    /// By the loop alone.
    pub fn attempted(&self, attempted: &Attempted) {
        let of = self.triggers.at(attempted.trigger);
        of.attempts(attempted.outcome, attempted.reason).add(1);
        let of = self.functions.at(attempted.function);
        of.calls.observe(attempted.wall_ns);
        of.fuel.add(attempted.fuel);
        of.bytes_in.add(attempted.bytes_in);
        of.bytes_out.add(attempted.bytes_out);
        if let Some(init) = attempted.init_ns {
            of.cold_starts.add(1);
            of.cold_ns.add(init);
        }
    }

    pub(super) fn gather_attempts(&self, snapshot: &mut Snapshot) {
        for (trigger, of) in self.triggers.iter() {
            for (outcome, reason) in Outcome::ALL.iter().flat_map(|o| Reason::ALL.iter().map(move |r| (o, r)))
            {
                let count = of.attempts(*outcome, *reason).get();
                if count > 0 {
                    snapshot.whole(Metric::Attempts, &[trigger, outcome.as_str(), reason.as_str()], count);
                }
            }
            let delivery = of.delivery.distribution();
            if delivery.count() > 0 {
                snapshot.add(Metric::DeliveryDuration, &[trigger], Value::Distribution(delivery));
            }
        }
        for (function, of) in self.functions.iter() {
            let (calls, labels) = (of.calls.distribution(), [function]);
            if calls.count() == 0 {
                continue;
            }
            snapshot.add(Metric::CallDuration, &labels, Value::Distribution(calls));
            snapshot.whole(Metric::Fuel, &labels, of.fuel.get());
            snapshot.whole(Metric::CallInput, &labels, of.bytes_in.get());
            snapshot.whole(Metric::CallOutput, &labels, of.bytes_out.get());
            snapshot.whole(Metric::ColdStarts, &labels, of.cold_starts.get());
            snapshot.nanos(Metric::ColdStartTime, &labels, of.cold_ns.get());
        }
    }
}
