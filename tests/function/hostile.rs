//! A guest that does the wrong thing which the input's first byte names.

use weir::dispatch::{Outcome, Reason};

use crate::guests;

/// What each does, and how its call ends. What ends in a trap does so before the first look at the clock.
pub(crate) const WAYS: [(&[u8], Outcome, Reason); 9] = [
    (b"unreachable", Outcome::Trapped, Reason::Unreachable),
    (b"division", Outcome::Trapped, Reason::Division),
    (b"bounds", Outcome::Trapped, Reason::Bounds),
    (b"call", Outcome::Trapped, Reason::IndirectCall),
    (b"recursion", Outcome::Trapped, Reason::Depth),
    (b"memory", Outcome::Trapped, Reason::Memory),
    (b"endless", Outcome::TimedOut, Reason::Deadline),
    (b"inside", Outcome::TimedOut, Reason::Deadline),
    (b"filling", Outcome::TimedOut, Reason::Deadline),
];

pub(crate) fn wasm() -> Vec<u8> {
    guests::guest(
        r#"(if (i32.eq $input (i32.const 117)) (then unreachable))
        (if (i32.eq $input (i32.const 100)) (then
            (i32.store (i32.const 0) (i32.div_u (i32.const 1) (i32.load (i32.const 0))))))
        (if (i32.eq $input (i32.const 98)) (then
            (i32.store (i32.const 0) (i32.load (i32.const 0x7fffffff)))))
        (if (i32.eq $input (i32.const 99)) (then (call_indirect (i32.load (i32.const 0)))))
        (if (i32.eq $input (i32.const 114)) (then (call $deeper (i32.const 0))))
        (if (i32.eq $input (i32.const 109)) (then
            (drop (memory.grow (i32.const 65535)))
            unreachable))
        (if (i32.eq $input (i32.const 101)) (then (loop $more (br $more))))
        (if (i32.eq $input (i32.const 105)) (then (call $inside (i32.const 0))))
        (if (i32.eq $input (i32.const 102)) (then
            (loop $more (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $more))))
        (i64.const 0)"#,
        // They use their argument after the call: else they would be compiled to loops.
        r#"(table 1 funcref)
        (func $deeper (param i32)
            (call $deeper (i32.add (local.get 0) (i32.const 1)))
            (i32.store (i32.const 8) (local.get 0)))
        (func $inside (param i32)
            (if (i32.gt_u (local.get 0) (i32.const 1000)) (then (loop $more (br $more))))
            (call $inside (i32.add (local.get 0) (i32.const 1)))
            (i32.store (i32.const 8) (local.get 0)))"#,
    )
}
