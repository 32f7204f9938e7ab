//! Guests that do wrong while they are called, with nothing but their own instructions.

use weir::dispatch::{Outcome, Reason};
use weir::function::Limits;

use crate::guest::{BOUNDS, DEADLINE, ENDLESS, End, Guest, NOTHING, PATIENT, SHORT, Wasm, handler, other};

/// A whole module, by what it answers when it is asked for a buffer.
macro_rules! buffer {
    ($body:literal) => {
        concat!(
            r#"(module (memory (export "memory") 1) (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0))
            (func (export "weir_buffer") (param i32) (result i32) "#,
            $body,
            "))"
        )
    };
}

const fn trap(reason: Reason, message: &'static str) -> End {
    End::Fails(Outcome::Trapped, reason, message)
}

const fn permanent(reason: Reason, message: &'static str) -> End {
    End::Fails(Outcome::Permanent, reason, message)
}

const UNREACHABLE: End = trap(Reason::Unreachable, "unreachable (WasmEdge code 0x40a)");
const DEPTH: End = trap(Reason::Depth, "calls nested too deeply");
const INDIRECT: End = trap(Reason::IndirectCall, "…");
const REFUSED_GROWTH: &str = "…, after it was refused more memory; the limit is 131072 KiB";

pub(crate) const TRAPS: &[Guest] = &[
    handler("unreachable", "gives up", &[], "unreachable", "", UNREACHABLE),
    handler(
        "division-by-zero",
        "divides by zero",
        &[],
        "(i64.div_u (i64.const 1) (i64.load (i32.const 0)))",
        "",
        trap(Reason::Division, "integer divide by zero (WasmEdge code 0x404)"),
    ),
    handler(
        "division-overflow",
        "divides the least number by -1",
        &[],
        "(i64.div_s (i64.const 0x8000000000000000) (i64.sub (i64.load (i32.const 0)) (i64.const 1)))",
        "",
        trap(Reason::Division, "integer overflow…"),
    ),
    handler(
        "no-such-integer",
        "makes an integer of infinity",
        &[],
        "(i64.trunc_f64_s (f64.div (f64.const 1) (f64.load (i32.const 0))))",
        "",
        trap(Reason::Division, "…"),
    ),
    handler(
        "load-outside",
        "reads just behind its memory",
        &[],
        "(i64.load (i32.const 65529))",
        "",
        BOUNDS,
    ),
    handler(
        "load-far-outside",
        "reads at the largest address with the largest offset: 8 GiB from its memory's base",
        &[],
        "(i64.load offset=0xffffffff (i32.sub (i32.load (i32.const 0)) (i32.const 1)))",
        "",
        BOUNDS,
    ),
    handler(
        "vector-store-outside",
        "writes 16 bytes of which the last is outside",
        &[],
        "(v128.store offset=1 (i32.const 65520) (v128.const i64x2 -1 -1)) (i64.const 0)",
        "",
        BOUNDS,
    ),
    handler(
        "scan-of-everything",
        "reads byte by byte until something stops it",
        &[],
        "(local $at i32) (local $sum i32)
         (loop $more
            (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $more))
         (i64.extend_i32_u (local.get $sum))",
        "",
        BOUNDS,
    ),
    handler(
        "fill-of-everything",
        "fills 4 GiB at once",
        &[],
        "(memory.fill (i32.const 0) (i32.const 255) (i32.const -1)) (i64.const 0)",
        "",
        BOUNDS,
    ),
    handler(
        "copy-from-outside",
        "copies what lies behind its memory into it",
        &[],
        "(memory.copy (i32.const 0) (i32.const 65535) (i32.const 2)) (i64.const 0)",
        "",
        BOUNDS,
    ),
    handler(
        "dropped-data",
        "uses a data segment that it has dropped",
        &[],
        "(data.drop 0) (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)) (i64.const 0)",
        r#"(data "gone")"#,
        BOUNDS,
    ),
    handler(
        "grow-then-trap",
        "takes a hundred pages, writes to each and traps",
        &[],
        "(local $at i32)
         (if (i32.ne (memory.size) (i32.const 1)) (then (return (i64.const 1))))
         (drop (memory.grow (i32.const 100)))
         (loop $more
            (i32.store (local.get $at) (i32.const -1))
            (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 65536))) (i32.const 6553600))))
         unreachable",
        "",
        UNREACHABLE,
    ),
];

pub(crate) const TABLES: &[Guest] = &[
    handler(
        "call-of-nothing",
        "calls an empty place of a table",
        &[],
        "(call_indirect (i32.const 0)) (i64.const 0)",
        "(table 1 funcref)",
        INDIRECT,
    ),
    handler(
        "call-outside-the-table",
        "calls what stands behind a table",
        &[],
        "(call_indirect (i32.const -1)) (i64.const 0)",
        "(table 1 funcref)",
        INDIRECT,
    ),
    handler(
        "call-of-another-type",
        "calls a function as if it took two floats",
        &[],
        "(call_indirect (param f64 f64) (result i64) (f64.const 1) (f64.const 2) (i32.const 0))",
        "(table 1 funcref) (elem (i32.const 0) $handle)",
        INDIRECT,
    ),
    handler(
        "call-of-the-host-as-another-type",
        "calls the host's `log` with less than it takes",
        &["log"],
        "(call_indirect (i32.const 0)) (i64.const 0)",
        "(table 1 funcref) (elem (i32.const 0) $log)",
        INDIRECT,
    ),
    handler(
        "host-through-a-table",
        "calls the host's `log` through a table, with an address outside memory",
        &["log"],
        "(call_indirect (param i32 i32 i32) (i32.const 0) (i32.const 65536) (i32.const 1) (i32.const 0)) (i64.const 0)",
        "(table 1 funcref) (elem (i32.const 0) $log)",
        trap(Reason::Bounds, "it called `log` with an address outside its memory"),
    ),
    handler(
        "table-read-outside",
        "reads behind a table",
        &[],
        "(drop (table.get 0 (i32.const 65536))) (i64.const 0)",
        "(table 1 funcref)",
        BOUNDS,
    ),
    handler(
        "table-write-outside",
        "writes behind a table",
        &[],
        "(table.set 0 (i32.const 1) (ref.func $handle)) (i64.const 0)",
        "(table 1 funcref) (elem declare func $handle)",
        BOUNDS,
    ),
    handler(
        "table-fill-of-everything",
        "fills four thousand million places of a table",
        &[],
        "(table.fill 0 (i32.const 0) (ref.null func) (i32.const -1)) (i64.const 0)",
        "(table 1 funcref)",
        BOUNDS,
    ),
    handler(
        "dropped-elements",
        "uses an element segment that it has dropped",
        &[],
        "(elem.drop 0) (table.init 0 0 (i32.const 0) (i32.const 0) (i32.const 1)) (i64.const 0)",
        "(table 1 funcref) (elem func $handle)",
        BOUNDS,
    ),
    handler(
        "table-growth",
        "has a table grow in a loop, as far as it may",
        &[],
        "(loop $more (br_if $more (i32.ne (table.grow 0 (ref.null func) (i32.const 1000)) (i32.const -1))))
         (i64.const 0)",
        "(table 1 65536 funcref)",
        NOTHING,
    ),
];

pub(crate) const ENDLESS_ONES: &[Guest] = &[
    handler("endless-loop", "never comes back", &[], "(loop $more (br $more)) (i64.const 0)", "", ENDLESS),
    handler(
        "endless-loops-by-turns",
        "never comes back, by way of a branch table",
        &[],
        "(loop $out (loop $in (br_table $in $out (local.get $len)))) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "endless-calls",
        "calls a function that does nothing, for ever",
        &[],
        "(loop $more (call $nothing) (br $more)) (i64.const 0)",
        "(func $nothing)",
        ENDLESS,
    ),
    handler(
        "endless-doubling",
        "calls twice what calls twice what calls twice ..., without a loop and without calling itself",
        &[],
        "(call $f0) (i64.load (i32.const 0))",
        include_str!("doubling.wat"),
        ENDLESS,
    ),
    handler(
        "endless-filling",
        "fills its memory again and again",
        &[],
        "(loop $more (memory.fill (i32.const 0) (i32.const 7) (i32.const 65536)) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "endless-growth-by-nothing",
        "has its memory grow by no page, for ever",
        &[],
        "(loop $more (drop (memory.grow (i32.const 0))) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "endless-refusals",
        "asks for more memory than there is, for ever",
        &[],
        "(loop $more (drop (memory.grow (i32.const -1))) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    Guest {
        limits: SHORT,
        ..other(
            "endless-buffer",
            "does not come back when it is asked where the event may go",
            Wasm::Text(buffer!("(loop $more (br $more)) (i32.const 0)")),
            ENDLESS,
        )
    },
    Guest {
        limits: Limits { fuel: Some(3_000_000), ..PATIENT },
        ..handler(
            "fuel",
            "does more work than it may",
            &[],
            "(loop $more (br $more)) (i64.const 0)",
            "",
            End::Fails(Outcome::TimedOut, Reason::Fuel, "it used more than 3000000 units of fuel"),
        )
    },
    Guest {
        limits: SHORT,
        ..other(
            "endless-command",
            "a program that never ends",
            Wasm::Command(&[], "(loop $more (br $more))", ""),
            End::Fails(Outcome::TimedOut, Reason::Deadline, DEADLINE),
        )
    },
];

pub(crate) const DEEP_ONES: &[Guest] = &[
    handler(
        "recursion",
        "calls itself for ever",
        &[],
        "(i64.add (call $handle (local.get $len)) (i64.const 1))",
        "",
        DEPTH,
    ),
    handler(
        "mutual-recursion",
        "two functions call each other for ever",
        &[],
        "(call $one (i32.const 0)) (i64.const 0)",
        "(func $one (param i32) (call $two (local.get 0)) (i32.store (i32.const 0) (local.get 0)))
         (func $two (param i32) (call $one (local.get 0)) (i32.store (i32.const 4) (local.get 0)))",
        DEPTH,
    ),
    handler(
        "recursion-through-a-table",
        "calls itself through a table that it fills while it runs",
        &[],
        "(table.set 0 (i32.const 0) (ref.func $handle))
         (i64.add (call_indirect (param i32) (result i64) (local.get $len) (i32.const 0)) (i64.const 1))",
        "(table 1 funcref) (elem declare func $handle)",
        DEPTH,
    ),
    other(
        "recursion-with-large-frames",
        "calls itself with 64 KB of locals that live across the call",
        Wasm::Bytes(crate::made::large_frames),
        DEPTH,
    ),
];

pub(crate) const MEMORY: &[Guest] = &[
    handler(
        "memory-bomb",
        "takes all the memory that it gets, page by page, writes to all of it and traps",
        &[],
        "(local $at i32)
         (loop $more
            (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const -1))
            (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         unreachable",
        "",
        trap(Reason::Memory, REFUSED_GROWTH),
    ),
    handler(
        "memory-bomb-at-once",
        "wants 4 GiB and writes to where they would end",
        &[],
        "(drop (memory.grow (i32.const 65535))) (i64.store (i32.const -8) (i64.const -1)) (i64.const 0)",
        "",
        trap(Reason::Memory, REFUSED_GROWTH),
    ),
    handler(
        "ruined-heap",
        "overwrites all of its memory, the event included, and goes on",
        &[],
        "(memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 65536)) (i64.const 0)",
        "",
        NOTHING,
    ),
    handler(
        "ruined-buffer",
        "has the event written over its own data",
        &[],
        "(if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 120)) (then unreachable)) (i64.const 0)",
        r#"(data (i32.const 1024) "precious")"#,
        UNREACHABLE,
    ),
];

pub(crate) const OUTPUTS: &[Guest] = &[
    handler(
        "negative-output",
        "answers with -1: 4 GiB at the last address",
        &[],
        "(i64.const -1)",
        "",
        permanent(Reason::Output, "an output of 4294967295 bytes; the limit is 1048576"),
    ),
    handler(
        "huge-output",
        "answers with 2 GiB",
        &[],
        "(i64.const 0x80000000)",
        "",
        permanent(Reason::Output, "an output of 2147483648 bytes; the limit is 1048576"),
    ),
    handler(
        "output-outside",
        "answers with what stands at the end of its memory and behind",
        &[],
        "(i64.const 0xffff00000002)",
        "",
        permanent(Reason::BadOutput, "an output of 2 bytes at 65535: that is not all within memory"),
    ),
    handler(
        "output-around-the-corner",
        "answers with what would begin again at address 0",
        &[],
        "(i64.const 0xffffffff00000002)",
        "",
        permanent(Reason::BadOutput, "an output of 2 bytes at 4294967295: that is not all within memory"),
    ),
    other(
        "buffer-outside",
        "wants the event behind its memory",
        Wasm::Text(buffer!("(i32.const 65536)")),
        permanent(Reason::BadBuffer, "weir_buffer(1) returned 65536: that is not all within memory"),
    ),
    other(
        "negative-buffer",
        "wants the event at -1",
        Wasm::Text(buffer!("(i32.const -1)")),
        permanent(Reason::BadBuffer, "weir_buffer(1) returned 4294967295: that is not all within memory"),
    ),
    other(
        "trap-in-buffer",
        "traps when it is asked for a buffer",
        Wasm::Text(buffer!("unreachable")),
        UNREACHABLE,
    ),
    other(
        "no-memory-at-all",
        "has a memory of no page",
        Wasm::Text(
            r#"(module (memory (export "memory") 0 0) (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#,
        ),
        permanent(Reason::BadBuffer, "weir_buffer(1) returned 0: that is not all within memory"),
    ),
    other(
        "buffer-of-the-host",
        "offers a function of the host as its own: its error number is the address",
        Wasm::Text(
            r#"(module (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (memory (export "memory") 1) (global (export "weir_abi") i32 (i32.const 1))
            (export "weir_buffer" (func $close))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#,
        ),
        NOTHING,
    ),
];
