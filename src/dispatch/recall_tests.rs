//! Whatever runs when a partition is given back: what ended does not run again under its next owner, nothing is lost, and
//! lanes stay in order.

use std::collections::HashMap;

use proptest::prelude::*;

use super::core_tests::{BROKER, QUEUE, World, core_within, envelope, policy};
use super::*;
use crate::event::Epoch;
use crate::time::Moment;

#[derive(Clone, Debug)]
enum Step {
    Arrive(Option<u8>),
    Finish(usize, Outcome),
    Write,
    Read,
    PassTime,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(Outcome::ALL);
    prop_oneof![
        3 => prop::option::of(0u8..3).prop_map(Step::Arrive),
        2 => (any::<usize>(), outcome).prop_map(|(pick, outcome)| Step::Finish(pick, outcome)),
        2 => Just(Step::Write),
        1 => Just(Step::Read),
        1 => Just(Step::PassTime),
    ]
}

fn run(world: &mut World, step: &Step, keys: &mut HashMap<u64, Option<u8>>) {
    match step {
        Step::Arrive(key) => {
            keys.insert(world.arrived, *key);
            world.arrive(*key);
        }
        Step::Finish(pick, outcome) => world.finish(*pick, *outcome),
        Step::Write => world.write(),
        Step::Read => world.read(),
        Step::PassTime => world.pass_time(),
    }
}

proptest! {
    #[test]
    fn what_has_begun_ends_or_is_parked_before_a_partition_is_given_back(
        before in prop::collection::vec(step(), 1..150),
        after in prop::collection::vec(step(), 0..60),
        running in 1usize..6,
        orders in prop::collection::vec(prop::sample::select(vec![Order::Ordered, Order::Key, Order::Unordered]), 1..3),
    ) {
        let policies: Vec<_> = orders.iter().map(|&order| policy(order, 2)).collect();
        let limits = Limits { running, bytes: 1 << 20, ..Limits::default() };
        let mut world = World::new(core_within(policies, limits));
        let mut keys = HashMap::new();
        before.iter().for_each(|step| run(&mut world, step, &mut keys));
        world.feed([Input::Recalled { source: QUEUE, partition: 0 }]);
        let begun = world.begun.len();
        for step in after.iter().filter(|step| !matches!(step, Step::Arrive(_))) {
            run(&mut world, step, &mut keys);
        }
        while !world.core.is_quiet(QUEUE, 0) {
            prop_assert!(!world.runs.is_empty() || !world.unwritten.is_empty(), "it is never quiet");
            world.finish(0, Outcome::Succeeded);
            world.write();
        }
        prop_assert_eq!(world.begun.len(), begun, "nothing more is begun");

        let progress = world.core.progress(QUEUE, 0).unwrap();
        let (parked, arrived) = (world.stubs(), world.arrived);
        world.feed([Input::Revoked { source: QUEUE, partition: 0 }]);
        world.runs.clear();
        world.fetches.clear();
        prop_assert!(world.core.is_idle() && world.core.parked() == 0);
        let watermark = progress.watermark;
        let epoch = Epoch(2);
        world.feed([Input::Assigned { source: QUEUE, partition: 0, epoch, progress, ended: vec![], parked }]);
        for offset in watermark..arrived {
            let mut envelope = envelope(offset, keys[&offset]);
            envelope.epoch = epoch;
            world.feed([Input::Arrived { envelope, broker: BROKER }]);
        }
        world.settle_all();
        prop_assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, arrived);
        let mut ended = world.ended.clone();
        ended.sort_unstable();
        ended.dedup();
        prop_assert_eq!(ended.len(), world.ended.len(), "a delivery ended twice");
        prop_assert_eq!(ended.len() as u64, arrived * orders.len() as u64, "one was lost");
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

#[test]
fn what_has_not_begun_is_left_to_the_next_owner() {
    let mut world = World::new(core_within(
        vec![policy(Order::Unordered, 0)],
        Limits { running: 2, ..Limits::default() },
    ));
    (0..5).for_each(|_| world.arrive(None));
    world.feed([Input::Recalled { source: QUEUE, partition: 0 }]);
    assert!(!world.core.is_quiet(QUEUE, 0), "two run");
    while !world.runs.is_empty() {
        world.finish(0, Outcome::Succeeded);
    }
    assert!(!world.core.is_quiet(QUEUE, 0), "their ends are not durable");
    world.write();
    world.write();
    assert!(world.core.is_quiet(QUEUE, 0) && world.records.is_empty());
    assert_eq!((world.core.progress(QUEUE, 0).unwrap().watermark, world.now), (2, Moment(0)));
}
