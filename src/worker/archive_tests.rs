//! Tests of the archive on a disk that crashes and fails between any two flushes, and on a real one.

mod delivery;
mod world;

use proptest::prelude::*;

use crate::dispatch::Reason;
use crate::event::Uid;
use crate::store::simulated::Fault;
use delivery::{Action, Delivery, Place};
use world::World;

#[derive(Clone, Debug)]
enum Step {
    Publish(u8),
    Act(prop::sample::Index, Action),
    Replay(prop::sample::Index),
    DropLetter(prop::sample::Index),
    Write {
        settle: bool,
    },
    Forget,
    Fail(Fault),
    /// The worker starts again, with or without the second trigger; perhaps it is stopped while it does.
    Crash {
        gone: bool,
        interrupted: Option<Fault>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    use Action::*;
    let action = prop::sample::select(vec![Deliver, Deliver, Deliver, Loop, DeadLetter, Park, Park, Retry]);
    let fault = (0..9u64, any::<bool>(), any::<bool>());
    let stop = (0..9u64, any::<bool>()).prop_map(|(after, durable)| Fault { after, durable, lasting: true });
    let any_one = any::<prop::sample::Index>;
    prop_oneof![
        4 => (1..4u8).prop_map(Step::Publish),
        16 => (any_one(), action).prop_map(|(which, action)| Step::Act(which, action)),
        1 => any_one().prop_map(Step::Replay),
        1 => any_one().prop_map(Step::DropLetter),
        6 => any::<bool>().prop_map(|settle| Step::Write { settle }),
        3 => Just(Step::Forget),
        2 => fault.prop_map(|(after, durable, lasting)| Step::Fail(Fault { after, durable, lasting })),
        1 => (prop::bool::weighted(0.2), prop::option::of(stop))
            .prop_map(|(gone, interrupted)| Step::Crash { gone, interrupted }),
    ]
}

impl World {
    fn pick(&self, which: prop::sample::Index, place: impl Fn(&Delivery) -> bool) -> Option<Uid> {
        let open: Vec<Uid> =
            self.deliveries.iter().filter(|(_, d)| !d.busy && place(d)).map(|(&uid, _)| uid).collect();
        (!open.is_empty()).then(|| open[which.index(open.len())])
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(count) => self.publish(count),
            Step::Act(which, action) => {
                let open = |d: &Delivery| matches!(d.place, Place::Queue | Place::Parked);
                if let Some(uid) = self.pick(which, open) {
                    self.act(uid, action);
                }
            }
            Step::Replay(which) => {
                if let Some(uid) = self.pick(which, |d| d.place == Place::Letter) {
                    self.replay(uid);
                }
            }
            Step::DropLetter(which) => {
                if let Some(uid) = self.pick(which, |d| d.place == Place::Letter) {
                    self.drop_letter(uid);
                }
            }
            Step::Write { settle } => self.write(settle),
            Step::Forget => self.forget(),
            Step::Fail(fault) => self.disk.fail(fault),
            Step::Crash { gone, interrupted } => self.crash_twice(gone, interrupted),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_crashes_each_delivery_is_in_one_place(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, ..ProptestConfig::default() })]
    #[test]
    fn it_is_the_same_on_a_real_disk(steps in prop::collection::vec(step(), 40..80)) {
        let directory = tempfile::tempdir().unwrap();
        let mut world = World::in_directory(directory.path());
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}

fn all(world: &World, place: Place) -> Vec<Uid> {
    world.deliveries.iter().filter(|(_, d)| d.place == place).map(|(&uid, _)| uid).collect()
}

#[test]
fn events_that_hold_a_volume_are_asked_for_and_once_they_are_parked_it_goes() {
    let mut world = World::new();
    world.publish(1);
    world.write(false);
    let stuck = all(&world, Place::Queue);
    let mut asked = None;
    for round in 0..60 {
        world.publish(1);
        world.write(false);
        for uid in all(&world, Place::Queue).into_iter().filter(|uid| !stuck.contains(uid)) {
            world.act(uid, Action::Deliver);
        }
        world.write(false);
        world.write(true);
        let forgotten = world.archive.forget().unwrap();
        let volumes = world.archive.store.queue.volumes_held();
        assert_eq!(forgotten.evict_below.is_some(), volumes >= 3, "in round {round}");
        asked = asked.or(forgotten.evict_below);
    }
    assert!(asked.is_some_and(|below| below > 1), "{asked:?}");
    let before = world.archive.bytes();
    for &uid in &stuck {
        world.act(uid, Action::Park);
    }
    world.write(false);
    world.write(true);
    let forgotten = world.archive.forget().unwrap();
    assert_eq!(forgotten.evict_below, None);
    assert!(world.archive.bytes() < before / 3, "{before} bytes, then {}", world.archive.bytes());
    world.crash(false);
    let mut parked = all(&world, Place::Parked);
    parked.sort();
    assert_eq!(parked, stuck);
    world.finish();
}

#[test]
fn what_was_parked_for_a_trigger_that_is_gone_is_a_dead_letter_that_can_be_replayed() {
    let mut world = World::new();
    world.publish(2);
    world.write(false);
    for uid in all(&world, Place::Queue) {
        world.act(uid, Action::Park);
    }
    world.write(false);
    world.crash(true);
    world.crash(true);
    let letters = world.letters();
    assert_eq!(letters.iter().map(|l| (l.2, l.3)).collect::<Vec<_>>(), [(Reason::TriggerGone, 1); 2]);
    assert_eq!(all(&world, Place::Parked).len(), 2);
    let letter = all(&world, Place::Letter)[0];
    world.replay(letter);
    world.write(false);
    world.crash(false);
    assert_eq!((all(&world, Place::Letter).len(), all(&world, Place::Parked).len()), (1, 3));
    world.finish();
}

#[test]
fn what_is_parked_and_dead_letters_count_as_what_the_queue_takes_up() {
    let mut world = World::new();
    world.publish(20);
    world.write(false);
    let queue = world.archive.store.queue.bytes();
    assert_eq!(world.archive.bytes(), queue);
    for (n, uid) in all(&world, Place::Queue).into_iter().enumerate() {
        world.act(uid, if n % 2 == 0 { Action::Park } else { Action::DeadLetter });
    }
    world.write(false);
    assert!(world.archive.bytes() > 2 * queue + 2_000);
    world.finish();
}

/// The volume with the marks goes at once, for no event holds it: by then the parking must know them for good.
#[test]
fn what_is_done_stays_done_when_the_volume_with_its_mark_goes() {
    let mut world = World::new();
    (0..3).for_each(|_| world.publish(250));
    world.write(false);
    for uid in all(&world, Place::Queue) {
        world.act(uid, Action::Park);
    }
    world.write(false);
    world.write(true);
    for uid in all(&world, Place::Parked) {
        world.act(uid, Action::DeadLetter);
    }
    world.write(true);
    let marked = world.archive.store.queue.flushed();
    world.archive.forget().unwrap();
    assert_eq!((world.archive.store.queue.first(), world.archive.store.queue.bytes()), (marked, 0));
    world.crash(false);
    assert_eq!((all(&world, Place::Parked).len(), all(&world, Place::Letter).len()), (0, 1_500));
    world.finish();
}

/// As when the loop is ahead of what has been written.
#[test]
fn only_what_is_durably_settled_is_forgotten() {
    let mut world = World::new();
    world.publish(20);
    world.write(false);
    for uid in all(&world, Place::Queue) {
        world.act(uid, Action::DeadLetter);
    }
    world.write(false);
    world.archive.settle(&world.ledger.progress());
    world.archive.forget().unwrap();
    world.crash(false);
    assert_eq!(all(&world, Place::Letter).len(), 40);
    world.finish();
}
