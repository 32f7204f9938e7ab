//! Tests of what becomes of events that no trigger wants, where their source says what.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::core_tests::*;
use super::*;
use crate::event::Uid;
use crate::trigger::{Filter, Routes};

const LETTERS: Uid = Uid(7);

/// A trigger for each of these types, and one that takes all that comes to another broker.
fn table(types: &[&str], unmet: Option<Unmet>) -> Arc<Table> {
    let filter = |ty: &str| Filter::exact([("type".to_owned(), ty.to_owned())]);
    let triggers = types.iter().map(|ty| (BROKER, filter(ty)));
    let order = policy(Order::Unordered, 0);
    Arc::new(Table {
        routes: Routes::new(triggers.chain([(LETTERS, Filter::exact([]))])),
        policies: vec![order; types.len() + 1],
        uids: (0..=types.len()).map(|n| trigger_uid(n as u32)).collect(),
        unmet: unmet.map(|unmet| (QUEUE, unmet)).into_iter().collect(),
    })
}

fn world(types: &[&str], unmet: Option<Unmet>) -> World {
    let mut core = Core::new(table(types, unmet), Limits::default());
    assign(&mut core, 1, Progress::default(), vec![], vec![]);
    World::new(core)
}

#[test]
fn it_is_for_another_broker_where_that_is_said() {
    let mut world = world(&["paid"], Some(Unmet::Take(LETTERS)));
    ["paid", "lost", "paid"].iter().for_each(|ty| world.arrive_as(ty));
    world.settle_all();
    world.ended.sort_unstable();
    assert_eq!(world.ended, [(0, 0), (0, 2), (1, 1)]);
    let counts = world.core.counts();
    assert_eq!((counts.routed, counts.unrouted, counts.settled), (2, 1, 3));
    assert_eq!(world.core.met(QUEUE, 0), (2, 1));
    assert!(world.core.has_room_ahead(QUEUE, 0));
}

#[test]
fn it_waits_with_its_partition_until_there_is_a_trigger() {
    let mut world = world(&["paid"], Some(Unmet::Wait));
    ["paid", "lost", "paid", "gone"].iter().for_each(|ty| world.arrive_as(ty));
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (0, 2)]);
    let (first, many) = world.core.unmet(QUEUE, 0).unwrap();
    assert_eq!((first.position.offset, many, world.core.has_room_ahead(QUEUE, 0)), (1, 2, false));
    let progress = world.core.progress(QUEUE, 0).unwrap();
    assert_eq!((progress.watermark, world.core.counts().unrouted), (1, 0));
    assert!(world.core.bytes() > 0);

    world.feed([Input::Reloaded { table: table(&["paid", "lost"], Some(Unmet::Wait)) }]);
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (0, 2), (1, 1)]);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 3);
    assert!(!world.core.has_room_ahead(QUEUE, 0), "the other one waits still");

    world.feed([Input::Reloaded { table: table(&["paid"], None) }]);
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 4);
    assert!(world.core.has_room_ahead(QUEUE, 0) && world.core.unmet(QUEUE, 0).is_none());
    assert_eq!((world.core.bytes(), world.core.counts().unrouted), (0, 1));
}

#[test]
fn what_waits_is_for_whoever_has_the_partition_next() {
    let mut world = world(&[], Some(Unmet::Wait));
    ["lost", "gone"].iter().for_each(|ty| world.arrive_as(ty));
    world.feed([Input::Recalled { source: QUEUE, partition: 0 }]);
    world.feed([Input::Reloaded { table: table(&["lost"], None) }]);
    assert!(world.runs.is_empty() && world.core.is_quiet(QUEUE, 0), "nothing more of it begins");
    world.feed([Input::Revoked { source: QUEUE, partition: 0 }]);
    assert_eq!((world.core.bytes(), world.core.unmet(QUEUE, 0).is_none()), (0, true));
    world.feed([Input::Reloaded { table: table(&["lost"], None) }]);
    assert!(world.core.is_idle() && world.runs.is_empty());
}

proptest! {
    /// Whichever triggers come and go, and whatever is said of those that meet none: in the end each event has gone once
    /// to each trigger that was there when it was routed, and what waited was routed once there was one, or nobody waited.
    #[test]
    fn each_event_settles_once_and_is_lost_nowhere(
        steps in prop::collection::vec((0..5_u8, 0..4_usize), 1..60),
    ) {
        const TYPES: [&str; 4] = ["a", "b", "c", "d"];
        let mut world = world(&["a"], Some(Unmet::Wait));
        for (what, which) in steps {
            match what {
                0..=2 => world.arrive_as(TYPES[which]),
                3 => world.feed([Input::Reloaded { table: table(&TYPES[..which], Some(Unmet::Wait)) }]),
                _ => world.settle_all(),
            }
            let waiting = world.core.unmet(QUEUE, 0).map_or(0, |(_, many)| many);
            prop_assert_eq!(world.core.has_room_ahead(QUEUE, 0), waiting == 0);
        }
        world.settle_all();
        world.feed([Input::Reloaded { table: table(&TYPES, Some(Unmet::Wait)) }]);
        world.settle_all();
        prop_assert!(world.core.unmet(QUEUE, 0).is_none());
        prop_assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, world.arrived);
        prop_assert_eq!((world.core.bytes(), world.core.counts().unrouted), (0, 0));
        let mut times: BTreeMap<u64, u32> = BTreeMap::new();
        world.ended.iter().chain(&world.given_up).for_each(|(_, offset)| *times.entry(*offset).or_default() += 1);
        prop_assert_eq!(times.len() as u64, world.arrived);
        prop_assert!(times.values().all(|times| *times == 1), "{:?}", times);
    }
}
