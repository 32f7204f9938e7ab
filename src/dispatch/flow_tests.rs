//! Tests of flow control: what runs and begins stays within its limits, what waits harms nobody, and all of it ends.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::core_tests::*;
use super::turn_tests::{Turn, order, turn};
use super::*;
use crate::time::Moment;
use crate::trigger::{Filter, Routes};

const SECOND: u64 = 1_000_000_000;

fn slots(most: usize) -> Flow {
    Flow { concurrency: Some(most), ..Flow::default() }
}

fn a_second(count: u32, burst: u32) -> Flow {
    Flow { rate: Some(Rate { count, per: Duration::from_secs(1), burst }), ..Flow::default() }
}

fn limited(order: Order, flow: Flow) -> Policy {
    Policy { flow, trip: None, ..policy(order, 3) }
}

fn world(triggers: &[(&str, Policy)], limits: Limits) -> World {
    World::new(core_of(triggers, limits))
}

/// Never more of a trigger in any time than its burst and what its rate gives.
fn assert_within(rate: Rate, begun: &[(u32, Moment)], trigger: u32) {
    let times: Vec<u64> = begun.iter().filter(|(t, _)| *t == trigger).map(|(_, at)| at.0).collect();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let given = u128::from(rate.count) * u128::from(to - from) / rate.per.as_nanos();
            let count = (last - first + 1) as u128;
            assert!(count <= u128::from(rate.burst) + given, "{count} from {from} to {to}");
        }
    }
}

#[test]
fn no_more_run_at_once_than_may_and_each_that_comes_back_makes_room() {
    let mut world = world(
        &[("a", limited(Order::Unordered, slots(3))), ("b", policy(Order::Unordered, 3))],
        Limits::default(),
    );
    (0..10).for_each(|_| world.arrive_as("a"));
    (0..10).for_each(|_| world.arrive_as("b"));
    assert_eq!(world.running().len(), 3 + 10);
    let traffic = world.core.traffic().next().unwrap();
    assert_eq!((traffic.running, traffic.waiting, traffic.parked), (3, 7, 0));
    assert_eq!((world.core.held(), world.core.next_due()), (7, None), "what waits takes no room");
    // A failure gives its slot back, too.
    world.finish(0, Outcome::Retryable);
    world.finish(0, Outcome::Permanent);
    assert_eq!(world.core.traffic().next().unwrap().running, 3);
    world.settle_all();
    assert_eq!(world.ended.len(), 20);
}

#[test]
fn no_more_begin_in_a_time_than_may_and_a_retry_is_one_of_them() {
    let mut world = world(&[("a", limited(Order::Unordered, a_second(10, 2)))], Limits::default());
    (0..4).for_each(|_| world.arrive_as("a"));
    assert_eq!((world.running().len(), world.core.next_due()), (2, Some(Moment(SECOND / 10))));
    world.finish(0, Outcome::Retryable);
    world.pass_time();
    // Its retry is due, but there is no token.
    assert!((20..23).contains(&(world.now.0 / 1_000_000)));
    assert_eq!(world.runs.len(), 1);
    world.pass_time();
    assert_eq!((world.now, world.running().len()), (Moment(SECOND / 10), 2));
    world.settle_all();
    // 4 deliveries, 5 attempts: two at once, then one every 100 ms.
    assert_eq!((world.begun.len(), world.now), (5, Moment(3 * SECOND / 10)));
}

#[test]
fn a_run_is_no_longer_than_there_are_slots_and_with_a_rate_it_is_one() {
    let flows = [slots(2), a_second(100, 50)];
    let [first, second] = flows.map(|flow| {
        let mut world = world(&[("a", limited(Order::Ordered, flow))], Limits::default());
        (0..6).for_each(|_| world.arrive_as("a"));
        let before = world.running();
        world.finish(0, Outcome::Succeeded);
        let after = world.running();
        // The second of a run fails: the others of it have not begun.
        world.finish(0, Outcome::Retryable);
        world.settle_all();
        let offsets: Vec<u64> = world.ended.iter().map(|(_, offset)| *offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 4, 5]);
        (before, after, world.begun.len())
    });
    assert_eq!(first, (vec![0], vec![1, 2], 8));
    assert_eq!(second, (vec![0], vec![1], 7), "no token is taken in vain");
}

#[test]
fn a_slow_route_starves_nobody_and_loses_nothing() {
    let limits = Limits { deliveries: 100, held: 1000, running: 16, ..Limits::default() };
    let slow = limited(Order::Unordered, a_second(1, 1));
    let mut world = world(&[("slow", slow), ("good", policy(Order::Unordered, 3))], limits);
    for n in 0..5_000 {
        world.arrive_as("slow");
        world.arrive_as("good");
        assert!(world.core.has_room(), "after {n}: {:?}", world.core.traffic().next());
        // What runs of the slow one goes on running.
        while let Some(good) = world.runs.iter().position(|run| run[0].1 == 1) {
            world.finish(good, Outcome::Succeeded);
        }
        while !world.unwritten.is_empty() {
            world.write();
        }
    }
    assert_eq!(world.ended.len(), 5_000, "all good ones");
    // A retry waits for 10 s in memory at most, and so does what waits for a limit.
    let traffic = world.core.traffic().next().unwrap();
    assert_eq!((traffic.running, traffic.waiting, traffic.parked), (1, 10, 5_000 - 11));
    assert!(world.fetches.is_empty(), "nothing is fetched before its time");
    let mut most = 0;
    while !world.core.is_idle() || world.core.parked() > 0 {
        world.finish(0, Outcome::Succeeded);
        world.write();
        world.read();
        most = most.max(world.core.deliveries_in_flight());
        if world.runs.is_empty() && world.unwritten.is_empty() && world.fetches.is_empty() {
            world.pass_time();
        }
    }
    assert_eq!((world.ended.len(), most), (10_000, 10), "nothing was fetched that could not run soon");
    assert_eq!(
        (world.now, world.begun.len()),
        (Moment(4_999 * SECOND), 10_000),
        "and no token was left lying"
    );
    assert!(world.records.is_empty());
}

#[test]
fn while_something_waits_parked_what_comes_is_parked_behind_it() {
    let limits = Limits { held: 8, ..Limits::default() };
    let mut world = world(&[("a", limited(Order::Unordered, a_second(1, 1)))], limits);
    for _ in 0..200 {
        (0..2).for_each(|_| world.arrive_as("a"));
        while !world.runs.is_empty() || !world.unwritten.is_empty() || !world.fetches.is_empty() {
            world.finish(0, Outcome::Succeeded);
            world.write();
            world.read();
        }
        world.pass_time();
    }
    // As many come as go twice: those that came first still go first, give or take what is in memory.
    let late = world.ended.iter().enumerate().filter(|(at, (_, offset))| *offset as usize > at + 10);
    assert_eq!(late.count(), 0, "{:?}", world.ended);
    world.settle_all();
    assert_eq!(world.ended.len(), 400);
}

#[test]
fn what_may_not_be_parked_waits_and_then_its_source_does() {
    let limits = Limits { held: 10, parked: 0, ..Limits::default() };
    for order in [Order::Ordered, Order::Unordered] {
        let mut world = world(&[("a", limited(order, slots(1)))], limits);
        let mut count = 0;
        while world.core.has_room() {
            world.arrive_as("a");
            count += 1;
        }
        assert_eq!((count, world.core.parked(), world.core.held()), (21, 0, 20));
        world.settle_all();
        assert_eq!(world.ended.len(), 21);
        assert!(world.core.has_room());
    }
}

#[test]
fn a_stop_parks_what_waits_for_a_limit() {
    for (order, flow) in
        [(Order::Key, slots(1)), (Order::Unordered, a_second(1, 1)), (Order::Ordered, a_second(1, 1))]
    {
        let mut world = world(&[("order.created", limited(order, flow))], Limits::default());
        (0..5).for_each(|_| world.arrive(None));
        assert_eq!(world.running(), [0]);
        world.feed([Input::Drain]);
        world.arrive(None);
        world.finish(0, Outcome::Succeeded);
        while !world.unwritten.is_empty() {
            world.write();
        }
        world.finish(0, Outcome::Succeeded);
        while !world.unwritten.is_empty() {
            world.write();
        }
        assert!(world.core.is_idle(), "{order:?}");
        assert_eq!(world.core.parked() + world.ended.len(), 6);
        assert!(world.core.parked() >= 4, "{order:?}: {}", world.core.parked());
    }
}

#[test]
fn what_runs_for_a_lost_partition_holds_its_slot_until_it_comes_back() {
    let mut world = world(&[("order.created", limited(Order::Unordered, slots(2)))], Limits::default());
    (0..4).for_each(|_| world.arrive(None));
    world.feed([Input::Revoked { source: QUEUE, partition: 0 }]);
    assign(&mut world.core, 2, Progress::default(), vec![], vec![]);
    world.arrived = 0;
    world.attempts.clear();
    (0..4).for_each(|_| world.arrive_under(2, None));
    assert_eq!(world.runs.len(), 2, "both that ran go on");
    world.finish(0, Outcome::Succeeded);
    world.attempts.clear();
    assert_eq!((world.fenced, world.runs.len()), (1, 2));
    world.finish(0, Outcome::Succeeded);
    world.attempts.clear();
    world.settle_all();
    assert_eq!((world.fenced, world.ended.len()), (2, 4));
    assert_eq!(world.core.traffic().next().unwrap().running, 0);
}

#[test]
fn other_limits_hold_from_then_on() {
    let mut world =
        world(&[("a", limited(Order::Unordered, slots(1)))], Limits { held: 6, ..Limits::default() });
    (0..10).for_each(|_| world.arrive_as("a"));
    while !world.unwritten.is_empty() {
        world.write();
    }
    world.feed([]);
    assert_eq!((world.runs.len(), world.core.parked()), (1, 6));
    let change = |world: &mut World, flow: Flow| {
        let policies = vec![limited(Order::Unordered, flow)];
        let routes = Routes::new([(BROKER, Filter::exact([("type".to_owned(), "a".to_owned())]))]);
        world.feed([Input::Reloaded {
            table: Arc::new(Table { routes, policies, uids: vec![trigger_uid(0)], ..Table::default() }),
        }]);
    };
    change(&mut world, a_second(1, 1));
    assert_eq!(world.runs.len(), 2, "a new bucket is full");
    change(&mut world, a_second(1, 100));
    assert_eq!(world.runs.len(), 2, "an old one stays as it was");
    change(&mut world, Flow::default());
    assert_eq!((world.runs.len(), world.core.traffic().count()), (4, 0));
    (0..6).for_each(|_| world.read());
    assert_eq!((world.runs.len(), world.core.held()), (10, 0));
    change(&mut world, slots(2));
    world.arrive_as("a");
    assert_eq!(world.core.traffic().next().unwrap().running, 10);
    (0..8).for_each(|_| world.finish(0, Outcome::Succeeded));
    assert_eq!(world.runs.len(), 2, "nothing new runs until it is within the limits");
    world.settle_all();
    assert_eq!(world.ended.len(), 11);
}

#[derive(Clone, Debug)]
enum Step {
    Turn(Turn),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![9 => turn().prop_map(Step::Turn), 1 => (0..50_000_000u64).prop_map(Step::Wait)]
}

fn flow() -> impl Strategy<Value = Flow> {
    let rate = (1u32..200, prop::sample::select(vec![1, 60]), 1u32..5);
    let rate = rate.prop_map(|(count, per, burst)| Rate { count, per: Duration::from_secs(per), burst });
    (prop::option::of(1usize..4), prop::option::of(rate)).prop_map(|(concurrency, rate)| Flow {
        concurrency,
        rate,
        budget: false,
    })
}

proptest! {
    /// Whatever happens: never more run and begin than may, every delivery ends once, and lanes end in order.
    #[test]
    fn the_limits_hold(
        steps in prop::collection::vec(step(), 1..200),
        triggers in prop::collection::vec(
            (order(), flow()), 1..4),
        (held, parked, running) in (0usize..12, 0usize..20, 1usize..6),
        hold in (0u64..2_000, 0usize..5),
    ) {
        let hold = Hold { time: Duration::from_millis(hold.0), deliveries: hold.1 };
        let policies = triggers.iter().map(|&(order, flow)| Policy { hold, ..limited(order, flow) }).collect();
        let limits = Limits { deliveries: 1 << 20, held, parked, running, ..Limits::default() };
        let mut world = World::new(core_within(policies, limits));
        let check = |world: &World| {
            for (trigger, (_, flow)) in (0..).zip(&triggers) {
                let running = world.runs.iter().flatten().filter(|run| run.1 == trigger).count();
                assert!(running <= flow.concurrency.unwrap_or(usize::MAX), "{running} of {trigger}");
                let traffic = world.core.traffic().find(|traffic| traffic.trigger == trigger);
                assert!(traffic.is_none_or(|traffic| traffic.running == running));
            }
        };
        for step in steps {
            match step {
                Step::Turn(turn) => world.take(&turn),
                Step::Wait(nanos) => {
                    world.now = Moment(world.now.0 + nanos);
                    world.feed([]);
                }
            }
            check(&world);
        }
        let mut turns = 0;
        while !world.core.is_idle() || world.core.parked() > 0 {
            world.finish(turns, Outcome::Succeeded);
            check(&world);
            world.write();
            world.read();
            if world.runs.is_empty() && world.unwritten.is_empty() && world.fetches.is_empty() {
                world.pass_time();
            }
            turns += 1;
            prop_assert!(turns < 20_000, "it comes to no end");
        }
        prop_assert_eq!(world.ended.len() as u64, world.arrived * triggers.len() as u64);
        prop_assert_eq!((world.core.held(), world.core.deliveries_in_flight()), (0, 0));
        for (trigger, (order, flow)) in (0..).zip(&triggers) {
            if let Some(rate) = flow.rate {
                assert_within(rate, &world.begun, trigger);
            }
            world.assert_in_order(trigger, *order, 0);
        }
    }
}
