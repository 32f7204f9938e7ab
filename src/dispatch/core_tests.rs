//! Tests of the core: a little world around it that runs whatever it says, in an order drawn by proptest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::segment::Ended;
use crate::event::{Envelope, Epoch, Event, Position, Uid, Value, record};
use crate::time::Moment;
use crate::trigger::{Filter, Routes};

const BROKER: Uid = Uid(1);
const QUEUE: Uid = Uid(2);

fn trigger_uid(trigger: u32) -> Uid {
    Uid(100 + u128::from(trigger))
}

fn envelope(offset: u64, key: Option<u8>) -> Envelope {
    let mut event = Event {
        id: offset.to_string().into(),
        source: "/s".into(),
        ty: "order.created".into(),
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

fn core(policies: Vec<Policy>, deliveries: usize) -> Core {
    let filter = || Filter::exact([("type".to_owned(), "order.created".to_owned())]);
    let routes = Routes::new(policies.iter().map(|_| (BROKER, filter())));
    let uids = (0..policies.len()).map(|n| trigger_uid(n as u32)).collect();
    let mut core =
        Core::new(Arc::new(Table { routes, policies, uids }), Limits { deliveries, bytes: 1 << 20 });
    let assigned =
        Input::Assigned { source: QUEUE, partition: 0, progress: Progress::default(), ended: vec![] };
    core.step([assigned], Moment(0), &mut Vec::<Effect<()>>::new());
    core
}

/// Executors and a scribe that do what they are told, one thing at a time.
struct World {
    core: Core,
    now: Moment,
    running: Vec<(Key, u32, u64, u32)>,
    unwritten: VecDeque<Key>,
    /// Successful or last attempts, in order: (trigger, offset).
    ended: Vec<(u32, u64)>,
    attempts: BTreeMap<(u32, u64), u32>,
    arrived: u64,
}

impl World {
    fn new(core: Core) -> World {
        World {
            core,
            now: Moment(0),
            running: vec![],
            unwritten: VecDeque::new(),
            ended: vec![],
            attempts: BTreeMap::new(),
            arrived: 0,
        }
    }

    fn feed(&mut self, input: Option<Input<(u32, u64)>>) {
        let mut effects = Vec::new();
        self.core.step(input, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Invoke { delivery, trigger, attempt, envelope, .. } => {
                    let offset = envelope.position.offset;
                    *self.attempts.entry((trigger, offset)).or_default() += 1;
                    assert_eq!(self.attempts[&(trigger, offset)], attempt, "attempts are counted from 1");
                    self.running.push((delivery, trigger, offset, attempt));
                }
                Effect::Journal { delivery, report, end } => {
                    if end.is_some() {
                        self.ended.push(report);
                        self.unwritten.push_back(delivery);
                    }
                }
            }
        }
    }

    fn arrive(&mut self, key: Option<u8>) {
        let envelope = envelope(self.arrived, key);
        self.arrived += 1;
        self.feed(Some(Input::Arrived { envelope, broker: BROKER }));
    }

    fn finish(&mut self, pick: usize, outcome: Outcome) {
        if self.running.is_empty() {
            return;
        }
        let (delivery, trigger, offset, _) = self.running.remove(pick % self.running.len());
        self.feed(Some(Input::Attempted { delivery, outcome, report: (trigger, offset) }));
    }

    fn write(&mut self) {
        if let Some(delivery) = self.unwritten.pop_front() {
            self.feed(Some(Input::Journaled { delivery }));
        }
    }

    fn pass_time(&mut self) {
        if let Some(due) = self.core.next_due() {
            self.now = self.now.max(due);
            self.feed(None);
        }
    }

    fn settle_all(&mut self) {
        while !self.core.is_idle() {
            self.finish(0, Outcome::Succeeded);
            self.write();
            if self.running.is_empty() && self.unwritten.is_empty() {
                self.pass_time();
            }
        }
    }
}

fn policy(order: Order, retry: u32) -> Policy {
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
fn a_retry_waits_for_its_time_and_holds_only_its_key() {
    let mut world = World::new(core(vec![policy(Order::Key, 1)], 10));
    world.arrive(Some(7));
    world.arrive(Some(7));
    world.arrive(Some(8));
    assert_eq!(world.running.len(), 2);
    world.finish(0, Outcome::Retryable);
    world.finish(0, Outcome::Succeeded);
    assert_eq!(world.ended, [(0, 2)]);
    assert!(world.running.is_empty());
    world.pass_time();
    world.finish(0, Outcome::Trapped);
    // The second failure is the last: the next of the key waits until the dead letter is durable.
    assert!(world.running.is_empty());
    world.write();
    world.write();
    assert_eq!(world.running.len(), 1);
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
    world.feed(Some(Input::Assigned { source: QUEUE, partition: 0, progress, ended: vec![] }));
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
    world.feed(Some(Input::Assigned { source: QUEUE, partition: 0, progress, ended }));
    (0..3).for_each(|_| world.arrive(None));
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (0, 2), (1, 2)]);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 3);
    assert_eq!(world.core.counts().unrouted, 0);
}

#[test]
fn a_key_waits_in_its_own_partition_alone() {
    let mut world = World::new(core(vec![policy(Order::Key, 0), policy(Order::Ordered, 0)], 10));
    let progress = Progress { watermark: 10, runs: vec![] };
    world.feed(Some(Input::Assigned { source: QUEUE, partition: 1, progress, ended: vec![] }));
    let arrive = |world: &mut World, partition: u32, offset: u64| {
        let mut envelope = envelope(offset, Some(7));
        envelope.position.partition = partition;
        world.feed(Some(Input::Arrived { envelope, broker: BROKER }));
    };
    arrive(&mut world, 0, 0);
    arrive(&mut world, 1, 10);
    assert_eq!(world.running.len(), 4);
    arrive(&mut world, 1, 11);
    assert_eq!(world.running.len(), 4);
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
    world.feed(Some(Input::Assigned { source: QUEUE, partition: 0, progress, ended: vec![] }));
    (0..6).for_each(|_| world.arrive(None));
    world.settle_all();
    assert_eq!(world.core.counts().repeated, 4);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 7);
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(Option<u8>),
    Finish(usize, Outcome),
    Write,
    PassTime,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(Outcome::ALL);
    prop_oneof![
        prop::option::of(0u8..3).prop_map(Step::Arrive),
        (any::<usize>(), outcome).prop_map(|(pick, outcome)| Step::Finish(pick, outcome)),
        Just(Step::Write),
        Just(Step::PassTime),
    ]
}

proptest! {
    /// Whatever fails, in whatever order things come back: the watermark never passes what is not settled, every
    /// delivery ends once, attempts stay within the policy, and lanes end in order.
    #[test]
    fn the_laws_hold(
        steps in prop::collection::vec(step(), 1..300),
        orders in prop::collection::vec(prop::sample::select(vec![Order::Ordered, Order::Key, Order::Unordered]), 1..3),
    ) {
        const RETRIES: u32 = 2;
        let policies: Vec<_> = orders.iter().map(|&order| policy(order, RETRIES)).collect();
        let mut world = World::new(core(policies, 1 << 20));
        let mut keys = HashMap::new();
        for step in steps {
            match step {
                Step::Arrive(key) => {
                    keys.insert(world.arrived, key);
                    world.arrive(key);
                }
                Step::Finish(pick, outcome) => world.finish(pick, outcome),
                Step::Write => world.write(),
                Step::PassTime => world.pass_time(),
            }
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
        for (trigger, order) in orders.iter().enumerate() {
            let mut last: HashMap<Option<u8>, u64> = HashMap::new();
            for (_, offset) in world.ended.iter().filter(|(t, _)| *t as usize == trigger) {
                let lane = match order {
                    Order::Ordered => Some(0),
                    Order::Key => keys[offset],
                    Order::Unordered => None,
                };
                if lane.is_some() {
                    prop_assert!(last.insert(lane, *offset).is_none_or(|before| before < *offset));
                }
            }
        }
    }
}
