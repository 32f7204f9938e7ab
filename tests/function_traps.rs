//! A guest's trap costs that attempt, never the worker. Alone in its process: it measures memory, and what it tests
//! would kill the process.

#[path = "function/guests.rs"]
mod guests;

use std::fs;
use std::sync::Arc;
use std::thread;

use weir::dispatch::{Outcome, Reason};
use weir::event::Uid;
use weir::function::{Answer, FunctionIndex, Limits, Module, Pool, answer};

const ONLY: FunctionIndex = FunctionIndex(0);

/// Traps in the way that the input's first byte names.
fn hostile() -> Vec<u8> {
    guests::guest(
        r#"(if (i32.eq $input (i32.const 117)) (then unreachable))
        (if (i32.eq $input (i32.const 100)) (then
            (i32.store (i32.const 0) (i32.div_u (i32.const 1) (i32.load (i32.const 0))))))
        (if (i32.eq $input (i32.const 98)) (then
            (i32.store (i32.const 0) (i32.load (i32.const 0x7fffffff)))))
        (if (i32.eq $input (i32.const 99)) (then (call_indirect (i32.load (i32.const 0)))))
        (if (i32.eq $input (i32.const 114)) (then (call $deeper (i32.const 0))))
        (i64.const 0)"#,
        // Uses its argument after the call: else it would be compiled to a loop.
        r#"(table 1 funcref)
        (func $deeper (param i32)
            (call $deeper (i32.add (local.get 0) (i32.const 1)))
            (i32.store (i32.const 8) (local.get 0)))"#,
    )
}

/// One of fifty is an endless recursion, which is slower: it fills a stack.
fn way(number: u32) -> (&'static [u8], Reason) {
    match number % 50 {
        0 => (b"recursion", Reason::Bounds),
        n if n % 4 == 0 => (b"unreachable", Reason::Unreachable),
        n if n % 4 == 1 => (b"division", Reason::Division),
        n if n % 4 == 2 => (b"bounds", Reason::Bounds),
        _ => (b"call", Reason::IndirectCall),
    }
}

/// In one thread, beside a good guest whose one instance stays warm.
fn trap(times: u32, hostile: Arc<Module>, payment: Arc<Module>) {
    let engine = guests::engine();
    let mut bad = Pool::new(&engine, [hostile]);
    let mut good = Pool::new(&engine, [payment]);
    good.prewarm().unwrap();
    for number in 0..times {
        let (input, reason) = way(number);
        let called = bad.call(ONLY, input);
        let failure = called.result.unwrap_err();
        assert_eq!((failure.outcome, failure.reason), (Outcome::Trapped, reason), "{number}: {failure}");
        assert!(called.cold, "what trapped was used again");
        if number % 100 == 0 {
            let called = good.call(ONLY, &guests::order("A7", "12500"));
            assert!(!called.cold);
            match answer::read(called.result.unwrap(), "payment", Uid(1)) {
                Ok(Answer::Replies(replies)) => assert_eq!(replies[0].ty, "order.flagged"),
                other => panic!("{number}: {other:?}"),
            }
        }
    }
    assert_eq!(bad.call(ONLY, b"no trap").result, Ok(&b""[..]));
}

fn on_two_threads(times: u32, hostile: &Arc<Module>, payment: &Arc<Module>) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| trap(times / 2, hostile.clone(), payment.clone()));
        }
    });
}

fn resident_bytes() -> i64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4_096
}

#[test]
fn a_hundred_thousand_traps_leave_the_worker_as_it_was() {
    let engine = guests::engine();
    let hostile = guests::load(&hostile()).unwrap();
    let payment = Module::load(&engine, "payment", &guests::payment(), Limits::default()).unwrap();
    on_two_threads(10_000, &hostile, &payment);
    let before = resident_bytes();
    on_two_threads(100_000, &hostile, &payment);
    let grown = resident_bytes() - before;
    assert!(grown < 8 << 20, "memory grew by {grown} bytes");
}
