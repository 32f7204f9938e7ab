//! Tests of what a change of the triggers makes of what is in flight, in whatever state it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::core_tests::*;
use super::turn_tests::{Turn, order, turn};
use super::*;
use crate::trigger::{Filter, Routes};

/// Holds nothing back for long, and never pauses.
fn patient(order: Order) -> Policy {
    Policy { trip: None, ..policy(order, 9) }
}

/// Of these triggers, all of which take every event.
fn table(triggers: &[(u32, Policy)]) -> Arc<Table> {
    Arc::new(Table {
        routes: Routes::new(triggers.iter().map(|_| (BROKER, Filter::exact([])))),
        policies: triggers.iter().map(|(_, policy)| policy.clone()).collect(),
        uids: triggers.iter().map(|(trigger, _)| trigger_uid(*trigger)).collect(),
        ..Table::default()
    })
}

fn reload(world: &mut World, triggers: &[(u32, Policy)]) {
    world.feed([Input::Reloaded { table: table(triggers) }]);
}

fn world(policies: &[Policy]) -> World {
    World::new(core(policies.to_vec(), 100))
}

#[test]
fn what_arrives_is_routed_by_the_set_in_force_and_what_was_routed_before_is_not_routed_again() {
    let mut world = world(&[patient(Order::Key), patient(Order::Key)]);
    world.arrive(None);
    reload(&mut world, &[(2, patient(Order::Key)), (1, patient(Order::Key))]);
    world.arrive(None);
    world.settle_all();
    world.ended.sort_unstable();
    // What ran when its trigger went has ended as ever.
    assert_eq!(world.ended, [(0, 0), (1, 0), (1, 1), (2, 1)]);
    assert_eq!((world.given_up.len(), world.core.progress(QUEUE, 0).unwrap().watermark), (0, 2));
}

#[test]
fn what_runs_ends_as_it_does_and_what_would_run_again_is_given_up() {
    let mut world = world(&[patient(Order::Unordered)]);
    (0..3).for_each(|_| world.arrive(None));
    reload(&mut world, &[]);
    assert_eq!(world.given_up.len(), 0);
    world.finish(0, Outcome::Succeeded);
    world.finish(0, Outcome::Permanent);
    world.finish(0, Outcome::Trapped);
    (0..3).for_each(|_| world.write());
    assert_eq!((world.ended.len(), world.given_up.len()), (2, 1));
    assert!(world.core.is_idle());
    assert_eq!((world.core.counts().delivered, world.core.counts().dead_lettered), (1, 2));
}

#[test]
fn what_waits_for_its_turn_behind_one_that_runs_is_given_up_when_that_has_ended() {
    let mut world = world(&[patient(Order::Key), patient(Order::Key)]);
    (0..4).for_each(|_| world.arrive(Some(1)));
    reload(&mut world, &[(1, patient(Order::Key))]);
    let ran = world.runs.iter().position(|run| run[0].1 == 0).unwrap();
    world.finish(ran, Outcome::Succeeded);
    assert_eq!(world.given_up, [(0, 1), (0, 2), (0, 3)]);
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)]);
    assert_eq!(world.core.lanes(), 0);
}

#[test]
fn what_follows_in_a_run_that_fails_is_given_up_with_it() {
    let mut world = world(&[patient(Order::Ordered)]);
    (0..4).for_each(|_| world.arrive(None));
    world.finish(0, Outcome::Succeeded);
    assert_eq!(world.running(), [1, 2, 3]);
    reload(&mut world, &[]);
    world.finish(0, Outcome::Retryable);
    world.settle_all();
    assert_eq!((world.ended, world.given_up), (vec![(0, 0)], vec![(0, 1), (0, 2), (0, 3)]));
}

#[test]
fn what_waits_for_a_retry_is_given_up_at_once_with_all_that_it_holds() {
    for order in [Order::Key, Order::Ordered, Order::Unordered] {
        let mut world = world(&[patient(order)]);
        (0..3).for_each(|_| world.arrive(Some(1)));
        while !world.runs.is_empty() {
            world.finish(0, Outcome::Retryable);
        }
        assert_eq!(world.core.held(), 3);
        reload(&mut world, &[]);
        assert_eq!(world.given_up.len(), 3, "{order:?}");
        (0..3).for_each(|_| world.write());
        assert!(world.core.is_idle() && world.core.held() == 0 && world.core.lanes() == 0);
    }
}

/// Parks all that has arrived with the one key.
fn park(world: &mut World, count: u64) {
    (0..count).for_each(|_| world.arrive(Some(1)));
    world.finish(0, Outcome::Retryable);
    world.feed([Input::Evicted { source: QUEUE, partition: 0, below: count }]);
}

#[test]
fn what_is_parked_is_fetched_and_given_up_whatever_it_was_due() {
    let late = Policy { delay: Duration::from_secs(500), ..patient(Order::Key) };
    let mut world = world(&[late]);
    park(&mut world, 3);
    (0..3).for_each(|_| world.write());
    assert_eq!((world.core.parked(), world.core.is_idle()), (3, true));
    reload(&mut world, &[]);
    assert_eq!(world.fetches.len(), 3);
    (0..3).for_each(|_| world.read());
    assert_eq!(world.given_up, [(0, 0), (0, 1), (0, 2)]);
    (0..3).for_each(|_| world.write());
    assert!(world.core.is_idle() && world.core.parked() == 0);
    assert!(world.records.is_empty() && world.core.lanes() == 0);
}

#[test]
fn what_is_being_parked_or_fetched_when_its_trigger_goes_is_given_up_too() {
    let late = Policy { delay: Duration::from_millis(100), ..patient(Order::Key) };
    let mut world = world(&[late]);
    park(&mut world, 3);
    world.write();
    reload(&mut world, &[]);
    (0..2).for_each(|_| world.write());
    world.settle_all();
    assert_eq!((world.given_up.len(), world.ended.len()), (3, 0));

    let mut world = self::world(&[patient(Order::Key)]);
    park(&mut world, 3);
    (0..3).for_each(|_| world.write());
    world.pass_time();
    assert_eq!(world.fetches.len(), 3);
    world.read();
    reload(&mut world, &[]);
    world.finish(0, Outcome::Retryable);
    world.settle_all();
    assert_eq!(world.given_up, [(0, 0), (0, 1), (0, 2)]);
    assert!(world.records.is_empty());
}

#[test]
fn what_a_pause_holds_back_is_given_up_and_the_pause_is_over() {
    let trip = Some(Trip { failures: 2, wait: Duration::from_secs(1) });
    let failing = Policy { trip, ..patient(Order::Unordered) };
    let mut world = world(&[failing.clone(), patient(Order::Unordered)]);
    (0..2).for_each(|_| world.arrive(None));
    while let Some(at) = world.runs.iter().position(|run| run[0].1 == 0) {
        world.finish(at, Outcome::Trapped);
    }
    assert_eq!(world.core.counts().pauses, 1);
    (0..3).for_each(|_| world.arrive(None));
    reload(&mut world, &[(1, patient(Order::Unordered))]);
    assert_eq!(world.given_up.len(), 5);
    // Back again while that is being written, it runs as ever.
    reload(&mut world, &[(0, failing), (1, patient(Order::Unordered))]);
    world.arrive(None);
    assert!(world.runs.iter().any(|run| run[0].1 == 0));
    world.settle_all();
    assert_eq!((world.ended.len(), world.given_up.len()), (7, 5));
}

#[test]
fn a_pause_ends_where_nothing_says_any_more_how_long_it_is() {
    let trip = Some(Trip { failures: 1, wait: Duration::from_secs(60) });
    let mut world = world(&[Policy { trip, ..patient(Order::Unordered) }]);
    world.arrive(None);
    world.finish(0, Outcome::Trapped);
    world.arrive(None);
    assert!(world.runs.is_empty());
    reload(&mut world, &[(0, patient(Order::Unordered))]);
    assert_eq!(world.running(), [1]);
    world.settle_all();
}

#[test]
fn a_changed_policy_holds_for_what_is_in_flight_and_a_new_order_for_what_comes() {
    let mut world = world(&[patient(Order::Unordered)]);
    (0..2).for_each(|_| world.arrive(Some(1)));
    world.finish(0, Outcome::Retryable);
    reload(&mut world, &[(0, Policy { retry: 0, ..patient(Order::Key) })]);
    (0..2).for_each(|_| world.arrive(Some(1)));
    assert_eq!(world.running(), [1, 2], "the first of the lane, and who was under way without one");
    world.finish(0, Outcome::Retryable);
    assert_eq!(world.ended, [(0, 1)], "no retry is left");
    world.settle_all();
    assert_eq!((world.ended.len(), world.given_up.len()), (4, 0));
}

#[test]
fn a_replay_for_a_trigger_that_went_meanwhile_becomes_a_dead_letter_again() {
    let mut world = world(&[patient(Order::Key), patient(Order::Key)]);
    reload(&mut world, &[(1, patient(Order::Key))]);
    let parked = Parked {
        trigger: trigger_uid(0),
        attempts: 0,
        failures: 0,
        replay: 1,
        due: crate::time::Moment(1 << 60),
        holds: false,
        was: None,
        envelope: envelope(0, Some(1)),
        broker: BROKER,
    };
    // Nobody knows the other: it may have come and gone.
    let unknown = Parked { trigger: trigger_uid(77), ..parked.clone() };
    world.records.extend([(5, parked), (6, unknown)]);
    let parked = world.stubs();
    world.feed([Input::Unparked { source: QUEUE, partition: 0, parked }]);
    world.settle_all();
    assert_eq!(world.given_up, [(0, 0), (77, 0)]);
    // Both are forgotten, and their numbers are others'.
    let end = world.core.roster.end();
    for n in 0..10 {
        reload(&mut world, &[(100 + n, patient(Order::Key)), (200 + n, patient(Order::Key))]);
    }
    assert!(world.core.roster.end() <= end + 2);
}

#[test]
fn a_worker_that_stops_fetches_nothing_for_what_is_gone() {
    let mut world = world(&[patient(Order::Key)]);
    park(&mut world, 2);
    (0..2).for_each(|_| world.write());
    world.arrive(Some(2));
    world.finish(0, Outcome::Retryable);
    world.feed([Input::Drain]);
    reload(&mut world, &[]);
    while !world.core.is_idle() {
        world.write();
    }
    // The next start makes letters of them.
    assert!(world.fetches.is_empty() && world.core.parked() >= 2);
}

#[derive(Clone, Debug)]
enum Step {
    Turn(Turn),
    Evict,
    /// The triggers that there are, by their bits, and what they say.
    Reload(u32, Vec<Policy>),
}

const TRIGGERS: u32 = 4;
const RETRIES: u32 = 2;

fn any_policy() -> impl Strategy<Value = Policy> {
    let hold = prop::sample::select(vec![(0, 0), (50, 1), (50, 1000)]);
    let rate = (1u32..200).prop_map(|count| Rate { count, per: Duration::from_secs(1), burst: 2 });
    let flow = (prop::option::of(1usize..3), prop::option::of(rate));
    let flow = flow.prop_map(|(concurrency, rate)| Flow { concurrency, rate, budget: false });
    (order(), hold, prop::option::of(1u32..4), flow).prop_map(|(order, (time, deliveries), trip, flow)| {
        Policy {
            flow,
            hold: Hold { time: Duration::from_millis(time), deliveries },
            trip: trip.map(|failures| Trip { failures, wait: Duration::from_millis(30) }),
            ..policy(order, RETRIES)
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let policies = prop::collection::vec(any_policy(), TRIGGERS as usize);
    prop_oneof![
        14 => turn().prop_map(Step::Turn),
        1 => Just(Step::Evict),
        1 => (0..1u32 << TRIGGERS, policies).prop_map(|(mask, policies)| Step::Reload(mask, policies)),
    ]
}

proptest! {
    /// Whenever the triggers change, and whatever is in flight then: each event ends once at each trigger of the one set
    /// that it was routed by; it is given up only where its trigger was gone since; a trigger that stays as it is loses no
    /// order; and nothing is left behind.
    #[test]
    fn every_event_ends_once_at_each_trigger_of_one_set(
        first in prop::collection::vec(any_policy(), TRIGGERS as usize),
        steps in prop::collection::vec(step(), 1..200),
        parked in prop::sample::select(vec![0usize, 3, 1000]),
    ) {
        let limits = Limits { deliveries: 40, held: 10, parked, running: 6, ..Limits::default() };
        let mut world = World::new(core_within(first.clone(), limits));
        // By event: the triggers of its set. By trigger: the event before which it was last gone, or said another order.
        let mut routed: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        let mut gone: HashMap<u32, u64> = HashMap::new();
        let mut reordered: HashMap<u32, u64> = HashMap::new();
        let mut policies: BTreeMap<u32, Policy> = (0..).zip(first).collect();
        for step in steps {
            match step {
                Step::Turn(Turn::Arrive(_)) if !world.core.has_room() => {}
                Step::Turn(turn) => {
                    if matches!(turn, Turn::Arrive(_)) {
                        routed.insert(world.arrived, policies.keys().copied().collect());
                    }
                    world.take(&turn);
                }
                Step::Evict => {
                    world.feed([Input::Evicted { source: QUEUE, partition: 0, below: world.arrived }]);
                }
                Step::Reload(mask, said) => {
                    let next: BTreeMap<u32, Policy> =
                        (0..).zip(said).filter(|(trigger, _)| mask & 1 << trigger != 0).collect();
                    for (trigger, before) in &policies {
                        match next.get(trigger) {
                            None => drop(gone.insert(*trigger, world.arrived)),
                            Some(now) if now.order != before.order => drop(reordered.insert(*trigger, world.arrived)),
                            Some(_) => {}
                        }
                    }
                    let mut triggers: Vec<_> = next.clone().into_iter().collect();
                    let by = world.arrived as usize % triggers.len().max(1);
                    triggers.rotate_left(by);
                    reload(&mut world, &triggers);
                    policies = next;
                }
            }
            let watermark = world.core.progress(QUEUE, 0).unwrap().watermark;
            let parked: BTreeSet<(u32, u64)> =
                world.records.values().map(|p| (trigger_of(p.trigger), p.envelope.position.offset)).collect();
            let done: BTreeSet<_> = world.ended.iter().chain(&world.given_up).chain(&parked).copied().collect();
            for (&offset, triggers) in routed.range(..watermark) {
                prop_assert!(triggers.iter().all(|&t| done.contains(&(t, offset))), "the watermark passed {offset}");
            }
        }
        world.settle_all();
        prop_assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, world.arrived);
        let core = &world.core;
        prop_assert_eq!((core.held(), core.lanes(), core.running(), core.bytes(), world.records.len()), (0, 0, 0, 0, 0));
        let mut ends: BTreeMap<(u32, u64), usize> = BTreeMap::new();
        world.ended.iter().chain(&world.given_up).for_each(|&end| *ends.entry(end).or_default() += 1);
        let owed: BTreeMap<_, _> =
            routed.iter().flat_map(|(&offset, set)| set.iter().map(move |&t| ((t, offset), 1))).collect();
        prop_assert_eq!(ends, owed);
        for (trigger, offset) in &world.given_up {
            prop_assert!(gone.get(trigger).is_some_and(|before| offset < before), "{offset} at {trigger}, which stayed");
        }
        for (&trigger, policy) in &policies {
            let since = gone.get(&trigger).max(reordered.get(&trigger)).copied().unwrap_or_default();
            world.assert_in_order(trigger, policy.order, since);
        }
    }
}
