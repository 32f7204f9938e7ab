//! Tests of the core: a little world around it that runs whatever it says, in an order drawn by proptest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::turn_tests::{order, turn};
use super::*;
use crate::event::segment::Ended;
use crate::event::{Envelope, Epoch, Event, Position, Uid, Value, record};
use crate::time::Moment;
use crate::trigger::{Filter, Routes};

pub(super) const BROKER: Uid = Uid(1);
pub(super) const QUEUE: Uid = Uid(2);

pub(super) fn trigger_uid(trigger: u32) -> Uid {
    Uid(100 + u128::from(trigger))
}

pub(super) fn trigger_of(uid: Uid) -> u32 {
    (uid.0 - 100) as u32
}

pub(super) fn envelope(offset: u64, key: Option<u8>) -> Envelope {
    envelope_of("order.created", offset, key)
}

pub(super) fn envelope_of(ty: &str, offset: u64, key: Option<u8>) -> Envelope {
    let mut event = Event {
        id: offset.to_string().into(),
        source: "/s".into(),
        ty: ty.into(),
        subject: None,
        time: None,
        dataschema: None,
        datacontenttype: None,
        extensions: vec![],
        data: None,
    };
    if let Some(key) = key {
        event.set_extension("partitionkey", Value::String(key.to_string().into()));
    }
    let mut bytes = Vec::new();
    record::encode(&event, &mut bytes);
    let position = Position { source: QUEUE, partition: 0, offset };
    Envelope::new(position, Epoch(1), bytes.into()).unwrap()
}

/// A core with a trigger for each of these types.
pub(super) fn core_of(triggers: &[(&str, Policy)], limits: Limits) -> Core {
    let filter = |ty: &str| Filter::exact([("type".to_owned(), ty.to_owned())]);
    let routes = Routes::new(triggers.iter().map(|(ty, _)| (BROKER, filter(ty))));
    let uids = (0..triggers.len()).map(|n| trigger_uid(n as u32)).collect();
    let policies = triggers.iter().map(|(_, policy)| policy.clone()).collect();
    let mut core = Core::new(Arc::new(Table { routes, policies, uids, ..Table::default() }), limits);
    assign(&mut core, 1, Progress::default(), vec![], vec![]);
    core
}

pub(super) fn core_within(policies: Vec<Policy>, limits: Limits) -> Core {
    let triggers: Vec<_> = policies.into_iter().map(|policy| ("order.created", policy)).collect();
    core_of(&triggers, limits)
}

pub(super) fn core(policies: Vec<Policy>, deliveries: usize) -> Core {
    core_within(policies, Limits { deliveries, bytes: 1 << 20, ..Limits::default() })
}

pub(super) fn assign(core: &mut Core, epoch: u32, progress: Progress, ended: Vec<Ended>, parked: Vec<Stub>) {
    let epoch = Epoch(epoch);
    let assigned = Input::Assigned { source: QUEUE, partition: 0, epoch, progress, ended, parked };
    core.step([assigned], Moment(0), &mut Vec::<Effect<()>>::new());
}

pub(super) type Report = (u32, u64);

/// A run under way: what it still has to attempt.
pub(super) type Run = VecDeque<(Key, u32, u64, u32)>;

/// What a scribe still has to write down.
#[derive(Debug)]
pub(super) enum Unwritten {
    End(Key),
    Park(Key, Parked),
}

/// Executors, a scribe and a store of parked records that do what they are told, one thing at a time.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Moment,
    pub(super) runs: Vec<Run>,
    /// All that was handed over: the trigger, and when.
    pub(super) begun: Vec<(u32, Moment)>,
    pub(super) unwritten: VecDeque<Unwritten>,
    /// What a restart would find parked, by id.
    pub(super) records: BTreeMap<u64, Parked>,
    pub(super) next_record: u64,
    pub(super) fetches: VecDeque<(StubKey, u64)>,
    /// Successful or last attempts, in order: (trigger, offset).
    pub(super) ended: Vec<(u32, u64)>,
    /// Of triggers that were gone.
    pub(super) given_up: Vec<(u32, u64)>,
    pub(super) fenced: usize,
    pub(super) attempts: BTreeMap<(u32, u64), u32>,
    pub(super) arrived: u64,
    /// Of what has arrived, by offset.
    pub(super) keys: Vec<Option<u8>>,
}

impl World {
    pub(super) fn new(core: Core) -> World {
        World {
            core,
            now: Moment(0),
            runs: vec![],
            begun: vec![],
            unwritten: VecDeque::new(),
            records: BTreeMap::new(),
            next_record: 0,
            fetches: VecDeque::new(),
            ended: vec![],
            given_up: vec![],
            fenced: 0,
            attempts: BTreeMap::new(),
            arrived: 0,
            keys: vec![],
        }
    }

    pub(super) fn feed(&mut self, input: impl IntoIterator<Item = Input<Report>>) {
        let mut effects = Vec::new();
        self.core.step(input, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Invoke { delivery, trigger, attempt, follows, envelope, .. } => {
                    let trigger = trigger_of(self.core.table.uids[trigger as usize]);
                    self.begun.push((trigger, self.now));
                    let begun = (delivery, trigger, envelope.position.offset, attempt);
                    match self.runs.last_mut() {
                        Some(run) if follows => run.push_back(begun),
                        _ => self.runs.push(VecDeque::from([begun])),
                    }
                }
                Effect::Journal { delivery, report, fate } => match fate {
                    Fate::Retried => {}
                    Fate::Fenced => self.fenced += 1,
                    Fate::Parked(parked) => self.unwritten.push_back(Unwritten::Park(delivery, parked)),
                    Fate::Ended { end, record } => {
                        if let Some(record) = record {
                            self.records.remove(&record).expect("it was parked");
                        }
                        if end == End::GivenUp { &mut self.given_up } else { &mut self.ended }.push(report);
                        self.unwritten.push_back(Unwritten::End(delivery));
                    }
                },
                Effect::Park { delivery, parked } => {
                    self.unwritten.push_back(Unwritten::Park(delivery, parked));
                }
                Effect::GiveUp { delivery, trigger, attempts, record, envelope, .. } => {
                    if let Some(record) = record {
                        self.records.remove(&record).expect("it was parked");
                    }
                    let of = (trigger_of(trigger), envelope.position.offset);
                    assert_eq!(attempts, self.attempts.get(&of).copied().unwrap_or_default());
                    self.given_up.push(of);
                    self.unwritten.push_back(Unwritten::End(delivery));
                }
                Effect::Fetch { stub, id, .. } => self.fetches.push_back((stub, id)),
                Effect::Refuse { .. } | Effect::Answer { .. } => unreachable!("nobody waits for an answer"),
            }
        }
    }

    pub(super) fn arrive(&mut self, key: Option<u8>) {
        self.arrive_under(1, key);
    }

    pub(super) fn arrive_under(&mut self, epoch: u32, key: Option<u8>) {
        let mut envelope = envelope(self.arrived, key);
        envelope.epoch = Epoch(epoch);
        self.arrived += 1;
        self.keys.push(key);
        self.feed([Input::Arrived { envelope, broker: BROKER }]);
    }

    pub(super) fn arrive_as(&mut self, ty: &str) {
        let envelope = envelope_of(ty, self.arrived, None);
        self.arrived += 1;
        self.keys.push(None);
        self.feed([Input::Arrived { envelope, broker: BROKER }]);
    }

    /// The first of a run is attempted; a failure ends the run.
    pub(super) fn finish(&mut self, pick: usize, outcome: Outcome) {
        if self.runs.is_empty() {
            return;
        }
        let pick = pick % self.runs.len();
        let run = &mut self.runs[pick];
        let (delivery, trigger, offset, attempt) = run.pop_front().expect("no run is empty");
        let attempts = self.attempts.entry((trigger, offset)).or_default();
        *attempts += 1;
        assert_eq!(*attempts, attempt, "attempts are counted from 1, wherever the delivery has been");
        let report = (trigger, offset);
        let mut inputs = vec![Input::Attempted { delivery, outcome, retry_after: None, report }];
        if outcome != Outcome::Succeeded {
            inputs.extend(run.drain(..).map(|(delivery, ..)| Input::Skipped { delivery }));
        }
        if run.is_empty() {
            self.runs.swap_remove(pick);
        }
        self.feed(inputs);
    }

    pub(super) fn write(&mut self) {
        match self.unwritten.pop_front() {
            None => {}
            Some(Unwritten::End(delivery)) => self.feed([Input::Journaled { delivery, parked: None }]),
            Some(Unwritten::Park(delivery, parked)) => {
                if let Some(was) = parked.was {
                    self.records.remove(&was).expect("it was parked");
                }
                let id = self.next_record;
                self.next_record += 1;
                self.records.insert(id, parked);
                self.feed([Input::Journaled { delivery, parked: Some(id) }]);
            }
        }
    }

    pub(super) fn read(&mut self) {
        if let Some((stub, id)) = self.fetches.pop_front() {
            let Parked { envelope, broker, .. } = self.records[&id].clone();
            self.feed([Input::Fetched { stub, envelope, broker }]);
        }
    }

    pub(super) fn pass_time(&mut self) {
        if let Some(due) = self.core.next_due() {
            self.now = self.now.max(due);
            self.feed([]);
        }
    }

    /// What the next worker is told is parked.
    pub(super) fn stubs(&self) -> Vec<Stub> {
        let keys = self.core.keys();
        let stub = |(&id, parked): (&u64, &Parked)| Stub {
            id,
            offset: parked.envelope.position.offset,
            trigger: parked.trigger,
            key: keys.of(&parked.envelope.event()),
            attempts: parked.attempts,
            failures: parked.failures,
            replay: parked.replay,
            due: parked.due,
            holds: parked.holds,
        };
        self.records.iter().map(stub).collect()
    }

    /// Everything that can happen does, until nothing is left; what runs succeeds.
    /// A world that has not come to rest after so many rounds never will.
    pub(super) fn settle_all(&mut self) {
        let mut rounds = 0;
        while !self.core.is_idle() || self.core.parked() > 0 {
            rounds += 1;
            assert!(rounds < 1_000_000, "never at rest: {:?}", self.core);
            self.finish(0, Outcome::Succeeded);
            self.write();
            self.read();
            if self.runs.is_empty() && self.unwritten.is_empty() && self.fetches.is_empty() {
                self.pass_time();
            }
        }
    }

    pub(super) fn running(&self) -> Vec<u64> {
        self.runs.iter().flatten().map(|&(_, _, offset, _)| offset).collect()
    }
}

pub(super) fn policy(order: Order, retry: u32) -> Policy {
    Policy { order, retry, delay: Duration::from_millis(10), ..Policy::default() }
}

#[test]
fn an_event_that_nothing_wants_settles_at_once() {
    let mut world = World::new(core(vec![], 10));
    world.arrive(None);
    assert!(world.core.is_idle());
    assert_eq!(world.core.counts().unrouted, 1);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 1);
}

#[test]
fn an_event_settles_when_its_last_delivery_is_durable() {
    let mut world = World::new(core(vec![policy(Order::Key, 0), policy(Order::Key, 0)], 10));
    world.arrive(None);
    world.finish(0, Outcome::Succeeded);
    world.finish(0, Outcome::Permanent);
    world.write();
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 0);
    world.write();
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 1);
    assert_eq!((world.core.counts().delivered, world.core.counts().dead_lettered), (1, 1));
}

#[test]
fn a_slow_disk_does_not_make_for_little_in_flight() {
    let latency = Some(Duration::from_millis(10));
    let limits = Limits { deliveries: 1_000, latency, executors: 2, ..Limits::default() };
    let mut world = World::new(core_within(vec![policy(Order::Unordered, 0)], limits));
    let mut batch = 0;
    for _ in 0..50 {
        // All there is room for is attempted at once, and then on its way to the disk for 50 ms.
        let begun = world.attempts.len();
        while world.core.has_room() {
            world.arrive(None);
            while !world.runs.is_empty() {
                world.finish(0, Outcome::Succeeded);
            }
        }
        batch = world.attempts.len() - begun;
        world.now = world.now.after(Duration::from_millis(50));
        while !world.unwritten.is_empty() {
            world.write();
        }
    }
    assert_eq!(batch, 1_000, "events that are written together");
}

#[test]
fn a_retry_waits_for_its_time_and_holds_only_its_key() {
    let mut world = World::new(core(vec![policy(Order::Key, 1)], 10));
    world.arrive(Some(7));
    world.arrive(Some(7));
    world.arrive(Some(8));
    assert_eq!(world.running().len(), 2);
    world.finish(0, Outcome::Retryable);
    world.finish(0, Outcome::Succeeded);
    assert_eq!(world.ended, [(0, 2)]);
    assert!(world.runs.is_empty());
    world.pass_time();
    world.finish(0, Outcome::Trapped);
    // The second failure is the last: the next of the key waits until the dead letter is durable.
    assert!(world.runs.is_empty());
    world.write();
    world.write();
    assert_eq!(world.running().len(), 1);
    world.settle_all();
    assert_eq!(world.ended, [(0, 2), (0, 0), (0, 1)]);
}

#[test]
fn room_is_bounded_and_comes_back() {
    let mut world = World::new(core(vec![policy(Order::Unordered, 0)], 2));
    world.arrive(None);
    assert!(world.core.has_room());
    world.arrive(None);
    assert!(!world.core.has_room());
    world.settle_all();
    assert!(world.core.has_room());
    assert_eq!(world.core.deliveries_in_flight(), 0);
}

#[test]
fn what_was_settled_before_a_restart_is_not_run_again() {
    let mut world = World::new(core(vec![policy(Order::Key, 0)], 10));
    let progress = Progress { watermark: 1, runs: vec![(2, 1)] };
    assign(&mut world.core, 1, progress, vec![], vec![]);
    (0..4).for_each(|_| world.arrive(None));
    world.settle_all();
    assert_eq!(world.ended, [(0, 1), (0, 3)]);
    assert_eq!(world.core.counts().repeated, 2);
}

#[test]
fn a_delivery_that_ended_before_a_crash_is_not_run_again() {
    let mut world = World::new(core(vec![policy(Order::Key, 0), policy(Order::Key, 0)], 10));
    let ended = vec![
        Ended { offset: 0, trigger: trigger_uid(1) },
        Ended { offset: 1, trigger: trigger_uid(0) },
        Ended { offset: 1, trigger: trigger_uid(1) },
    ];
    let progress = Progress::default();
    assign(&mut world.core, 1, progress, ended, vec![]);
    (0..3).for_each(|_| world.arrive(None));
    world.settle_all();
    world.ended.sort();
    assert_eq!(world.ended, [(0, 0), (0, 2), (1, 2)]);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 3);
    assert_eq!(world.core.counts().unrouted, 0);
}

#[test]
fn a_key_waits_in_its_own_partition_alone() {
    let mut world = World::new(core(vec![policy(Order::Key, 0), policy(Order::Ordered, 0)], 10));
    let progress = Progress { watermark: 10, runs: vec![] };
    let epoch = Epoch(1);
    world.feed([Input::Assigned {
        source: QUEUE,
        partition: 1,
        epoch,
        progress,
        ended: vec![],
        parked: vec![],
    }]);
    let arrive = |world: &mut World, partition: u32, offset: u64| {
        let mut envelope = envelope(offset, Some(7));
        envelope.position.partition = partition;
        world.feed([Input::Arrived { envelope, broker: BROKER }]);
    };
    arrive(&mut world, 0, 0);
    arrive(&mut world, 1, 10);
    assert_eq!(world.running().len(), 4);
    arrive(&mut world, 1, 11);
    assert_eq!(world.running().len(), 4);
    world.settle_all();
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 1);
    assert_eq!(world.core.progress(QUEUE, 1).unwrap().watermark, 12);
}

#[test]
fn a_partition_that_is_assigned_again_starts_from_its_new_progress() {
    let mut world = World::new(core(vec![policy(Order::Key, 0)], 10));
    world.arrive(None);
    world.settle_all();
    let progress = Progress { watermark: 5, runs: vec![] };
    assign(&mut world.core, 1, progress, vec![], vec![]);
    (0..6).for_each(|_| world.arrive(None));
    world.settle_all();
    assert_eq!(world.core.counts().repeated, 4);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 7);
}

proptest! {
    /// Whatever fails, in whatever order things come back: the watermark never passes what is not settled, every
    /// delivery ends once, attempts stay within the policy, and lanes end in order.
    #[test]
    fn the_laws_hold(
        turns in prop::collection::vec(turn(), 1..300),
        orders in prop::collection::vec(order(), 1..3),
    ) {
        const RETRIES: u32 = 2;
        let policies: Vec<_> = orders.iter().map(|&order| policy(order, RETRIES)).collect();
        let mut world = World::new(core(policies, 1 << 20));
        for turn in turns {
            world.take(&turn);
            let watermark = world.core.progress(QUEUE, 0).unwrap().watermark;
            for offset in 0..watermark {
                let ended = world.ended.iter().filter(|(_, o)| *o == offset).count();
                prop_assert_eq!(ended, orders.len(), "the watermark passed {}", offset);
            }
        }
        world.settle_all();
        prop_assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, world.arrived);
        prop_assert_eq!(world.ended.len() as u64, world.arrived * orders.len() as u64);
        prop_assert!(world.attempts.values().all(|&attempts| attempts <= RETRIES + 1));
        for (trigger, order) in (0..).zip(orders) {
            world.assert_in_order(trigger, order, 0);
        }
    }
}
