//! The world of one worker with its own disk: publishers, archive, queue, core and executors as they are in production,
//! without their threads, over a disk that fails and lives that end anywhere.

mod events;
mod executors;
mod faults;
mod life;
mod recovery;
mod reload;
mod rest;
mod scribe;
mod start;
mod steps;
mod truth;

use std::collections::BTreeMap;
use std::time::Duration;

use weir::store::simulated::SimulatedDisk;
use weir::time::Moment;
use weir::worker::archive;

use super::agenda::Agenda;
use super::billing::Billing;
use super::dice::{Dice, dice_of};
use super::plan::{BROKER, Plan};
use super::scenario::{Fault, Kind, Scenario};
use super::shrink::Simulated;
use super::totals::QueueTotals;
use super::trace::Trace;
use super::truth::broken;
use events::Known;
use life::{Life, Post, Told};
use truth::Truth;

/// What is meant for an earlier life, by its number, does not happen.
#[derive(Debug)]
pub(crate) enum Happens {
    Publish(u64),
    Fault,
    Mend,
    Start,
    Read(u32),
    Step(u32),
    Wake(u32),
    Ran(u32, usize),
    Commit(u32),
    /// The scribe begins a group.
    Group(u32),
    /// It writes the group, perhaps again.
    Write(u32),
    /// It looks for something to do where nothing came.
    Look(u32),
    Told(u32, Box<Told>),
    StopAnyway(u32),
    Bill,
    /// Once nothing goes wrong any more, dead letters are dropped.
    CleanUp,
}

#[derive(Debug)]
pub(crate) struct World {
    scenario: Scenario,
    plan: Plan,
    dice: Dice,
    now: Moment,
    /// From here on nothing goes wrong any more.
    calm: Moment,
    agenda: Agenda<Happens>,
    disk: SimulatedDisk,
    volume_bytes: u64,
    limits: archive::Limits,
    executors: usize,
    life: Option<Life>,
    lives: u32,
    /// The last life that did not end as it should.
    unclean: u32,
    truth: Truth,
    /// How often each publication has been sent; those that have been acknowledged are not here.
    publications: BTreeMap<u64, u32>,
    billing: Billing,
    totals: QueueTotals,
    trace: Trace,
    attempts: u64,
}

/// A world that has not come to rest after so many steps never will.
const STEPS: u64 = 100_000;

impl Simulated for World {
    type Totals = QueueTotals;
    const KIND: Kind = Kind::Queue;

    fn begin(scenario: Scenario, traced: bool) -> World {
        let mut dice = dice_of(scenario.seed, &[22]);
        let calm = Moment(200_000_000 + scenario.events * dice.within(2_000_000..40_000_000));
        let plan = Plan::of(&scenario, calm);
        let volume_bytes = dice.pick(&[200, 600, 2_000]);
        let within = |is_small: bool| if is_small { 8 * volume_bytes } else { u64::MAX };
        let limits = archive::Limits {
            queue_bytes: within(scenario.has(Fault::SmallQueue)),
            journal_bytes: within(dice.chance(10)),
            journal_keep: u64::MAX,
        };
        let executors = dice.within(1..4) as usize;
        let mut world = World {
            dice,
            calm,
            plan,
            now: Moment(0),
            agenda: Agenda::new(),
            disk: SimulatedDisk::new(),
            volume_bytes,
            limits,
            executors,
            life: None,
            lives: 0,
            unclean: 0,
            truth: Truth::default(),
            publications: BTreeMap::new(),
            billing: Billing::default(),
            totals: QueueTotals { worlds: 1, ..QueueTotals::default() },
            trace: Trace { lines: traced.then(Vec::new) },
            attempts: 0,
            scenario,
        };
        world.agenda.plan(Moment(0), Happens::Start);
        for publication in 0..world.scenario.events {
            let at = Moment(world.dice.within(0..calm.0));
            world.agenda.plan(at, Happens::Publish(publication));
            world.publications.insert(publication, 0);
        }
        for _ in 0..world.scenario.events + 4 {
            let at = Moment(world.dice.within(0..calm.0));
            world.agenda.plan(at, Happens::Fault);
        }
        for at in [calm.0 / 3, calm.0 / 2] {
            world.agenda.plan(Moment(at), Happens::Bill);
        }
        world.agenda.plan(calm, Happens::Mend);
        world.agenda.plan(calm, Happens::CleanUp);
        world
    }

    fn run(&mut self) {
        while let Some((at, what)) = self.agenda.next() {
            self.now = at;
            self.totals.steps += 1;
            self.happens(what);
            if self.totals.steps > STEPS {
                let ms = at.0 / 1_000_000;
                broken("never at rest", &format!("still busy after {STEPS} steps, at {ms} ms"));
            }
        }
        self.at_rest();
    }

    fn end(mut self) -> (QueueTotals, Vec<String>) {
        (self.totals, self.trace.lines.take().unwrap_or_default())
    }

    fn inside(&self) -> Vec<String> {
        self.life.iter().map(|life| format!("{:?}\n{:?}", life.core, life.archive)).collect()
    }
}

impl World {
    fn happens(&mut self, what: Happens) {
        let number = self.life.as_ref().map(|life| life.number);
        match what {
            Happens::Publish(publication) => self.publish(publication),
            Happens::Fault => self.fault(),
            Happens::Mend => self.mend(),
            Happens::Start => self.start(),
            Happens::Bill => self.bill(),
            Happens::CleanUp => self.clean_up(),
            Happens::Read(life)
            | Happens::Step(life)
            | Happens::Wake(life)
            | Happens::Ran(life, _)
            | Happens::Commit(life)
            | Happens::Group(life)
            | Happens::Write(life)
            | Happens::Look(life)
            | Happens::Told(life, _)
            | Happens::StopAnyway(life)
                if number != Some(life) => {}
            Happens::Read(_) => self.read(),
            Happens::Step(_) => self.step(),
            Happens::Wake(_) => {
                // One that an earlier one has come before is planned anew: it must not become two.
                let now = self.moment();
                if self.life().wake_planned.is_some_and(|planned| planned <= now) {
                    self.life().wake_planned = None;
                    self.step();
                }
            }
            Happens::Ran(_, executor) => self.ran(executor),
            Happens::Commit(_) => self.commit(),
            Happens::Group(_) => self.group(),
            Happens::Write(_) => self.write(),
            Happens::Look(_) => self.look_around(),
            Happens::Told(_, told) => self.told(*told),
            Happens::StopAnyway(_) => self.close(false),
        }
    }

    /// A publisher sends its events; what it has no answer for it sends again, as others.
    fn publish(&mut self, publication: u64) {
        let Some(tries) = self.publications.get_mut(&publication) else { return };
        if self.life.as_ref().is_none_or(|life| life.stopping) {
            return self.publish_again(publication);
        }
        *tries += 1;
        let tries = *tries;
        let mut dice = dice_of(self.scenario.seed, &[23, publication]);
        let ids: Vec<String> = (0..dice.within(1..4)).map(|n| format!("{publication}.{n}.{tries}")).collect();
        for id in &ids {
            let known = Known::new(self.scenario.seed, id, self.scenario.keys, dice.within(1..4) as i32);
            self.truth.events.insert(id.clone(), known);
        }
        self.life().intake.push(Post { publication, ids });
        self.plan_group();
    }

    fn publish_again(&mut self, publication: u64) {
        self.soon(self.patience(5_000), Happens::Publish(publication));
    }

    /// A pause of so many microseconds at least: a route that waits for minutes is no reason to ask all the time.
    fn patience(&self, least: u64) -> std::ops::Range<u64> {
        let least = least.max(self.now.0.saturating_sub(self.calm.0) / 8_000);
        least..least * 10
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("it is alive")
    }

    fn is_calm(&self) -> bool {
        self.now >= self.calm
    }

    fn has(&self, fault: Fault) -> bool {
        !self.is_calm() && self.scenario.has(fault)
    }

    /// In so many microseconds.
    fn soon(&mut self, micros: std::ops::Range<u64>, what: Happens) {
        let wait: Duration = self.dice.micros(micros);
        self.agenda.plan(self.now.after(wait), what);
    }

    /// The time by the worker's own clock.
    fn moment(&mut self) -> Moment {
        let now = self.now;
        Moment(now.0 - self.life().born.0)
    }

    /// In nanoseconds since 1970.
    fn wall(&self) -> u64 {
        1_700_000_000_000_000_000 + self.now.0
    }
}
