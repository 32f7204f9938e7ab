//! Sources that others share: each event is answered for once, when all of it has ended, in whatever order events come; what
//! is parked of them is nobody's until it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::core_tests::{BROKER, core_within, envelope, policy};
use super::*;
use crate::event::{Envelope, Epoch, Uid};
use crate::time::Moment;

const NATS: Uid = Uid(9);

struct Share {
    core: Core,
    now: Moment,
    running: Vec<Key>,
    unwritten: Vec<(Key, Option<u64>)>,
    /// What is parked, at NATS, and what of that is here.
    parked: BTreeMap<u64, Parked>,
    here: BTreeSet<u64>,
    records: u64,
    open: BTreeSet<u64>,
    answered: usize,
    arrived: usize,
}

impl Share {
    fn new(policies: Vec<Policy>, limits: Limits) -> Share {
        let mut share = Share {
            core: core_within(policies, limits),
            now: Moment(0),
            running: vec![],
            unwritten: vec![],
            parked: BTreeMap::new(),
            here: BTreeSet::new(),
            records: 0,
            open: BTreeSet::new(),
            answered: 0,
            arrived: 0,
        };
        share.feed([Input::Shared { source: NATS, partition: 0, epoch: Epoch(1) }]);
        share
    }

    fn feed(&mut self, inputs: impl IntoIterator<Item = Input<()>>) {
        let mut effects = Vec::new();
        self.core.step(inputs, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Invoke { delivery, follows, .. } => {
                    assert!(!follows, "nothing waits for anything");
                    self.running.push(delivery);
                }
                Effect::Journal { delivery, fate, .. } => match fate {
                    Fate::Retried => {}
                    Fate::Ended { record, .. } => {
                        if let Some(id) = record {
                            self.over(id);
                        }
                        self.unwritten.push((delivery, None));
                    }
                    Fate::Parked(parked) => self.park(delivery, parked),
                    Fate::Fenced => panic!("nothing is lost here"),
                },
                Effect::Park { delivery, parked } => self.park(delivery, parked),
                Effect::Fetch { stub, id, .. } => {
                    let Parked { envelope, broker, .. } = self.parked[&id].clone();
                    self.feed([Input::Fetched { stub, envelope, broker }]);
                }
                Effect::Answer { position } => {
                    assert!(self.open.remove(&position.offset), "{position:?} was answered for before");
                    self.answered += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn over(&mut self, id: u64) {
        assert!(self.parked.remove(&id).is_some() && self.here.remove(&id), "{id} is done once, and here");
    }

    fn park(&mut self, delivery: Key, parked: Parked) {
        if let Some(was) = parked.was {
            self.over(was);
        }
        self.records += 1;
        self.parked.insert(self.records, parked);
        self.unwritten.push((delivery, Some(self.records)));
    }

    fn arrive(&mut self, offset: u64, key: Option<u8>) {
        let Envelope { mut position, epoch, .. } = envelope(offset, key);
        position.source = NATS;
        let envelope = Envelope::new(position, epoch, envelope(offset, key).record().clone()).unwrap();
        self.arrived += usize::from(self.open.insert(offset));
        self.feed([Input::Arrived { envelope, broker: BROKER }]);
    }

    fn finish(&mut self, pick: usize, outcome: Outcome) {
        if !self.running.is_empty() {
            let delivery = self.running.remove(pick % self.running.len());
            self.feed([Input::Attempted { delivery, outcome, retry_after: None, report: () }]);
        }
    }

    fn write(&mut self) {
        let inputs: Vec<_> = std::mem::take(&mut self.unwritten)
            .into_iter()
            .map(|(delivery, parked)| Input::Journaled { delivery, parked })
            .collect();
        self.feed(inputs);
    }

    /// NATS hands out what is parked, once it is due.
    fn hand_out(&mut self) {
        let written = |id: &u64| !self.unwritten.iter().any(|(_, parked)| *parked == Some(*id));
        let due: Vec<u64> = self.parked.keys().filter(|id| !self.here.contains(*id)).copied().collect();
        for id in due.into_iter().filter(written).collect::<Vec<_>>() {
            let parked = &self.parked[&id];
            let stub = Stub {
                id,
                offset: parked.envelope.position.offset,
                trigger: parked.trigger,
                key: self.core.keys().of(&parked.envelope.event()),
                attempts: parked.attempts,
                failures: parked.failures,
                replay: parked.replay,
                due: self.now,
                holds: parked.holds,
            };
            self.here.insert(id);
            self.feed([Input::Unparked { source: NATS, partition: 0, parked: vec![stub] }]);
        }
    }

    fn pass_time(&mut self) {
        self.now = self.now.after(Duration::from_secs(100));
        self.feed([]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64, Option<u8>),
    Finish(usize, Outcome),
    Write,
    HandOut,
    PassTime,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(Outcome::ALL);
    prop_oneof![
        3 => (0u64..40, prop::option::of(0u8..3)).prop_map(|(offset, key)| Step::Arrive(offset, key)),
        3 => (any::<usize>(), outcome).prop_map(|(pick, outcome)| Step::Finish(pick, outcome)),
        2 => Just(Step::Write),
        1 => Just(Step::HandOut),
        1 => Just(Step::PassTime),
    ]
}

proptest! {
    #[test]
    fn each_event_is_answered_for_once_and_what_is_parked_comes_back(
        steps in prop::collection::vec(step(), 1..200),
        orders in prop::collection::vec(prop::sample::select(vec![Order::Key, Order::Unordered]), 1..3),
        held in 0usize..6, running in 1usize..6,
    ) {
        let policies: Vec<_> = orders.iter().map(|&order| policy(order, 2)).collect();
        let limits = Limits { running, held, bytes: 1 << 20, ..Limits::default() };
        let mut share = Share::new(policies, limits);
        for step in steps {
            match step {
                Step::Arrive(offset, key) => share.arrive(offset, key),
                Step::Finish(pick, outcome) => share.finish(pick, outcome),
                Step::Write => share.write(),
                Step::HandOut => share.hand_out(),
                Step::PassTime => share.pass_time(),
            }
        }
        for _ in 0..2000 {
            if share.open.is_empty() && share.parked.is_empty() && share.unwritten.is_empty() { break; }
            share.finish(0, Outcome::Succeeded);
            share.write();
            share.hand_out();
            share.pass_time();
        }
        prop_assert!(share.open.is_empty() && share.parked.is_empty(), "it never ends");
        prop_assert_eq!(share.answered, share.arrived);
        prop_assert_eq!((share.core.events_in_flight(), share.core.parked()), (0, 0));
    }

    #[test]
    fn what_has_begun_is_over_before_it_is_given_back(
        steps in prop::collection::vec(step(), 1..100), running in 1usize..6,
    ) {
        let limits = Limits { running, bytes: 1 << 20, ..Limits::default() };
        let mut share = Share::new(vec![policy(Order::Unordered, 2); 2], limits);
        for step in steps {
            match step {
                Step::Arrive(offset, key) => share.arrive(offset, key),
                Step::Finish(pick, outcome) => share.finish(pick, outcome),
                Step::Write => share.write(),
                Step::HandOut => share.hand_out(),
                Step::PassTime => share.pass_time(),
            }
        }
        share.feed([Input::Recalled { source: NATS, partition: 0 }]);
        let running = share.running.len();
        for _ in 0..running {
            share.finish(0, Outcome::Retryable);
        }
        prop_assert!(share.running.is_empty(), "nothing more is begun");
        share.write();
        prop_assert!(share.core.is_quiet(NATS, 0));
        share.feed([Input::Revoked { source: NATS, partition: 0 }]);
        prop_assert_eq!((share.core.events_in_flight(), share.core.parked()), (0, 0));
    }
}
