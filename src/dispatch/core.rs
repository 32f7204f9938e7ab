//! `step`: what has happened goes in, what to do comes out. Everything that the worker decides about an event is here.

use std::sync::Arc;

use super::delivery::{Deliveries, Delivery, InFlight, Key, State};
use super::lane::{LaneId, Lanes};
use super::outcome::Outcome;
use super::partition::Partitions;
use super::policy::Policy;
use super::progress::Progress;
use super::timers::Timers;
use crate::event::segment::Ended;
use crate::event::{Envelope, Uid};
use crate::time::Moment;
use crate::trigger::Routes;

/// What the core decides by: replaced whole.
#[derive(Debug)]
pub struct Table {
    pub routes: Routes,
    /// By the trigger's index in `routes`.
    pub policies: Vec<Policy>,
    pub uids: Vec<Uid>,
}

/// What may be in flight. A source hands over no more while either is reached.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub deliveries: usize,
    pub bytes: usize,
}

/// What has happened. `R` is the report of an attempt: the core passes it through and never looks.
#[derive(Debug)]
pub enum Input<R> {
    /// A partition is ours from here on. `ended`: deliveries of its unsettled events that have ended already.
    Assigned { source: Uid, partition: u32, progress: Progress, ended: Vec<Ended> },
    /// An event was read for a broker.
    Arrived { envelope: Envelope, broker: Uid },
    /// An attempt is over.
    Attempted { delivery: Key, outcome: Outcome, report: R },
    /// The end of a delivery is durable.
    Journaled { delivery: Key },
}

/// What to do.
#[derive(Debug)]
pub enum Effect<R> {
    /// Run the trigger's function with the event.
    Invoke { delivery: Key, trigger: u32, attempt: u32, envelope: Envelope, broker: Uid },
    /// Write down the attempt and, if the delivery has ended, its end; answer an end with `Journaled`.
    Journal { delivery: Key, report: R, end: Option<End> },
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered,
    DeadLettered,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub arrived: u64,
    pub unrouted: u64,
    pub repeated: u64,
    pub settled: u64,
    pub attempts: u64,
    pub retries: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
}

#[derive(Debug)]
pub struct Core {
    table: Arc<Table>,
    limits: Limits,
    partitions: Partitions,
    events: slab::Slab<InFlight>,
    bytes: usize,
    deliveries: Deliveries,
    lanes: Lanes,
    timers: Timers,
    counts: Counts,
    matched: Vec<u32>,
}

impl Core {
    pub fn new(table: Arc<Table>, limits: Limits) -> Core {
        Core {
            table,
            limits,
            partitions: Partitions::default(),
            events: slab::Slab::new(),
            bytes: 0,
            deliveries: Deliveries::default(),
            lanes: Lanes::default(),
            timers: Timers::default(),
            counts: Counts::default(),
            matched: Vec::new(),
        }
    }

    /// Takes what has happened, in order, and says what to do, in order.
    pub fn step<R>(
        &mut self,
        inputs: impl IntoIterator<Item = Input<R>>,
        now: Moment,
        effects: &mut Vec<Effect<R>>,
    ) {
        for input in inputs {
            match input {
                Input::Assigned { source, partition, progress, ended } => {
                    self.partitions.assign(source, partition, &progress, ended);
                }
                Input::Arrived { envelope, broker } => self.arrived(envelope, broker, effects),
                Input::Attempted { delivery, outcome, report } => {
                    self.attempted(delivery, outcome, report, now, effects);
                }
                Input::Journaled { delivery } => self.journaled(delivery, effects),
            }
        }
        while let Some(delivery) = self.timers.pop_due(now) {
            self.invoke(delivery, effects);
        }
    }

    /// May a source hand over more?
    pub fn has_room(&self) -> bool {
        self.deliveries.len() < self.limits.deliveries && self.bytes < self.limits.bytes
    }

    pub fn is_idle(&self) -> bool {
        self.events.is_empty()
    }

    pub fn events_in_flight(&self) -> usize {
        self.events.len()
    }

    pub fn deliveries_in_flight(&self) -> usize {
        self.deliveries.len()
    }

    pub fn waiting_retries(&self) -> usize {
        self.timers.len()
    }

    pub fn next_due(&self) -> Option<Moment> {
        self.timers.next_due()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What may be committed for a partition.
    pub fn progress(&self, source: Uid, partition: u32) -> Option<Progress> {
        self.partitions.progress(source, partition)
    }

    fn arrived<R>(&mut self, envelope: Envelope, broker: Uid, effects: &mut Vec<Effect<R>>) {
        self.counts.arrived += 1;
        let offset = envelope.position.offset;
        let index = self.partitions.index_of(envelope.position);
        let partition = self.partitions.get_mut(index);
        if !partition.ledger.begin(offset) {
            self.counts.repeated += 1;
            return;
        }
        let event = envelope.event();
        let mut matched = std::mem::take(&mut self.matched);
        matched.clear();
        self.table.routes.matching(broker, &event, &mut matched);
        let unrouted = matched.is_empty();
        let ended = partition.ended_before(offset);
        if !ended.is_empty() {
            matched.retain(|&trigger| !ended.contains(&self.table.uids[trigger as usize]));
        }
        if matched.is_empty() {
            self.counts.unrouted += u64::from(unrouted);
            self.counts.settled += 1;
            partition.ledger.complete(offset);
        } else {
            let key = self.lanes.key_of(&event);
            drop(event);
            self.bytes += envelope.record().len();
            let unsettled = u32::try_from(matched.len()).expect("triggers are far fewer than u32");
            let event = self.events.insert(InFlight { envelope, broker, partition: index, unsettled });
            for &trigger in &matched {
                let order = self.table.policies[trigger as usize].order;
                let lane = LaneId::of(trigger, order, index, key);
                let delivery = self.deliveries.insert(Delivery {
                    event,
                    trigger,
                    lane,
                    attempts: 0,
                    state: State::Waiting,
                });
                if lane.is_none_or(|lane| self.lanes.join(lane, delivery)) {
                    self.invoke(delivery, effects);
                }
            }
        }
        self.matched = matched;
    }

    fn invoke<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) {
        let delivery = self.deliveries.get_mut(key).expect("what is invoked is in flight");
        assert!(matches!(delivery.state, State::Waiting | State::Retrying), "a delivery runs once at a time");
        delivery.state = State::Running;
        delivery.attempts += 1;
        self.counts.attempts += 1;
        let event = &self.events[delivery.event];
        effects.push(Effect::Invoke {
            delivery: key,
            trigger: delivery.trigger,
            attempt: delivery.attempts,
            envelope: event.envelope.clone(),
            broker: event.broker,
        });
    }

    fn attempted<R>(
        &mut self,
        key: Key,
        outcome: Outcome,
        report: R,
        now: Moment,
        effects: &mut Vec<Effect<R>>,
    ) {
        let Some(delivery) = self.deliveries.get_mut(key).filter(|d| d.state == State::Running) else {
            debug_assert!(false, "an attempt was reported twice");
            return;
        };
        let policy = &self.table.policies[delivery.trigger as usize];
        let position = self.events[delivery.event].envelope.position;
        let wait = if outcome.retries() { policy.wait_after(delivery.attempts) } else { None };
        if let Some(wait) = wait {
            delivery.state = State::Retrying;
            self.counts.retries += 1;
            self.timers.set(now.after(wait + jitter(wait, position.offset, delivery.attempts)), key);
            effects.push(Effect::Journal { delivery: key, report, end: None });
            return;
        }
        delivery.state = State::Ended;
        let end = match outcome {
            Outcome::Succeeded => End::Delivered,
            _ => End::DeadLettered,
        };
        effects.push(Effect::Journal { delivery: key, report, end: Some(end) });
        // What follows a dead letter in its lane waits until that is durable: were it lost, order would be too.
        match end {
            End::Delivered => {
                self.counts.delivered += 1;
                let lane = delivery.lane.take();
                self.leave(lane, key, effects);
            }
            End::DeadLettered => self.counts.dead_lettered += 1,
        }
    }

    fn journaled<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) {
        let Some(delivery) = self.deliveries.remove(key) else {
            debug_assert!(false, "a delivery settled twice");
            return;
        };
        assert_eq!(delivery.state, State::Ended, "only what has ended settles");
        self.leave(delivery.lane, key, effects);
        let event = &mut self.events[delivery.event];
        event.unsettled -= 1;
        if event.unsettled == 0 {
            let event = self.events.remove(delivery.event);
            self.bytes -= event.envelope.record().len();
            self.counts.settled += 1;
            self.partitions.get_mut(event.partition).ledger.complete(event.envelope.position.offset);
        }
    }

    /// `lane`: the one it is still in, if any.
    fn leave<R>(&mut self, lane: Option<LaneId>, key: Key, effects: &mut Vec<Effect<R>>) {
        if let Some(next) = lane.and_then(|lane| self.lanes.leave(lane, key)) {
            self.invoke(next, effects);
        }
    }
}

/// Up to a tenth of the wait, the same for the same attempt: so that what failed together doesn't come back together.
fn jitter(wait: std::time::Duration, offset: u64, attempt: u32) -> std::time::Duration {
    let mixed = (offset ^ u64::from(attempt).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    wait / 10 * u32::try_from(mixed).expect("16 bits") / 65_536
}
