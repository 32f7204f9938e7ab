//! A guest's trap or a call that is stopped costs that attempt, never the worker. Alone in its process: it measures
//! memory, and what it tests would kill the process.

#[path = "function/guests.rs"]
mod guests;
#[path = "function/hostile.rs"]
mod hostile;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use weir::dispatch::{Outcome, Reason};
use weir::event::Uid;
use weir::function::{Answer, FunctionIndex, Limits, Module, Pool, STACK, answer};

const ONLY: FunctionIndex = FunctionIndex(0);

/// Traps in each way there is. One of fifty is an endless recursion, which is slower.
fn traps(number: u32) -> (&'static [u8], Outcome, Reason) {
    match number % 50 {
        0 => hostile::WAYS[4],
        n => hostile::WAYS[n as usize % 4],
    }
}

/// All that is stopped, by turns: loops, in a recursion, in bulk operations.
fn stops(number: u32) -> (&'static [u8], Outcome, Reason) {
    hostile::WAYS[6 + number as usize % 3]
}

/// Everything that there is.
fn mixed(number: u32) -> (&'static [u8], Outcome, Reason) {
    hostile::WAYS[number as usize % hostile::WAYS.len()]
}

type Way = fn(u32) -> (&'static [u8], Outcome, Reason);

/// In one thread, beside a good guest whose one instance stays warm.
fn go_wrong(times: u32, way: Way, hostile: &Arc<Module>, payment: &Arc<Module>) {
    let engine = guests::engine();
    let mut bad = Pool::new(&engine, [hostile.clone()]);
    let mut good = Pool::new(&engine, [payment.clone()]);
    good.prewarm().unwrap();
    for number in 0..times {
        let (input, outcome, reason) = way(number);
        let called = bad.call(ONLY, input);
        let failure = called.result.unwrap_err();
        assert_eq!((failure.outcome, failure.reason), (outcome, reason), "{number}: {failure}");
        assert!(called.cold, "what failed was used again");
        if number % 100 == 0 {
            right_answer(&mut good);
        }
    }
    assert_eq!(bad.call(ONLY, b"nothing wrong").result, Ok(&b""[..]));
}

fn right_answer(good: &mut Pool) {
    let called = good.call(ONLY, &guests::order("A7", "12500"));
    assert!(!called.cold);
    match answer::read(called.result.unwrap(), "payment", Uid(1)) {
        Ok(Answer::Replies(replies)) => assert_eq!(replies[0].ty, "order.flagged"),
        other => panic!("{other:?}"),
    }
}

/// Two threads go wrong, while a third one computes what is right and always the same.
fn on_threads(times: u32, way: Way, hostile: &Arc<Module>, payment: &Arc<Module>) {
    let done = AtomicBool::new(false);
    let thread = || thread::Builder::new().stack_size(STACK);
    thread::scope(|scope| {
        let wrong = || thread().spawn_scoped(scope, || go_wrong(times / 2, way, hostile, payment)).unwrap();
        let wrong = [wrong(), wrong()];
        let right = thread().spawn_scoped(scope, || {
            let mut good = Pool::new(&guests::engine(), [payment.clone()]);
            good.prewarm().unwrap();
            while !done.load(Ordering::Relaxed) {
                right_answer(&mut good);
            }
        });
        let ended = wrong.map(|thread| thread.join());
        done.store(true, Ordering::Relaxed);
        right.unwrap().join().unwrap();
        ended.into_iter().for_each(|thread| thread.unwrap());
    });
}

fn resident_bytes() -> i64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4_096
}

/// One test: memory is the process's.
#[test]
fn whatever_goes_wrong_leaves_the_worker_as_it_was() {
    let engine = guests::engine();
    // Over at the first look at the clock.
    let limits = Limits { timeout: Duration::from_micros(100), ..Limits::default() };
    let stopped = guests::load_with(&engine, &hostile::wasm(), limits).unwrap();
    let trapping = guests::load(&hostile::wasm()).unwrap();
    let payment = Module::load(&engine, "payment", &guests::payment(), Limits::default()).unwrap();
    let cases: [(&str, u32, Way, &Arc<Module>); 3] = [
        ("100,000 traps", 100_000, traps, &trapping),
        ("1,000 stops", 1_000, stops, &stopped),
        ("1,000 of each in turn", 9_000, mixed, &stopped),
    ];
    for (what, times, way, hostile) in cases {
        on_threads(times / 10, way, hostile, &payment);
        let before = resident_bytes();
        on_threads(times, way, hostile, &payment);
        let grown = resident_bytes() - before;
        assert!(grown < 8 << 20, "{what}: memory grew by {grown} bytes");
    }
}
