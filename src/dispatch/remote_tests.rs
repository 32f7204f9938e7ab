//! Tests of deliveries to remote subscribers, which only wait: beside functions, within limits of their own.

use proptest::prelude::*;

use super::core_tests::*;
use super::*;
use crate::time::Moment;

const SECOND: u64 = 1_000_000_000;

fn remote(order: Order, concurrency: Option<usize>) -> Policy {
    Policy { remote: true, flow: Flow { concurrency, ..Flow::default() }, ..policy(order, 3) }
}

fn here(order: Order) -> Policy {
    policy(order, 3)
}

/// Attempts under way of a trigger.
fn running(world: &World, trigger: u32) -> usize {
    world.runs.iter().flatten().filter(|begun| begun.1 == trigger).count()
}

fn finish_all(world: &mut World, trigger: u32) {
    while let Some(run) = world.runs.iter().position(|run| run[0].1 == trigger) {
        world.finish(run, Outcome::Succeeded);
    }
    while !world.unwritten.is_empty() {
        world.write();
    }
}

#[test]
fn ten_thousand_that_wait_keep_no_function_waiting() {
    let limits = Limits {
        deliveries: 100,
        running: 8,
        remote: 10_000,
        latency: Some(std::time::Duration::from_millis(10)),
        executors: 2,
        ..Limits::default()
    };
    let triggers = [("slow", remote(Order::Unordered, Some(10_000))), ("good", here(Order::Unordered))];
    let mut world = World::new(core_of(&triggers, limits));
    for n in 0..10_000 {
        world.arrive_as("slow");
        world.now = Moment(n * SECOND / 1000);
        world.arrive_as("good");
        assert!(world.core.has_room(), "after {n}");
        assert_eq!((running(&world, 0), running(&world, 1)), (n as usize + 1, 1));
        finish_all(&mut world, 1);
    }
    assert_eq!((world.core.running_remote(), world.core.running(), world.core.held()), (10_000, 0, 0));
    world.settle_all();
    assert_eq!(world.ended.len(), 20_000);
}

#[test]
fn functions_that_are_slow_keep_nothing_from_being_sent() {
    let limits = Limits { deliveries: 1000, running: 4, ..Limits::default() };
    let mut world =
        World::new(core_of(&[("far", remote(Order::Key, None)), ("here", here(Order::Key))], limits));
    for _ in 0..50 {
        world.arrive_as("here");
    }
    world.arrive_as("far");
    assert_eq!((running(&world, 0), running(&world, 1)), (1, 4));
}

#[test]
fn one_of_a_key_is_sent_at_a_time_and_what_follows_when_it_is_answered() {
    let mut world = World::new(core(vec![remote(Order::Key, None)], 100));
    for _ in 0..3 {
        world.arrive(Some(1));
    }
    for n in 0..3 {
        assert_eq!(world.running(), [n], "nothing stands behind it on its way");
        world.finish(0, Outcome::Succeeded);
    }
}

/// All HTTP subscribers together have reached their limit: what waits is held within its bounds, then parked, and comes
/// back. Functions go on.
#[test]
fn what_waits_for_the_limit_of_all_is_parked_and_hinders_nobody() {
    let limits = Limits { deliveries: 100, held: 40, remote: 5, ..Limits::default() };
    let triggers = [
        ("slow", remote(Order::Unordered, Some(1000))),
        ("slow", remote(Order::Key, Some(1000))),
        ("good", here(Order::Unordered)),
    ];
    let mut world = World::new(core_of(&triggers, limits));
    for n in 0..500 {
        world.arrive_as("slow");
        world.arrive_as("good");
        assert!(world.core.has_room(), "after {n}");
        assert!(world.core.running_remote() <= 5);
        finish_all(&mut world, 2);
    }
    assert_eq!(world.core.running_remote(), 5);
    assert!(world.core.parked() > 800, "{}", world.core.parked());
    world.settle_all();
    assert_eq!((world.ended.len(), world.core.running_remote()), (1500, 0));
}

#[test]
fn one_key_of_a_slow_subscriber_fills_no_room() {
    let limits = Limits { deliveries: 100, held: 100, ..Limits::default() };
    let triggers = [("slow", remote(Order::Key, Some(1000))), ("good", here(Order::Unordered))];
    let mut world = World::new(core_of(&triggers, limits));
    for n in 0..500 {
        let mut envelope = envelope_of("slow", world.arrived, Some(1));
        envelope.epoch = crate::event::Epoch(1);
        world.arrived += 1;
        world.feed([Input::Arrived { envelope, broker: BROKER }]);
        world.arrive_as("good");
        assert!(world.core.has_room(), "after {n}");
        finish_all(&mut world, 1);
    }
    assert_eq!(world.core.running_remote(), 1);
    world.settle_all();
    let slow: Vec<u64> = world.ended.iter().filter(|ended| ended.0 == 0).map(|ended| ended.1).collect();
    assert!(slow.len() == 500 && slow.is_sorted(), "{slow:?}");
}

#[test]
fn a_trigger_that_moves_takes_what_runs_along() {
    let limits = Limits { deliveries: 100, running: 3, remote: 2, ..Limits::default() };
    let mut world = World::new(core_within(vec![here(Order::Unordered)], limits));
    let table = |policy: &Policy| {
        let routes = crate::trigger::Routes::new([(BROKER, crate::trigger::Filter::exact([]))]);
        std::sync::Arc::new(Table {
            routes,
            policies: vec![policy.clone()],
            uids: vec![trigger_uid(0)],
            ..Table::default()
        })
    };
    for _ in 0..10 {
        world.arrive(None);
    }
    assert_eq!((world.core.running(), world.core.running_remote()), (3, 0));
    world.feed([Input::Reloaded { table: table(&remote(Order::Unordered, None)) }]);
    assert_eq!((world.core.running(), world.core.running_remote()), (0, 3), "what runs is not begun anew");
    world.finish(0, Outcome::Succeeded);
    world.finish(0, Outcome::Succeeded);
    assert_eq!((world.core.running(), world.core.running_remote()), (0, 2));
    world.feed([Input::Reloaded { table: table(&here(Order::Unordered)) }]);
    assert_eq!((world.core.running(), world.core.running_remote()), (3, 0));
    world.settle_all();
    assert_eq!(world.ended.len(), 10);
}

proptest! {
    /// Whatever arrives for functions and remote subscribers, and whichever of it is answered when: both stay within their
    /// limits, and all of it ends.
    #[test]
    fn limits_hold_and_everything_ends(
        steps in prop::collection::vec((0u8..8, any::<u8>()), 1..200),
        (running, remote_limit, deliveries, held) in (1usize..5, 1usize..5, 1usize..30, 1usize..12),
        concurrency in prop::option::of(1usize..4),
        orders in prop::collection::vec(prop::sample::select(vec![Order::Ordered, Order::Key, Order::Unordered]), 3),
    ) {
        let limits = Limits { deliveries, held, running, remote: remote_limit, ..Limits::default() };
        let policies =
            vec![remote(orders[0], concurrency), here(orders[1]), remote(orders[2], Some(7))];
        let mut world = World::new(core_within(policies, limits));
        let mut arrived = 0;
        for (what, pick) in steps {
            match what {
                0..=2 if world.core.has_room() => {
                    world.arrive((pick % 3 > 0).then_some(pick % 3));
                    arrived += 1;
                }
                0..=3 => world.write(),
                4 => world.read(),
                5 => world.pass_time(),
                6 => world.finish(pick as usize, Outcome::Retryable),
                _ => world.finish(pick as usize, Outcome::Succeeded),
            }
            prop_assert!(world.core.running() <= running && world.core.running_remote() <= remote_limit);
        }
        world.settle_all();
        prop_assert_eq!(world.ended.len(), 3 * arrived);
        prop_assert!(world.core.has_room());
    }
}
