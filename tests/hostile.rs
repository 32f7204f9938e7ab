//! No guest can hurt the worker or its neighbours: each of these has its outcome, its reason and its message, and leaves the
//! process as it was. WEIR_SOAK_SECONDS goes on with mixes of them for that long, from WEIR_SEED.

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/calls.rs"]
mod calls;
#[path = "hostile/compiler.rs"]
mod compiler;
#[path = "hostile/corrupt.rs"]
mod corrupt;
#[path = "simulation/dice.rs"]
#[allow(dead_code)] // We use what we need of this.
mod dice;
#[path = "hostile/guest.rs"]
mod guest;
#[path = "function/guests.rs"]
mod guests;
#[path = "hostile/host.rs"]
mod host;
#[path = "hostile/in_a_worker.rs"]
mod in_a_worker;
#[path = "hostile/made.rs"]
mod made;
#[path = "hostile/mix.rs"]
mod mix;
#[path = "hostile/neighbour.rs"]
mod neighbour;
#[path = "hostile/refused.rs"]
mod refused;
#[path = "hostile/resident.rs"]
mod resident;
#[path = "hostile/scale.rs"]
mod scale;
mod worker;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use guest::{End, Guest};
use neighbour::Neighbour;
use weir::function::{FunctionIndex, Pool, STACK};

const ONLY: FunctionIndex = FunctionIndex(0);

/// All of them.
fn guests() -> impl Iterator<Item = &'static Guest> {
    let refused = [refused::FILES, refused::NOVELTIES, refused::SIZES, refused::NAMES, refused::STARTS];
    let calls =
        [calls::TRAPS, calls::TABLES, calls::ENDLESS_ONES, calls::DEEP_ONES, calls::MEMORY, calls::OUTPUTS];
    let host = [host::WEIR, host::WASI];
    let answers = [answers::JSON, answers::REPLIES, answers::ERRORS];
    [&refused[..], &calls, &host, &answers].concat().into_iter().flatten()
}

/// Memory and addresses are the process's: one test after the other.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As executors are.
fn in_threads_for_functions(count: usize, body: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        let body = &body;
        let thread = |number| {
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || body(number)).unwrap()
        };
        let threads: Vec<_> = (0..count).map(thread).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn each_has_a_name_of_its_own_and_says_what_it_does() {
    let names: BTreeSet<_> = guests().map(|guest| guest.name).collect();
    assert_eq!(names.len(), guests().count());
    assert!(guests().all(|guest| !guest.does.is_empty()));
    assert!(names.len() >= 100, "{}", names.len());
}

#[test]
fn each_hostile_guest_ends_as_it_must_and_its_neighbour_goes_on() {
    let _alone = alone();
    in_threads_for_functions(1, |_| {
        let engine = guests::engine();
        let mut neighbour = Neighbour::new();
        let mut round = || {
            let mut wrong = Vec::new();
            for guest in guests() {
                match guest.load(&engine) {
                    Err(error) => wrong.extend(guest.check_refusal(&error).err()),
                    Ok(module) => {
                        let mut pool = Pool::new(&engine, [module]);
                        for turn in 0..3 {
                            let called = pool.call(ONLY, guest.input);
                            let fresh = turn == 0 || matches!(guest.end, End::Fails(..));
                            if called.cold != fresh {
                                wrong.push(format!("{}: what failed is not used again", guest.name));
                            }
                            wrong.extend(guest.check(called).err());
                        }
                    }
                }
                neighbour.answers(guest.name);
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        };
        round();
        let before = resident::level();
        round();
        resident::is_back_at(before, "all guests, one after the other");
    });
}
