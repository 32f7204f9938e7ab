//! Tests of direct sources: each event is answered once, when all of it has ended; nothing of it stays here.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::core_tests::*;
use super::*;
use crate::event::{Envelope, Epoch, Position, Uid};
use crate::time::Moment;

const HTTP: Uid = Uid(3);
const FIRST: u64 = 1 << 40;

/// Senders that wait, and what is said of their events.
struct Senders {
    core: Core,
    now: Moment,
    running: Vec<(Key, u64, u32)>,
    unwritten: Vec<Key>,
    /// Deliveries that are under way, by offset.
    open: BTreeMap<u64, usize>,
    returned: Vec<u64>,
    refused: Vec<(u64, Moment)>,
    answered: Vec<u64>,
}

impl Senders {
    fn new(policies: Vec<Policy>, limits: Limits) -> Senders {
        let core = core_within(policies, limits);
        let mut senders = Senders {
            core,
            now: Moment(0),
            running: vec![],
            unwritten: vec![],
            open: BTreeMap::new(),
            returned: vec![],
            refused: vec![],
            answered: vec![],
        };
        senders.feed([Input::Opened { source: HTTP, partition: 7, epoch: Epoch(1), first: FIRST }]);
        senders
    }

    fn feed(&mut self, inputs: impl IntoIterator<Item = Input<u64>>) {
        let mut effects = Vec::new();
        self.core.step(inputs, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Invoke { delivery, attempt, envelope, .. } => {
                    self.running.push((delivery, envelope.position.offset, attempt));
                }
                Effect::Journal { delivery, report, fate: Fate::Ended { end, record: None } } => {
                    assert!(matches!(end, End::Delivered | End::Returned), "{end:?}");
                    if end == End::Returned {
                        self.returned.push(report);
                    }
                    self.unwritten.push(delivery);
                }
                Effect::Refuse { position, until, .. } => {
                    self.refused.push((position.offset, until));
                    *self.open.get_mut(&position.offset).expect("it came") -= 1;
                }
                Effect::Answer { position } => {
                    assert_eq!(self.open.remove(&position.offset), Some(0), "all of it has ended");
                    self.answered.push(position.offset);
                }
                other => panic!("{other:?} of an event whose sender waits"),
            }
        }
    }

    fn send(&mut self, offset: u64, key: Option<u8>, triggers: usize) {
        let record = envelope(offset, key).record().clone();
        let position = Position { source: HTTP, partition: 7, offset };
        let envelope = Envelope::new(position, Epoch(1), record).unwrap();
        self.open.insert(offset, triggers);
        self.feed([Input::Arrived { envelope, broker: BROKER }]);
    }

    fn finish(&mut self, pick: usize, outcome: Outcome) {
        if self.running.is_empty() {
            return;
        }
        let (delivery, offset, attempt) = self.running.remove(pick % self.running.len());
        assert_eq!(attempt, 1, "it is attempted once");
        self.feed([Input::Attempted { delivery, outcome, retry_after: None, report: offset }]);
    }

    fn write(&mut self, pick: usize) {
        if self.unwritten.is_empty() {
            return;
        }
        let delivery = self.unwritten.remove(pick % self.unwritten.len());
        let offset = self.core.offset_of(delivery);
        *self.open.get_mut(&offset).expect("it came") -= 1;
        self.feed([Input::Journaled { delivery, parked: None }]);
    }

    fn pass_time(&mut self) {
        if let Some(due) = self.core.next_due() {
            self.now = self.now.max(due);
            self.feed([]);
        }
    }
}

proptest! {
    #[test]
    fn each_event_is_answered_once_when_all_of_it_has_ended(
        orders in prop::collection::vec(prop::sample::select(&[Order::Ordered, Order::Key, Order::Unordered][..]), 0..4),
        failures in 0..4_u32,
        steps in prop::collection::vec((0..8_u8, any::<usize>(), 0..6_usize), 1..200),
    ) {
        let trip = (failures > 0).then_some(Trip { failures, wait: Duration::from_secs(1) });
        let policies: Vec<_> = orders.iter().map(|&order| Policy { trip, ..policy(order, 5) }).collect();
        let triggers = policies.len();
        let hold = Limits { held: 2, deliveries: 50, ..Limits::default() };
        let mut senders = Senders::new(policies, hold);
        let mut sent = 0;
        for (step, pick, outcome) in steps {
            match step {
                0..=2 => {
                    senders.send(FIRST + sent, (pick % 4 > 0).then_some((pick % 3) as u8), triggers);
                    sent += 1;
                }
                3..=5 => {
                    let outcomes = [Outcome::ALL, &[Outcome::Succeeded]].concat();
                    // What of a run stands behind a failure has its own chance here: the loop would skip it.
                    senders.finish(pick, outcomes[outcome]);
                }
                6 => senders.write(pick),
                _ => senders.pass_time(),
            }
        }
        for _ in 0..10_000 {
            if senders.core.is_idle() {
                break;
            }
            senders.finish(0, Outcome::Succeeded);
            senders.write(0);
            if senders.running.is_empty() && senders.unwritten.is_empty() {
                senders.pass_time();
            }
        }
        prop_assert!(senders.core.is_idle(), "all of it ends");
        let mut answered = senders.answered.clone();
        answered.sort_unstable();
        prop_assert_eq!(answered, (FIRST..FIRST + sent).collect::<Vec<_>>());
        prop_assert_eq!(senders.core.progress(HTTP, 7).unwrap().watermark, FIRST + sent);
        let counts = senders.core.counts();
        let returned = (senders.returned.len() + senders.refused.len()) as u64;
        prop_assert_eq!((counts.returned, counts.dead_lettered, counts.parked), (returned, 0, 0));
    }
}

#[test]
fn what_nothing_wants_is_answered_at_once() {
    let mut senders = Senders::new(vec![], Limits::default());
    senders.send(FIRST, None, 0);
    assert_eq!(senders.answered, [FIRST]);
}

#[test]
fn while_its_trigger_pauses_a_sender_is_told_until_when() {
    let trip = Some(Trip { failures: 2, wait: Duration::from_secs(1) });
    let mut senders = Senders::new(vec![Policy { trip, ..policy(Order::Unordered, 5) }], Limits::default());
    for offset in FIRST..FIRST + 2 {
        senders.send(offset, None, 1);
        senders.finish(0, Outcome::Retryable);
        senders.write(0);
    }
    senders.send(FIRST + 2, None, 1);
    assert_eq!(senders.refused, [(FIRST + 2, Moment(1_000_000_000))]);
    assert_eq!(senders.answered.len(), 3);
    senders.pass_time();
    senders.send(FIRST + 3, None, 1);
    senders.finish(0, Outcome::Succeeded);
    senders.write(0);
    senders.send(FIRST + 4, None, 1);
    assert_eq!((senders.refused.len(), senders.running.len()), (1, 1), "it goes on");
}

#[test]
fn a_failure_holds_nothing_of_its_key_back() {
    let mut senders = Senders::new(vec![policy(Order::Key, 5)], Limits::default());
    senders.send(FIRST, Some(1), 1);
    senders.send(FIRST + 1, Some(1), 1);
    assert_eq!(senders.running.len(), 1, "one at a time of a key");
    senders.finish(0, Outcome::Trapped);
    assert_eq!((senders.returned.as_slice(), senders.running.len()), (&[FIRST][..], 1));
}

#[test]
fn who_sends_to_a_trigger_whose_budget_is_used_up_is_told_until_when() {
    let flow = Flow { concurrency: Some(1), budget: true, ..Flow::default() };
    let mut senders = Senders::new(vec![Policy { flow, ..policy(Order::Key, 5) }], Limits::default());
    (0..4).for_each(|n| senders.send(FIRST + n, (n < 3).then_some(1), 1));
    assert_eq!(senders.running.len(), 1);
    let until = Moment(86_400_000_000_000);
    senders.feed([Input::Spent { trigger: trigger_uid(0), until: Some(until) }]);
    assert_eq!(senders.refused, [1, 2, 3].map(|n| (FIRST + n, until)), "they wait no longer");
    senders.send(FIRST + 4, None, 1);
    assert_eq!(senders.refused.len(), 4);
    senders.finish(0, Outcome::Retryable);
    senders.write(0);
    assert_eq!((senders.returned.len(), senders.answered.len()), (1, 5));
    assert!(senders.core.is_idle());
}
