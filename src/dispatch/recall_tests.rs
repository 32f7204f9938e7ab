//! Whatever runs when a partition is given back: what ended does not run again under its next owner, nothing is lost, and
//! lanes stay in order.

use proptest::prelude::*;

use super::core_tests::{BROKER, QUEUE, World, core_within, envelope, policy};
use super::turn_tests::{Turn, order, turn};
use super::*;
use crate::event::Epoch;
use crate::time::Moment;

proptest! {
    #[test]
    fn what_has_begun_ends_or_is_parked_before_a_partition_is_given_back(
        before in prop::collection::vec(turn(), 1..150),
        after in prop::collection::vec(turn(), 0..60),
        running in 1usize..6,
        orders in prop::collection::vec(order(), 1..3),
    ) {
        let policies: Vec<_> = orders.iter().map(|&order| policy(order, 2)).collect();
        let limits = Limits { running, bytes: 1 << 20, ..Limits::default() };
        let mut world = World::new(core_within(policies, limits));
        before.iter().for_each(|turn| world.take(turn));
        world.feed([Input::Recalled { source: QUEUE, partition: 0 }]);
        let begun = world.begun.len();
        let arrives = |turn: &&Turn| matches!(turn, Turn::Arrive(_));
        after.iter().filter(|turn| !arrives(turn)).for_each(|turn| world.take(turn));
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
            let mut envelope = envelope(offset, world.keys[offset as usize]);
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
        for (trigger, order) in (0..).zip(orders) {
            world.assert_in_order(trigger, order, 0);
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
