//! Tests of budgets: once the core is told that one is used up, nothing of its trigger begins before the day is over, and then
//! all of it does, in its order.

use std::time::Duration;

use proptest::prelude::*;

use super::core_tests::*;
use super::turn_tests::{Turn, order, turn};
use super::*;
use crate::time::Moment;

const DAY: u64 = 86_400_000_000_000;

fn budgeted(order: Order) -> Policy {
    Policy { flow: Flow { budget: true, ..Flow::default() }, trip: None, ..policy(order, 3) }
}

fn spent(trigger: u32, until: Option<u64>) -> Input<Report> {
    Input::Spent { trigger: trigger_uid(trigger), until: until.map(Moment) }
}

#[test]
fn what_waits_is_written_aside_and_begins_with_the_day() {
    let limits = Limits { running: 2, ..Limits::default() };
    let mut world = World::new(core_of(
        &[("a", budgeted(Order::Key)), ("b", budgeted(Order::Ordered)), ("c", policy(Order::Key, 3))],
        limits,
    ));
    (0..5).for_each(|_| world.arrive_as("a"));
    (0..5).for_each(|_| world.arrive_as("b"));
    assert_eq!(world.running().len(), 2);
    world.feed([spent(0, Some(DAY)), spent(1, Some(DAY)), spent(2, Some(DAY)), spent(9, Some(DAY))]);
    world.feed([Input::Spent { trigger: crate::event::Uid(4), until: Some(Moment(DAY)) }]);
    // What runs comes to its end, and if that is a failure, it waits, too.
    world.finish(0, Outcome::Retryable);
    world.finish(0, Outcome::Succeeded);
    (0..3).for_each(|_| world.arrive_as("a"));
    (0..3).for_each(|_| world.arrive_as("c"));
    while !world.unwritten.is_empty() || world.begun.iter().filter(|(of, _)| *of == 2).count() < 3 {
        world.finish(0, Outcome::Succeeded);
        world.write();
        world.read();
    }
    while !world.runs.is_empty() {
        world.finish(0, Outcome::Succeeded);
    }
    while world.now.0 < DAY - 1 && world.core.next_due().is_some_and(|due| due.0 < DAY) {
        world.pass_time();
        assert_eq!(world.begun.len(), 2 + 3, "a retry is no exception: {:?}", world.now);
    }
    let parked: Vec<u64> = world.records.values().map(|parked| parked.envelope.position.offset).collect();
    assert_eq!(
        (world.core.parked(), parked.iter().filter(|&&offset| (5..10).contains(&offset)).count()),
        (7, 0)
    );
    world.settle_all();
    assert_eq!((world.ended.len(), world.now.0 / DAY), (16, 1));
}

#[test]
fn more_may_be_given_before_the_day_is_over_and_without_a_budget_there_is_none_to_use_up() {
    let mut world = World::new(core_of(&[("a", budgeted(Order::Unordered))], Limits::default()));
    world.feed([spent(0, Some(DAY))]);
    (0..4).for_each(|_| world.arrive_as("a"));
    assert_eq!(world.begun.len(), 0);
    world.feed([spent(0, None)]);
    world.settle_all();
    assert_eq!((world.ended.len(), world.now), (4, Moment(0)));

    let mut world = World::new(core_of(&[("a", policy(Order::Unordered, 3))], Limits::default()));
    world.feed([spent(0, Some(DAY))]);
    world.arrive_as("a");
    assert_eq!(world.begun.len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Turn(Turn),
    Spent(usize, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let spent = (any::<usize>(), prop::option::of(0..100_000_000u64));
    prop_oneof![9 => turn().prop_map(Step::Turn), 1 => spent.prop_map(|(of, wait)| Step::Spent(of, wait))]
}

proptest! {
    #[test]
    fn nothing_begins_while_a_budget_is_used_up_and_everything_ends_once_in_its_order(
        steps in prop::collection::vec(step(), 1..200),
        orders in prop::collection::vec(order(), 1..4),
        (held, parked, running) in (0usize..12, 0usize..20, 1usize..6),
        slots in prop::option::of(1usize..4),
    ) {
        let hold = Hold { time: Duration::from_millis(20), deliveries: 3 };
        let policies: Vec<_> = orders.iter().map(|&order| Policy {
            hold,
            flow: Flow { concurrency: slots, rate: None, budget: true },
            ..budgeted(order)
        }).collect();
        let limits = Limits { deliveries: 1 << 20, held, parked, running, ..Limits::default() };
        let mut world = World::new(core_within(policies, limits));
        let mut until = vec![0; orders.len()];
        let mut seen = 0;
        for step in steps {
            match step {
                Step::Turn(turn) => world.take(&turn),
                Step::Spent(of, wait) => {
                    let of = of % orders.len();
                    let then = wait.map(|wait| world.now.0 + wait);
                    until[of] = then.unwrap_or(0);
                    world.feed([spent(of as u32, then)]);
                }
            }
            for (trigger, at) in &world.begun[seen..] {
                prop_assert!(at.0 >= until[*trigger as usize], "{trigger} at {at:?}");
            }
            seen = world.begun.len();
        }
        world.settle_all();
        for (trigger, at) in &world.begun[seen..] {
            prop_assert!(at.0 >= until[*trigger as usize], "{trigger} at {at:?}");
        }
        prop_assert_eq!(world.ended.len() as u64, world.arrived * orders.len() as u64);
        for (trigger, order) in (0..).zip(orders) {
            world.assert_in_order(trigger, order, 0);
        }
    }
}
