//! Hostile guests and good ones at random, in one pool on each of two threads, which are made anew and reloaded now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir::function::{FunctionIndex, Module, Pool};

use crate::dice::{Dice, dice_of};
use crate::guest::Guest;
use crate::neighbour::Neighbour;
use crate::{ONLY, alone, guests, in_threads_for_functions, resident};

const THREADS: usize = 2;
/// Of each thread.
const CALLS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

/// Those that can be called, loaded.
fn callable() -> Vec<(&'static Guest, Arc<Module>)> {
    let engine = guests::engine();
    let callable = crate::guests().filter(|guest| !guest.is_refused());
    callable.map(|guest| (guest, guest.load(&engine).unwrap_or_else(|error| panic!("{error}")))).collect()
}

/// Until `over` says so; it is told how many calls there were.
fn mix(dice: &mut Dice, all: &[(&'static Guest, Arc<Module>)], over: impl Fn(u64) -> bool) {
    let engine = guests::engine();
    let mut neighbour = Neighbour::new();
    let mut some = shuffled(dice, all);
    let pool_of = |some: &[(&Guest, Arc<Module>)]| Pool::new(&engine, some.iter().map(|one| one.1.clone()));
    let mut pool = pool_of(&some);
    for calls in 0.. {
        if over(calls) {
            return;
        }
        match dice.within(0..200) {
            0 => pool = pool_of(&some),
            1..4 => {
                some = shuffled(dice, all);
                pool.replace(some.iter().map(|one| one.1.clone()));
            }
            4 => pool.prewarm().unwrap(),
            5..60 => neighbour.answers("a mix"),
            _ => {
                let index = dice.within(0..some.len() as u64) as usize;
                let (guest, _) = some[index];
                guest.check(pool.call(FunctionIndex(index as u32), guest.input)).unwrap();
            }
        }
    }
}

/// About half of them.
fn shuffled<T: Clone>(dice: &mut Dice, all: &[T]) -> Vec<T> {
    let mut some: Vec<T> = all.iter().filter(|_| dice.chance(50)).cloned().collect();
    for last in (1..some.len()).rev() {
        some.swap(last, dice.within(0..last as u64 + 1) as usize);
    }
    if some.is_empty() { all.to_vec() } else { some }
}

#[test]
fn whatever_runs_beside_whatever_ends_as_it_must_and_memory_comes_back() {
    let _alone = alone();
    let seed = number("WEIR_SEED").unwrap_or(11);
    println!("WEIR_SEED={seed}");
    let all = callable();
    let run = |stretch: u64, over: &(dyn Fn(u64) -> bool + Sync)| {
        in_threads_for_functions(THREADS, |thread| {
            mix(&mut dice_of(seed, &[stretch, thread as u64]), &all, over);
        });
    };
    run(0, &|calls| calls >= CALLS / 5);
    let before = resident::level();
    let until = number("WEIR_SOAK_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let Some(until) = until else {
        run(1, &|calls| calls >= CALLS);
        return resident::is_back_at(before, "a mix");
    };
    // A minute at a time, with the level after each.
    for stretch in 1.. {
        let minute = (Instant::now() + Duration::from_secs(60)).min(until);
        let total = AtomicU64::new(0);
        run(stretch, &|_| {
            total.fetch_add(1, Ordering::Relaxed);
            Instant::now() >= minute
        });
        println!("minute {stretch}: {} calls", total.into_inner());
        resident::is_back_at(before, "a minute of mixes");
        crate::corrupt::some(&mut dice_of(seed, &[stretch, THREADS as u64]), 200);
        resident::is_back_at(before, "and of corrupt modules");
        if Instant::now() >= until {
            return;
        }
    }
}

#[test]
fn a_deadline_stops_an_endless_loop_a_thousand_times_on_two_threads() {
    let _alone = alone();
    let endless = crate::guests().find(|guest| guest.name == "endless-loop").unwrap();
    let quick = Guest {
        limits: weir::function::Limits { timeout: Duration::from_millis(1), ..endless.limits },
        ..*endless
    };
    let engine = guests::engine();
    let module = quick.load(&engine).unwrap();
    let stop = |times: u32| {
        in_threads_for_functions(THREADS, |_| {
            let mut pool = Pool::new(&engine, [module.clone()]);
            let mut neighbour = Neighbour::new();
            for _ in 0..times {
                let called = pool.call(ONLY, b"x");
                assert!(called.wall >= Duration::from_millis(1));
                let failure = called.result.unwrap_err();
                assert_eq!(failure.message, "it ran for longer than 1ms");
                neighbour.answers("an endless loop");
            }
        });
    };
    stop(50);
    let before = resident::level();
    stop(1_000);
    resident::is_back_at(before, "1,000 endless loops on each of two threads");
}
