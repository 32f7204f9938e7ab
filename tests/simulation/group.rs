//! The world of a consumer group: several workers, each with its own core, share a broker. What happens, happens here in
//! the order of simulated time; the parts of it are told in the files beside.

use std::time::Duration;

use weir::dispatch::{Core, Parked, StubKey};
use weir::time::Moment;

use super::agenda::Agenda;
use super::billing::Billing;
use super::broker::{self, Committed, Duty, Partition};
use super::dice::{Dice, dice_of};
use super::plan::{Plan, TYPES};
use super::scenario::{Fault, Kind, Scenario};
use super::shrink::Simulated;
use super::totals::GroupTotals;
use super::trace::Trace;
use super::truth::{Known, Truth, broken};
use super::worker::Worker;

/// A worker in one of its lives: what is meant for an earlier one does not happen.
pub(crate) type Life = (usize, u32);

#[derive(Debug)]
pub(crate) enum Happens {
    Publish,
    Fault,
    /// The coordinator looks for an owner.
    FindHome(u32),
    /// The new owner reads what is committed and parked.
    TakeOver(Life, u32, u32),
    /// The old owner lets go: partition, epoch; is it asked, or does it learn of it late?
    LetGo(Life, u32, u32, bool),
    Expire(Life),
    Restart(usize),
    StopAnyway(Life),
    Poll(Life),
    Arrive(Life, Vec<super::source::Arrival>),
    Step(Life),
    Wake(Life),
    Ran(Life, usize),
    Flushed(Life),
    /// A reply or a dead letter is durable where it was sent.
    Landed(Life, u64, Duty, bool),
    Acked(Life, u64),
    Parks(Life, u64, u32, u32, Box<Parked>),
    ParkAcked(Life, u64, Option<u64>),
    Fetches(Life, StubKey, u32, u64),
    /// A parked record is done.
    Marks(Life, u32, u32, u64),
    Commit(Life),
    CommitArrives(u32, u32, Committed),
    CommitLost(Life, u32),
    Ship(usize),
    Shipped(usize, usize),
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) now: Moment,
    /// From here on nothing goes wrong any more.
    pub(crate) calm: Moment,
    pub(crate) agenda: Agenda<Happens>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) truth: Truth,
    /// The bytes of each event.
    pub(crate) records: Vec<bytes::Bytes>,
    pub(crate) billing: Billing,
    pub(crate) totals: GroupTotals,
    pub(crate) trace: Trace,
    pub(crate) attempts: u64,
    pub(crate) writes: u64,
}

/// A world that has not come to rest after so many steps never will.
const STEPS: u64 = 200_000;

impl Simulated for World {
    type Totals = GroupTotals;
    const KIND: Kind = Kind::Group;

    fn begin(scenario: Scenario, traced: bool) -> World {
        let mut dice = dice_of(scenario.seed, &[9]);
        let calm = Moment(200_000_000 + scenario.events * dice.within(1_000_000..20_000_000));
        let plan = Plan::of(&scenario, calm);
        let executors = dice.within(1..4) as usize;
        let worker = || Worker::new(Core::new(plan.table.clone(), plan.limits), executors);
        let workers: Vec<Worker> = (0..scenario.workers).map(|_| worker()).collect();
        let partitions = (0..scenario.partitions).map(|_| Partition::default()).collect();
        let mut world = World {
            dice,
            calm,
            plan,
            now: Moment(0),
            agenda: Agenda::new(),
            partitions,
            workers,
            truth: Truth::default(),
            records: Vec::new(),
            billing: Billing::default(),
            totals: GroupTotals { worlds: 1, ..GroupTotals::default() },
            trace: Trace { lines: traced.then(Vec::new) },
            attempts: 0,
            writes: 0,
            scenario,
        };
        for partition in 0..world.scenario.partitions {
            world.agenda.plan(Moment(0), Happens::FindHome(partition));
        }
        for _ in 0..world.scenario.events {
            let at = Moment(world.dice.within(0..calm.0));
            world.agenda.plan(at, Happens::Publish);
        }
        for _ in 0..world.scenario.events / 2 + 4 {
            let at = Moment(world.dice.within(0..calm.0));
            world.agenda.plan(at, Happens::Fault);
        }
        world
    }

    fn run(&mut self) {
        while let Some((at, what)) = self.agenda.next() {
            self.now = at;
            self.totals.steps += 1;
            self.happens(what);
            if self.totals.steps > STEPS {
                broken(
                    "never at rest",
                    &format!("still busy after {STEPS} steps, at {} ms", at.0 / 1_000_000),
                );
            }
        }
        self.at_rest();
    }

    fn end(mut self) -> (GroupTotals, Vec<String>) {
        (self.totals, self.trace.lines.take().unwrap_or_default())
    }

    fn inside(&self) -> Vec<String> {
        self.workers.iter().map(|worker| format!("{:?}", worker.core)).collect()
    }
}

impl World {
    fn happens(&mut self, what: Happens) {
        let is = |world: &World, (worker, life): Life| world.workers[worker].is(life);
        match what {
            Happens::Publish => self.publish(),
            Happens::Fault => self.fault(),
            Happens::FindHome(partition) => self.find_home(partition),
            Happens::Restart(worker) => self.restart(worker),
            Happens::Expire(life) => self.expire(life),
            Happens::TakeOver(life, partition, epoch) => self.take_over(life, partition, epoch),
            Happens::Landed(life, write, duty, is_dead_letter) => {
                self.landed(life, write, duty, is_dead_letter)
            }
            Happens::Parks(life, write, partition, epoch, parked) => {
                self.parks(life, write, (partition, epoch), &parked);
            }
            Happens::CommitArrives(partition, epoch, committed) => {
                self.commit_arrives(partition, epoch, committed)
            }
            Happens::Ship(worker) => self.ship(worker),
            Happens::Shipped(worker, count) => self.workers[worker].journal.acknowledged(count),
            Happens::LetGo(life, ..)
            | Happens::StopAnyway(life)
            | Happens::Poll(life)
            | Happens::Arrive(life, _)
            | Happens::Step(life)
            | Happens::Wake(life)
            | Happens::Ran(life, _)
            | Happens::Flushed(life)
            | Happens::Acked(life, _)
            | Happens::ParkAcked(life, ..)
            | Happens::Fetches(life, ..)
            | Happens::Marks(life, ..)
            | Happens::Commit(life)
            | Happens::CommitLost(life, _)
                if !is(self, life) => {}
            Happens::LetGo((w, _), partition, epoch, asked) => self.let_go(w, partition, epoch, asked),
            Happens::StopAnyway((w, _)) => self.stopped(w, false),
            Happens::Poll((w, _)) => self.poll(w),
            Happens::Arrive((w, _), arrivals) => self.arrive(w, arrivals),
            Happens::Step((w, _)) => self.step(w),
            Happens::Wake((w, _)) => {
                self.workers[w].wake_planned = None;
                self.step(w);
            }
            Happens::Ran((w, _), executor) => self.ran(w, executor),
            Happens::Flushed((w, _)) => self.flushed(w),
            Happens::Acked((w, _), write) => self.acked(w, write),
            Happens::ParkAcked((w, _), write, id) => self.park_acked(w, write, id),
            Happens::Fetches((w, _), stub, partition, id) => self.fetches(w, stub, partition, id),
            Happens::Marks((w, _), partition, epoch, id) => self.marks(w, (partition, epoch), id),
            Happens::Commit((w, _)) => self.commit(w),
            Happens::CommitLost((w, _), partition) => self.commit_lost(w, partition),
        }
    }

    fn publish(&mut self) {
        let scenario = &self.scenario;
        let number = self.truth.events.len();
        let mut dice = dice_of(scenario.seed, &[10, number as u64]);
        let partition = dice.within(0..u64::from(scenario.partitions)) as u32;
        let key = dice.chance(75).then(|| dice.within(0..scenario.keys));
        let ty = dice.within(0..TYPES.len() as u64 * 3) as usize;
        let ty = if ty < 8 { ty % 2 } else { 2 };
        let gaps = scenario.has(Fault::Gaps);
        let (gap, marker) = if gaps { (dice.pick(&[0, 0, 1, 3, 70]), dice.pick(&[0, 0, 1])) } else { (0, 0) };
        let record = broker::record_of(number, ty, key, dice.within(0..200) as usize);
        let log = &mut self.partitions[partition as usize];
        let offset = log.end + gap;
        self.records.push(record.clone());
        log.records.insert(offset, (number, record));
        log.end = offset + 1 + marker;
        let routed = self.plan.routed(ty);
        self.totals.events += 1;
        self.totals.deliveries += routed.len() as u64;
        self.trace
            .say(self.now, || format!("event {number} at {partition}/{offset} key {key:?} for {routed:?}"));
        let known = Known { partition, offset, key, routed, compacted: false };
        self.truth.publish(known, &self.plan.policies);
        for worker in 0..self.workers.len() {
            self.plan_poll(worker);
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.calm
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        !self.is_calm() && self.scenario.has(fault)
    }

    pub(crate) fn after(&mut self, wait: Duration, what: Happens) {
        self.agenda.plan(self.now.after(wait), what);
    }

    /// In so many microseconds.
    pub(crate) fn soon(&mut self, micros: std::ops::Range<u64>, what: Happens) {
        let wait = self.dice.micros(micros);
        self.after(wait, what);
    }

    pub(crate) fn life(&self, worker: usize) -> Life {
        (worker, self.workers[worker].life)
    }
}
