//! Tests of what holds and what does not: runs, parking, pauses, lost partitions, fairness.

use std::time::Duration;

use super::core_tests::*;
use super::*;
use crate::event::Epoch;
use crate::time::Moment;

/// Retries after 20 ms, 40 ms, ...; holds for 50 ms.
fn impatient(order: Order, retry: u32) -> Policy {
    let hold = Hold { time: Duration::from_millis(50), deliveries: 3 };
    Policy { hold, trip: None, ..policy(order, retry) }
}

#[test]
fn a_lane_s_run_is_handed_over_together_and_stops_at_its_first_failure() {
    let mut world = World::new(core(vec![impatient(Order::Ordered, 5)], 100));
    (0..5).for_each(|_| world.arrive(None));
    assert_eq!(world.running(), [0], "what came later could not be handed over with the first");
    world.finish(0, Outcome::Succeeded);
    assert_eq!(world.running(), [1, 2, 3, 4]);
    world.finish(0, Outcome::Succeeded);
    world.finish(0, Outcome::Retryable);
    assert!(world.runs.is_empty());
    assert_eq!(world.core.held(), 3);
    world.settle_all();
    assert_eq!(world.ended.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(world.attempts.values().sum::<u32>(), 6, "what was skipped was not attempted");
}

#[test]
fn beyond_the_hold_limit_a_key_is_parked_whole_and_nothing_else_is() {
    let mut world = World::new(core(vec![impatient(Order::Key, 9)], 100));
    for _ in 0..3 {
        world.arrive(Some(1));
    }
    world.arrive(Some(2));
    world.finish(0, Outcome::Retryable);
    assert_eq!((world.core.held(), world.core.counts().parked), (3, 0), "20 ms are within the limit");
    world.pass_time();
    world.finish(1, Outcome::Retryable);
    assert_eq!(world.core.counts().parked, 3, "40 more are not: the head and all behind it");
    (0..3).for_each(|_| world.write());
    world.finish(0, Outcome::Succeeded);
    world.write();
    // All events have settled, three of them by being parked.
    assert_eq!((world.core.progress(QUEUE, 0).unwrap().watermark, world.core.parked()), (4, 3));
    assert!(world.core.is_idle());
    // What comes now of that key is parked behind, of another it runs.
    world.arrive(Some(1));
    world.arrive(Some(2));
    world.write();
    assert_eq!((world.running(), world.core.parked()), (vec![5], 4));
    world.finish(0, Outcome::Succeeded);
    assert_eq!(world.records[&0].attempts, 2);
    world.settle_all();
    let offsets: Vec<_> = world.ended.iter().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, [3, 5, 0, 1, 2, 4]);
    assert_eq!((world.attempts[&(0, 0)], world.core.counts().fetched), (3, 4));
    assert!(world.records.is_empty() && world.core.lanes() == 0);
    world.arrive(Some(1));
    assert_eq!(world.running(), [6], "its parking is empty: the key runs as ever");
}

#[test]
fn more_behind_a_retry_than_the_limit_says_are_parked() {
    let mut world = World::new(core(vec![impatient(Order::Key, 9)], 100));
    world.arrive(Some(1));
    world.finish(0, Outcome::Retryable);
    (0..2).for_each(|_| world.arrive(Some(1)));
    assert_eq!(world.core.counts().parked, 0);
    world.arrive(Some(1));
    assert_eq!(world.core.counts().parked, 4);
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (0, 1), (0, 2), (0, 3)]);
}

#[test]
fn a_restart_finds_what_is_parked_in_its_order_and_counted_as_it_was() {
    let mut world = World::new(core(vec![impatient(Order::Key, 9)], 100));
    (0..3).for_each(|_| world.arrive(Some(1)));
    for _ in 0..3 {
        world.finish(0, Outcome::Retryable);
        world.pass_time();
    }
    (0..3).for_each(|_| world.write());
    let progress = world.core.progress(QUEUE, 0).unwrap();
    assert_eq!(progress.watermark, 3);

    let mut next = World::new(core(vec![impatient(Order::Key, 9)], 100));
    std::mem::swap(&mut next.records, &mut world.records);
    (next.next_record, next.attempts) = (world.next_record, world.attempts.clone());
    next.arrived = 3;
    let mut stubs = next.stubs();
    stubs.reverse();
    assign(&mut next.core, 2, progress, vec![], stubs);
    next.arrive_under(2, Some(1));
    assert_eq!(next.core.counts().parked, 1, "it waits behind what is parked");
    next.settle_all();
    assert_eq!(next.ended, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert!(next.records.is_empty());
}

/// A parked delivery whose earlier siblings have not arrived again must wait for them.
#[test]
fn what_is_parked_does_not_run_before_what_is_yet_to_arrive_again() {
    let mut world = World::new(core(vec![impatient(Order::Ordered, 9)], 100));
    (0..3).for_each(|_| world.arrive(None));
    world.feed([Input::Evicted { source: QUEUE, partition: 0, below: 10 }]);
    // The first runs, the others were parked behind it; then the worker is killed.
    (0..2).for_each(|_| world.write());
    let (progress, stubs) = (world.core.progress(QUEUE, 0).unwrap(), world.stubs());
    assert_eq!((progress.watermark, stubs.len()), (0, 2));

    let mut next = World::new(core(vec![impatient(Order::Ordered, 9)], 100));
    std::mem::swap(&mut next.records, &mut world.records);
    next.next_record = world.next_record;
    assign(&mut next.core, 2, progress, vec![], stubs);
    next.pass_time();
    assert!(next.fetches.is_empty());
    (0..3).for_each(|_| next.arrive_under(2, None));
    next.settle_all();
    assert_eq!(next.ended, [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn strict_order_is_not_parked_for_its_limits_but_for_an_end_of_the_worker() {
    let mut world = World::new(core(vec![impatient(Order::Ordered, 9)], 100));
    (0..6).for_each(|_| world.arrive(None));
    for _ in 0..3 {
        world.finish(0, Outcome::Retryable);
        world.pass_time();
    }
    world.finish(0, Outcome::Retryable);
    assert_eq!((world.core.counts().parked, world.core.held()), (0, 6));
    world.feed([Input::Drain]);
    while !world.core.is_idle() {
        world.write();
    }
    assert_eq!((world.core.parked(), world.core.progress(QUEUE, 0).unwrap().watermark), (6, 6));
    assert_eq!(world.records[&0].attempts, 4);
}

#[test]
fn a_route_that_fails_everything_pauses_probes_and_resumes_without_using_up_attempts() {
    let trip = Some(Trip { failures: 3, wait: Duration::from_secs(1) });
    let failing = Policy { trip, ..policy(Order::Unordered, 2) };
    let mut world = World::new(core(vec![failing], 1000));
    (0..100).for_each(|_| world.arrive(None));
    let mut failed = 0;
    // For a minute everything fails; each probe uses up one attempt of one delivery.
    while world.now < Moment(60_000_000_000) {
        while !world.runs.is_empty() {
            world.finish(0, Outcome::Trapped);
            failed += 1;
            world.write();
        }
        world.read();
        world.pass_time();
        while !world.unwritten.is_empty() {
            world.write();
        }
    }
    let counts = world.core.counts();
    assert!(counts.dead_lettered <= 3, "{counts:?}");
    // All were handed over when it began; since then there were but probes: after 1, 2, 4, ... seconds.
    assert!((100..112).contains(&failed), "{failed} attempts, {counts:?}");
    assert!((5..10).contains(&counts.pauses), "{counts:?}");
    world.settle_all();
    let counts = world.core.counts();
    assert_eq!(counts.delivered + counts.dead_lettered, 100);
    assert!(counts.delivered >= 97, "{counts:?}");
}

#[test]
fn one_delivery_that_always_fails_does_not_pause_its_route() {
    let mut world = World::new(core(vec![policy(Order::Unordered, 200)], 1000));
    world.arrive(None);
    for _ in 0..200 {
        world.finish(0, Outcome::Trapped);
        world.write();
        world.pass_time();
        world.read();
    }
    assert_eq!(world.core.counts().pauses, 0);
}

#[test]
fn what_a_lost_partition_still_produces_is_fenced() {
    let mut world = World::new(core(vec![impatient(Order::Key, 9), impatient(Order::Unordered, 9)], 100));
    (0..4).for_each(|n| world.arrive(Some(n)));
    world.finish(0, Outcome::Succeeded);
    world.finish(0, Outcome::Retryable);
    world.feed([Input::Revoked { source: QUEUE, partition: 0 }]);
    assert!(world.core.is_idle());
    let core = &world.core;
    assert_eq!(
        (core.deliveries_in_flight(), core.bytes(), core.running(), core.held(), core.lanes()),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(world.core.progress(QUEUE, 0), None);
    let under_way = world.runs.iter().flatten().count();
    for _ in 0..under_way {
        world.attempts.clear();
        let (delivery, trigger, offset, _) = world.runs[0].pop_front().unwrap();
        world.runs.retain(|run| !run.is_empty());
        let report = (trigger, offset);
        let outcome = Outcome::Succeeded;
        world.feed([Input::Attempted { delivery, outcome, retry_after: None, report }]);
    }
    world.arrive(Some(1));
    world.write();
    assert_eq!((world.fenced, world.ended.len()), (under_way, 1));
    // Under its next epoch all begins anew.
    assign(&mut world.core, 2, Progress::default(), vec![], vec![]);
    world.arrived = 0;
    world.unwritten.clear();
    (0..4).for_each(|n| world.arrive_under(2, Some(n)));
    world.attempts.clear();
    world.settle_all();
    assert_eq!(world.core.progress(QUEUE, 0).unwrap().watermark, 4);
}

#[test]
fn ten_thousand_retries_on_one_route_do_not_slow_another() {
    let limits = Limits { deliveries: 1000, held: 20_000, running: 64, ..Limits::default() };
    let failing = Policy { trip: None, ..policy(Order::Unordered, 1000) };
    let mut world = World::new(core_of(&[("bad", failing.clone()), ("good", failing)], limits));
    for _ in 0..10_000 {
        world.arrive_as("bad");
        world.finish(0, Outcome::Retryable);
        assert!(world.core.has_room(), "what waits for a retry leaves the room to others");
    }
    assert_eq!(world.core.held(), 10_000);
    // All of them are due, and as many good ones come: each route has every other turn.
    world.now = world.now.after(Duration::from_secs(1));
    (0..500).for_each(|_| world.arrive_as("good"));
    let mut attempts = 0;
    while world.ended.len() < 500 {
        let bad = world.runs[0].front().unwrap().1 == 0;
        world.finish(0, if bad { Outcome::Retryable } else { Outcome::Succeeded });
        attempts += 1;
    }
    assert!(attempts <= 1000 + 2 * 64, "500 good events took {attempts} attempts");
    // Also those that are too many for memory do no harm.
    assert!(world.core.counts().parked == 0);
}

#[test]
fn what_is_held_has_a_limit_beyond_which_it_is_parked() {
    let limits = Limits { held: 10, parked: 25, ..Limits::default() };
    let patient = Policy { trip: None, ..policy(Order::Unordered, 1000) };
    let mut world = World::new(core_within(vec![patient], limits));
    for _ in 0..50 {
        world.arrive(None);
        world.finish(0, Outcome::Retryable);
        world.write();
        if !world.core.has_room() {
            break;
        }
    }
    // 25 are parked and no more may be: from twice the limit on nothing new is taken.
    assert_eq!((world.core.parked(), world.core.held()), (25, 20));
    world.settle_all();
    assert_eq!(world.ended.len(), 45);
}

#[test]
fn a_replay_waits_for_nothing_and_keeps_its_count() {
    let mut world = World::new(core(vec![impatient(Order::Key, 9)], 100));
    world.arrive(Some(1));
    world.finish(0, Outcome::Permanent);
    world.write();
    let parked = Parked {
        trigger: trigger_uid(0),
        attempts: 0,
        failures: 0,
        replay: 1,
        due: Moment(0),
        holds: false,
        was: None,
        envelope: envelope(0, Some(1)),
        broker: BROKER,
    };
    world.records.insert(7, parked);
    world.attempts.clear();
    let parked = world.stubs();
    world.feed([Input::Unparked { source: QUEUE, partition: 0, parked }]);
    world.arrive(Some(1));
    assert_eq!(world.running(), [1], "it does not wait for what has not been fetched");
    world.read();
    assert_eq!(world.running(), [1], "but the replay stands behind it");
    world.settle_all();
    assert_eq!(world.ended, [(0, 0), (0, 1), (0, 0)]);
}

#[test]
fn events_of_an_earlier_epoch_are_fenced() {
    let mut world = World::new(core(vec![policy(Order::Key, 0)], 10));
    assign(&mut world.core, 2, Progress::default(), vec![], vec![]);
    world.arrive(None);
    assert_eq!((world.core.counts().fenced, world.core.events_in_flight()), (1, 0));
    world.arrived = 0;
    world.arrive_under(2, None);
    assert_eq!(world.core.events_in_flight(), 1);
    assert_ne!(Epoch(1), Epoch(2));
}
