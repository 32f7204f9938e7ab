//! `step`: what has happened goes in, what to do comes out. Everything that the worker decides about an event is here and
//! in the parts of it beside: `arrival`, `attempt`, `parking`.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Deliveries, InFlight, Key, State};
use super::lane::{Keys, LaneKey, Lanes};
use super::load::Load;
use super::message::{Effect, Input};
use super::pace::Pace;
use super::partition::Partitions;
use super::policy::Policy;
use super::progress::Progress;
use super::roster::Roster;
use super::route::{Ready, Turns};
use super::stub::Stubs;
use super::table::Table;
use super::timers::{Timer, Timers};
use crate::event::{Position, Uid};
use crate::time::Moment;
use crate::trigger::Memo;

/// What may be in flight. A source hands over no more while one of them is reached.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deliveries that are ready, running, or on their way to the disk.
    pub deliveries: usize,
    /// What the events in memory may take up.
    pub bytes: usize,
    /// Deliveries in memory that wait for a retry, or behind one. From here on they are parked; where order forbids that,
    /// their source waits at twice as many.
    pub held: usize,
    /// Parked deliveries.
    pub parked: usize,
    /// Deliveries handed over to executors and not come back.
    pub running: usize,
    /// The same of remote subscribers.
    pub remote: usize,
    /// Positions between a partition's watermark and the last one begun.
    pub span: u64,
    /// How long an event should wait for its turn, at most.
    pub latency: Option<Duration>,
    /// Deliveries that may run side by side: never fewer are handed over.
    pub executors: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            deliveries: 10_000,
            bytes: 256 << 20,
            held: 10_000,
            parked: 1_000_000,
            running: 512,
            remote: 10_000,
            span: 1 << 24,
            latency: None,
            executors: 2,
        }
    }
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub arrived: u64,
    pub routed: u64,
    pub unrouted: u64,
    pub repeated: u64,
    pub settled: u64,
    pub attempts: u64,
    pub retries: u64,
    pub delivered: u64,
    pub dead_lettered: u64,
    /// Failed, and their senders' to send again.
    pub returned: u64,
    /// Records written aside, each time a delivery is.
    pub parked: u64,
    /// Parked deliveries that came back into memory.
    pub fetched: u64,
    /// Events and results of assignments that had been lost.
    pub fenced: u64,
    /// How often a route was paused.
    pub pauses: u64,
}

/// As many deliveries of a route run before it is the next one's turn; so many of a lane are handed over together.
pub(super) const TURN: usize = 32;

#[derive(Debug)]
pub struct Core {
    pub(super) table: Arc<Table>,
    pub(super) roster: Roster,
    pub(super) limits: Limits,
    pub(super) partitions: Partitions,
    pub(super) events: slab::Slab<InFlight>,
    pub(super) bytes: usize,
    pub(super) deliveries: Deliveries,
    pub(super) lanes: Lanes,
    pub(super) keys: Keys,
    pub(super) turns: Turns,
    pub(super) load: Load,
    pub(super) stubs: Stubs,
    pub(super) timers: Timers,
    pub(super) pace: Pace,
    pub(super) counts: Counts,
    pub(super) draining: bool,
    pub(super) matched: Vec<u32>,
    pub(super) memo: Memo,
    /// Events that have settled and whose senders wait.
    pub(super) settled: Vec<Position>,
}

impl Core {
    pub fn new(table: Arc<Table>, limits: Limits) -> Core {
        let roster = Roster::new(&table);
        let mut turns = Turns::default();
        turns.grow(roster.end());
        let mut load = Load::new(roster.end());
        for number in roster.numbers() {
            let policy = roster.policy(number);
            turns.limit(number, policy.flow);
            turns.set_remote(number, policy.remote);
            load.set_remote(number, policy.remote);
        }
        Core {
            table,
            roster,
            limits,
            partitions: Partitions::default(),
            events: slab::Slab::new(),
            bytes: 0,
            deliveries: Deliveries::default(),
            lanes: Lanes::default(),
            keys: Keys::default(),
            turns,
            load,
            stubs: Stubs::default(),
            timers: Timers::default(),
            pace: Pace::new(limits.latency, 2 * limits.executors, limits.deliveries),
            counts: Counts::default(),
            draining: false,
            matched: Vec::new(),
            memo: Memo::default(),
            settled: Vec::new(),
        }
    }

    /// Takes what has happened, in order, and says what to do, in order.
    pub fn step<R>(
        &mut self,
        inputs: impl IntoIterator<Item = Input<R>>,
        now: Moment,
        effects: &mut Vec<Effect<R>>,
    ) {
        self.turns.now = now;
        for input in inputs {
            match input {
                Input::Assigned { source, partition, epoch, progress, ended, parked } => {
                    self.assigned((source, partition), epoch, &progress, ended, parked);
                }
                Input::Opened { source, partition, epoch, first } => {
                    self.opened(source, partition, epoch, first);
                }
                Input::Shared { source, partition, epoch } => self.shared(source, partition, epoch),
                Input::Revoked { source, partition } => self.revoked(source, partition),
                Input::Arrived { envelope, broker } => self.arrived(envelope, broker, effects),
                Input::Passed { source, partition, epoch, offset } => {
                    self.passed(Position { source, partition, offset }, epoch);
                }
                Input::Attempted { delivery, outcome, retry_after, report } => {
                    self.attempted(delivery, (outcome, retry_after), report, now, effects);
                }
                Input::Skipped { delivery } => self.skipped(delivery, effects),
                Input::Journaled { delivery, parked } => self.journaled(delivery, parked),
                Input::Fetched { stub, envelope, broker } => self.fetched(stub, envelope, broker, effects),
                Input::Unparked { source, partition, parked } => self.unparked(source, partition, parked),
                Input::Evicted { source, partition, below } => {
                    self.evicted((source, partition), below, effects);
                }
                Input::Recalled { source, partition } => self.recalled((source, partition), effects),
                Input::Spent { trigger, until } => self.spent(trigger, until, effects),
                Input::Reloaded { table } => self.reloaded(table, now, effects),
                Input::Drain => self.drain(effects),
            }
        }
        while let Some(timer) = self.timers.pop_due(now) {
            self.wake(timer, now);
        }
        self.fetch(now, effects);
        self.hand_over(effects);
        self.look_at_gates(now, effects);
        effects.extend(self.settled.drain(..).map(|position| Effect::Answer { position }));
        self.pace.look(now, !self.has_room_but_for_remote());
        debug_assert!(self.load.is_consistent(self.deliveries.len()), "what is in flight is active or held");
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

    /// Deliveries in memory that wait for a retry, or behind one.
    pub fn held(&self) -> usize {
        self.load.held()
    }

    pub fn parked(&self) -> usize {
        self.stubs.len()
    }

    pub fn running(&self) -> usize {
        self.load.running()
    }

    pub fn running_remote(&self) -> usize {
        self.load.running_remote()
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn next_due(&self) -> Option<Moment> {
        self.timers.next_due()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How the keys of parked events are made into those of stubs.
    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// What may be committed for a partition; `None`: it is not ours, or others', too.
    pub fn progress(&self, source: Uid, partition: u32) -> Option<Progress> {
        let partition = &self.partitions[self.partitions.index_of(source, partition)?];
        partition.epoch.and_then(|_| partition.incomplete.progress())
    }

    pub(super) fn policy(&self, trigger: u32) -> &Policy {
        self.roster.policy(trigger)
    }

    pub(super) fn offset_of(&self, delivery: Key) -> u64 {
        self.events[self.deliveries[delivery].event].envelope.position.offset
    }

    /// Of one that stands in no lane.
    pub(super) fn set_held(&mut self, key: Key, held: bool) {
        let delivery = &mut self.deliveries[key];
        if delivery.held != held {
            delivery.held = held;
            if held { self.load.hold(delivery.trigger, 1) } else { self.load.release(delivery.trigger, 1) }
        }
    }

    fn wake(&mut self, timer: Timer, now: Moment) {
        match timer {
            Timer::Retry(key) => {
                let due = |d: &&mut super::delivery::Delivery| d.state == State::Retrying && d.due <= now;
                let Some(delivery) = self.deliveries.get_mut(key).filter(due) else { return };
                delivery.state = State::Waiting;
                match (delivery.lane, delivery.trigger) {
                    (Some(lane), _) => {
                        self.release_lane(lane);
                        self.advance(lane);
                    }
                    (None, trigger) => {
                        self.set_held(key, false);
                        self.turns.push(trigger, Ready::Delivery(key));
                    }
                }
            }
            Timer::Lane(lane) => self.lane_due(lane, now),
            Timer::Stub(stub) => self.stub_due(stub, now),
            Timer::Route(trigger) => {
                self.turns.breaker(trigger).wake(now);
                if let Some(gate) = &mut self.turns[trigger].gate {
                    gate.wake(now);
                }
                self.turns.stir(trigger);
                self.turns.give_turn(trigger);
            }
        }
    }

    /// Gives every route its turn until as much runs as may.
    fn hand_over<R>(&mut self, effects: &mut Vec<Effect<R>>) {
        let most = self.limits.running.min(self.pace.limit());
        while self.load.running() < most {
            let Some(trigger) = self.turns.next() else { break };
            self.take_turn(trigger, most - self.load.running(), effects);
        }
        while self.remote_room() > 0 {
            let Some(trigger) = self.turns.next_remote() else { break };
            self.take_turn(trigger, self.remote_room(), effects);
        }
    }

    fn take_turn<R>(&mut self, trigger: u32, room: usize, effects: &mut Vec<Effect<R>>) {
        let mut room = room.min(TURN);
        while let Some((ready, run)) = self.turns.take(trigger, room) {
            room -= match ready {
                Ready::Delivery(key) => self.begin_one(key, effects),
                Ready::Lane(lane) => self.begin_run(lane, run, effects),
            };
        }
        self.turns.give_turn(trigger);
    }

    fn begin_one<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) -> usize {
        // It may have been parked or lost meanwhile.
        if self.deliveries.get(key).is_none_or(|delivery| delivery.state != State::Waiting)
            || self.is_leaving(key)
        {
            return 0;
        }
        if self.roster.is_gone(self.deliveries[key].trigger) {
            self.give_up(key, effects);
        } else {
            self.invoke(key, false, effects);
        }
        1
    }

    /// The lane's first deliveries that may run, together.
    fn begin_run<R>(&mut self, key: LaneKey, room: usize, effects: &mut Vec<Effect<R>>) -> usize {
        if self.lanes.get(key).is_none() {
            return 0;
        }
        self.lanes[key].queued = false;
        let lane = &self.lanes[key];
        if lane.handed > 0 || lane.fetching > 0 || self.partitions[lane.id.partition].leaving {
            return 0;
        }
        let parked = lane.parked.front().map_or(u64::MAX, |&stub| self.stubs[stub].order);
        let runs = |member: &&Key| {
            let delivery = &self.deliveries[**member];
            delivery.state == State::Waiting && delivery.order <= parked
        };
        let count = lane.members.iter().take(room).take_while(runs).count();
        let gone = self.roster.is_gone(lane.id.trigger);
        for n in 0..count {
            let member = self.lanes[key].members[n];
            if gone { self.give_up(member, effects) } else { self.invoke(member, n > 0, effects) }
        }
        self.lanes[key].handed = if gone { 0 } else { count };
        if count == 0 {
            self.advance(key);
        }
        count
    }

    fn invoke<R>(&mut self, key: Key, follows: bool, effects: &mut Vec<Effect<R>>) {
        let delivery = &mut self.deliveries[key];
        assert_eq!(delivery.state, State::Waiting, "a delivery runs once at a time");
        delivery.state = State::Running;
        self.load.handed_over(delivery.trigger);
        self.turns.handed_over(delivery.trigger, key);
        let event = &self.events[delivery.event];
        effects.push(Effect::Invoke {
            delivery: key,
            trigger: self.roster.index(delivery.trigger).expect("what is gone does not run"),
            attempt: delivery.counted.attempts + 1,
            replay: delivery.counted.replay,
            follows,
            envelope: event.envelope.clone(),
            broker: event.broker,
        });
    }

    /// Whatever is next in a lane is made ready: a member of it, or what is parked. An empty lane is forgotten.
    pub(super) fn advance(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get(key) else { return };
        if lane.is_empty() {
            self.lanes.remove(key);
            return;
        }
        if lane.handed > 0 || lane.fetching > 0 {
            return;
        }
        let first = lane.members.front().map(|&member| &self.deliveries[member]);
        let parked = lane.parked.front().map(|&stub| self.stubs[stub].order);
        let parked_first = parked.is_some_and(|order| first.is_none_or(|first| order < first.order));
        if parked_first {
            self.await_parked(key);
        } else if !lane.queued && first.is_some_and(|first| first.state == State::Waiting) {
            let trigger = lane.id.trigger;
            self.lanes[key].queued = true;
            self.turns.push(trigger, Ready::Lane(key));
        }
    }

    /// Its first member waits for a retry, and with it all that stand behind it.
    pub(super) fn hold_lane(&mut self, key: LaneKey) {
        let lane = &mut self.lanes[key];
        lane.is_held = true;
        lane.held = lane.members.len() - lane.handed - lane.parking;
        self.load.hold(lane.id.trigger, lane.held);
    }

    /// One comes to stand in a lane.
    pub(super) fn hold_with_lane(&mut self, key: Key) {
        let delivery = &self.deliveries[key];
        let lane = &mut self.lanes[delivery.lane.expect("it stands in a lane")];
        if lane.is_held {
            lane.held += 1;
            self.load.hold(delivery.trigger, 1);
        }
    }

    /// One is about to be parked.
    pub(super) fn unhold(&mut self, key: Key) {
        let delivery = &self.deliveries[key];
        let Some(lane) = delivery.lane else { return self.set_held(key, false) };
        let lane = &mut self.lanes[lane];
        if lane.is_held {
            lane.held -= 1;
            self.load.release(delivery.trigger, 1);
        }
    }

    pub(super) fn release_lane(&mut self, key: LaneKey) {
        let lane = &mut self.lanes[key];
        lane.is_held = false;
        self.load.release(lane.id.trigger, std::mem::take(&mut lane.held));
    }
}
