//! The core alone: what deciding costs by keys, deliveries and failures, what neighbours that fail cost the others, and
//! what an event in flight takes up.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use weir::dispatch::{
    Core, Effect, Fate, Hold, Input, Limits, Order, Outcome, Parked, Policy, Progress, Table as Triggers,
};
use weir::event::{Envelope, Epoch, Event, Position, Uid, Value, record};
use weir::time::Moment;
use weir::trigger::{Filter, Routes};

use super::meter::{Clock, Cost, Table, cost_with};
use super::sample;

const BROKER: Uid = Uid(3);
const BATCH: usize = 64;
/// Events that arrive before the first of them has settled.
const IN_FLIGHT: usize = 1024;

pub(crate) fn measure(table: &Table) {
    table.section("The core alone: an event from arrival to settlement, by keys, deliveries an event, share that fails once");
    for deliveries in [1, 100] {
        for keys in [1, 100, 10_000, 100_000] {
            for failing in [0, 10, 50] {
                let step = format!("{deliveries:>3} deliveries, {keys:>7} keys, {failing:>2} % failing");
                let target = 1000.0 * deliveries as f64;
                table.row(&step, decide(deliveries, keys, failing), Some(target));
            }
        }
    }
    table.section("A route beside one with so many deliveries that wait for a retry");
    let alone = cost_beside(0);
    table.row("alone", alone, None);
    for waiting in [100, 1_000, 10_000, 50_000] {
        let cost = cost_beside(waiting);
        table.row(&format!("beside {waiting:>6}"), cost, None);
        table.value("  against alone: how many times the cost", cost.median / alone.median, Some(1.1));
        table.value("  when all are due: of theirs for each of ours", turns_beside(waiting), Some(1.0));
    }
    table.section("Memory, in bytes, without the event itself");
    let (in_flight, parked) = memory();
    table.value("a delivery in flight, each in a lane of its own", in_flight, None);
    table.value("a parked delivery, each in a lane of its own", parked, None);
}

fn policy() -> Policy {
    Policy {
        delay: Duration::from_millis(1),
        order: Order::Key,
        hold: Hold { time: Duration::from_secs(10), deliveries: 100_000 },
        trip: None,
        ..Policy::default()
    }
}

/// So many triggers that want the event, and one for `bad`.
fn core(deliveries: usize, limits: Limits) -> Core {
    let of = |ty: &str| Filter::exact([("type".to_owned(), ty.to_owned())]);
    let filters = (0..deliveries).map(|_| (BROKER, of("order.created"))).chain([(BROKER, of("bad"))]);
    let uids = (0..=deliveries as u128).map(Uid).collect();
    let policies = vec![policy(); deliveries + 1];
    let mut core = Core::new(
        Arc::new(Triggers { routes: Routes::new(filters), policies, uids, ..Triggers::default() }),
        limits,
    );
    let assigned: Input<()> = Input::Assigned {
        source: sample::SOURCE,
        partition: 0,
        epoch: Epoch(1),
        progress: Progress::default(),
        ended: Vec::new(),
        parked: Vec::new(),
    };
    core.step([assigned], Moment(0), &mut Vec::new());
    core
}

fn limits() -> Limits {
    Limits { deliveries: 1 << 20, held: 1 << 20, running: 1 << 20, bytes: 4 << 30, ..Limits::default() }
}

fn envelope(ty: &str, key: usize) -> Envelope {
    let json = sample::json(key);
    let mut event: Event<'_> =
        weir::event::structured::decode(json.as_bytes()).expect("the sample is an event");
    event.ty = ty.into();
    event.set_extension("partitionkey", Value::String(format!("customer-{key:06}").into()));
    let mut bytes = Vec::new();
    record::encode(&event, &mut bytes);
    let position = Position { source: sample::SOURCE, partition: 0, offset: 0 };
    Envelope::new(position, Epoch(1), bytes.into()).expect("written just now")
}

/// Everything around the core, at once and without a thought: what it says is done as soon as it is said.
struct Surroundings {
    core: Core,
    now: Moment,
    next: u64,
    inputs: Vec<Input<()>>,
    effects: Vec<Effect<()>>,
    records: HashMap<u64, Parked>,
    /// How many in a hundred fail at first.
    failing: u64,
}

impl Surroundings {
    fn new(core: Core, failing: u64) -> Surroundings {
        Surroundings {
            core,
            now: Moment(0),
            next: 0,
            inputs: Vec::new(),
            effects: Vec::new(),
            records: HashMap::default(),
            failing,
        }
    }

    fn arrive(&mut self, envelope: &Envelope) {
        let mut envelope = envelope.clone();
        envelope.position.offset = self.next;
        self.next += 1;
        self.inputs.push(Input::Arrived { envelope, broker: BROKER });
    }

    fn step(&mut self) {
        self.core.step(self.inputs.drain(..), self.now, &mut self.effects);
        let mut failed = false;
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Refuse { .. } | Effect::Answer { .. } => unreachable!("nobody waits for an answer"),
                Effect::Invoke { delivery, follows: true, .. } if failed => {
                    self.inputs.push(Input::Skipped { delivery });
                }
                Effect::Invoke { delivery, attempt, ref envelope, trigger, .. } => {
                    let offset = envelope.position.offset;
                    let fails = (offset + u64::from(trigger)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
                    failed = attempt == 1 && fails % 100 < self.failing;
                    let outcome = if failed { Outcome::Retryable } else { Outcome::Succeeded };
                    self.inputs.push(Input::Attempted { delivery, outcome, retry_after: None, report: () });
                }
                Effect::Journal { delivery, fate: Fate::Ended { record, .. }, .. } => {
                    record.map(|record| self.records.remove(&record));
                    self.inputs.push(Input::Journaled { delivery, parked: None });
                }
                Effect::Journal { fate: Fate::Retried | Fate::Fenced, .. } => {}
                Effect::Journal { delivery, fate: Fate::Parked(parked), .. }
                | Effect::Park { delivery, parked } => {
                    let id = self.records.len() as u64 + self.core.counts().parked;
                    self.records.insert(id, parked);
                    self.inputs.push(Input::Journaled { delivery, parked: Some(id) });
                }
                Effect::GiveUp { .. } => unreachable!("no trigger goes here"),
                Effect::Fetch { stub, id, .. } => {
                    let Parked { envelope, broker, .. } = self.records[&id].clone();
                    self.inputs.push(Input::Fetched { stub, envelope, broker });
                }
            }
        }
    }

    /// Until nothing but retries that are not due is left.
    fn settle(&mut self) {
        while !self.inputs.is_empty() {
            self.step();
        }
    }

    fn settle_all(&mut self) {
        self.settle();
        while !self.core.is_idle() {
            self.now = self.now.max(self.core.next_due().unwrap_or_default());
            self.step();
            self.settle();
        }
    }
}

fn decide(deliveries: usize, keys: usize, failing: u64) -> Cost {
    // So many of the keys as there are events in flight: the others make no difference at one time.
    let step = keys.div_ceil(4096);
    let spread: Vec<Envelope> = (0..keys).step_by(step).map(|key| envelope("order.created", key)).collect();
    let mut world = Surroundings::new(core(deliveries, limits()), failing);
    let events = 64 * IN_FLIGHT / deliveries;
    let mut at = 0;
    cost_with(
        Clock::Thread,
        events,
        || (),
        |()| {
            for _ in 0..events / BATCH.min(events) {
                for _ in 0..BATCH.min(events) {
                    at = (at + 1) % spread.len();
                    world.arrive(&spread[at]);
                }
                // One turn of each: so that many batches are in flight together.
                world.step();
                if world.core.events_in_flight() >= IN_FLIGHT {
                    world.now = world.now.after(Duration::from_millis(2));
                    world.settle();
                }
            }
            world.settle_all();
        },
    )
}

/// A world in which so many deliveries of the route `bad` wait for a retry.
fn beside(waiting: usize, limits: Limits) -> Surroundings {
    let mut world = Surroundings::new(core(1, limits), 100);
    for n in 0..waiting {
        world.arrive(&envelope("bad", n));
        world.settle();
    }
    assert_eq!(world.core.held(), waiting);
    world.failing = 0;
    world
}

/// What an event costs beside them while they wait.
fn cost_beside(waiting: usize) -> Cost {
    const EVENTS: usize = 16_384;
    let mut world = beside(waiting, limits());
    let good: Vec<Envelope> = (0..1024).map(|key| envelope("order.created", key)).collect();
    let mut at = 0;
    cost_with(
        Clock::Thread,
        EVENTS,
        || (),
        |()| {
            for _ in 0..EVENTS / BATCH {
                for _ in 0..BATCH {
                    at = (at + 1) % good.len();
                    world.arrive(&good[at]);
                }
                world.step();
                world.settle();
            }
        },
    )
}

/// How many of them run for each event that arrives when all of them are due.
fn turns_beside(waiting: usize) -> f64 {
    const EVENTS: usize = 1_000;
    let mut world = beside(waiting, Limits { running: 64, ..limits() });
    let good: Vec<Envelope> = (0..EVENTS).map(|key| envelope("order.created", key)).collect();
    world.now = world.now.after(Duration::from_secs(1));
    good.iter().for_each(|envelope| world.arrive(envelope));
    let (mut done, mut others) = (0, 0);
    while done < EVENTS {
        world.core.step(world.inputs.drain(..), world.now, &mut world.effects);
        for effect in world.effects.drain(..) {
            match effect {
                Effect::Invoke { delivery, trigger, .. } => {
                    // The last trigger is that of `bad`: it fails again.
                    let outcome = if trigger == 1 { Outcome::Retryable } else { Outcome::Succeeded };
                    done += usize::from(trigger == 0);
                    others += usize::from(trigger == 1);
                    world.inputs.push(Input::Attempted { delivery, outcome, retry_after: None, report: () });
                }
                Effect::Journal { delivery, fate: Fate::Ended { .. }, .. } => {
                    world.inputs.push(Input::Journaled { delivery, parked: None });
                }
                _ => {}
            }
        }
    }
    others as f64 / EVENTS as f64
}

/// Bytes of a delivery in memory and of a parked one.
fn memory() -> (f64, f64) {
    const EVENTS: usize = 100_000;
    let envelopes: Vec<Envelope> = (0..EVENTS).map(|key| envelope("order.created", key)).collect();
    let begun = allocated();
    let mut world = Surroundings::new(core(1, limits()), 0);
    for (offset, envelope) in (0..).zip(&envelopes) {
        let mut envelope = envelope.clone();
        envelope.position.offset = offset;
        world.core.step([Input::Arrived { envelope, broker: BROKER }], Moment(0), &mut world.effects);
        world.effects.clear();
    }
    assert_eq!(world.core.deliveries_in_flight(), EVENTS);
    let in_flight = (allocated() - begun) / EVENTS as f64;
    drop(world);

    let begun = allocated();
    let mut core = core(1, limits());
    let keys = core.keys();
    let stub = |(n, envelope): (u64, &Envelope)| weir::dispatch::Stub {
        id: n,
        offset: n,
        trigger: Uid(0),
        key: keys.of(&envelope.event()),
        attempts: 1,
        failures: 1,
        replay: 0,
        due: Moment(u64::MAX),
        holds: true,
    };
    let parked: Vec<_> = (0..).zip(&envelopes).map(stub).collect();
    let (source, mut effects) = (sample::SOURCE, Vec::new());
    let progress = Progress { watermark: EVENTS as u64, runs: Vec::new() };
    let (epoch, ended) = (Epoch(2), Vec::new());
    let assigned: Input<()> = Input::Assigned { source, partition: 0, epoch, progress, ended, parked };
    core.step([assigned], Moment(0), &mut effects);
    assert_eq!(core.parked(), EVENTS);
    (in_flight, (allocated() - begun) / EVENTS as f64)
}

/// What the allocator has given out.
fn allocated() -> f64 {
    // SAFETY: it reads counters and takes no arguments.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}
