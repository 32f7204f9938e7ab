//! Guests that are stopped before anything of them runs, or while they are tried out.

use weir::function::Limits;

use crate::guest::{End, Guest, NOTHING, SHORT, Wasm, handler, other};
use crate::made;

const fn refused(name: &'static str, does: &'static str, wasm: Wasm, why: &'static str) -> Guest {
    other(name, does, wasm, End::Refused(why))
}

/// What WebAssembly 2.0 has not.
const fn novelty(name: &'static str, does: &'static str, text: &'static str, why: &'static str) -> Guest {
    refused(name, does, Wasm::Text(text), why)
}

pub(crate) const FILES: &[Guest] = &[
    refused("nothing", "is empty", Wasm::Bytes(Vec::new), "the file is empty"),
    refused(
        "hundred-megabytes",
        "is a valid module of 100 MB",
        Wasm::Bytes(made::hundred_megabytes),
        "the file is larger than 64 MiB",
    ),
    refused(
        "truncated",
        "ends in the middle of its code",
        Wasm::Bytes(made::truncated),
        "the module is not valid WebAssembly 2.0: unexpected end…",
    ),
    refused(
        "lying-count",
        "says that it has four thousand million types, and ends",
        Wasm::Bytes(made::lying_count),
        "the module is not valid WebAssembly 2.0: …",
    ),
    refused(
        "overlong-number",
        "has a number of more bytes than a number has",
        Wasm::Bytes(made::overlong_number),
        "the module is not valid WebAssembly 2.0: invalid var_u32…",
    ),
    other(
        "large-custom-section",
        "has 50 MB that nobody reads",
        Wasm::Bytes(made::large_custom_section),
        NOTHING,
    ),
    other(
        "lying-names",
        "has names of functions that are not there, longer than they are",
        Wasm::Bytes(made::lying_names),
        NOTHING,
    ),
    refused(
        "long-names",
        "imports things whose names are 100 KB of escape sequences",
        Wasm::Bytes(made::names_of_a_hundred_kilobytes),
        "it imports …",
    ),
    refused(
        "names-of-the-host",
        "exports ten thousand names that are the host's",
        Wasm::Bytes(made::exports_of_the_host),
        "it exports `weir.0…",
    ),
];

pub(crate) const NOVELTIES: &[Guest] = &[
    novelty(
        "tail-call",
        "leaves a function by a tail call, without giving back its depth",
        "(module (func $f (return_call $f)))",
        "the module is not valid WebAssembly 2.0: tail calls support is not enabled…",
    ),
    novelty(
        "two-memories",
        "has a second memory, of which nobody knows",
        "(module (memory 1) (memory 1))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "large-memory",
        "has a memory of 64 bits",
        "(module (memory i64 1))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "shared-memory",
        "shares its memory with threads",
        "(module (memory 1 2 shared) (func (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "exception",
        "throws",
        "(module (tag) (func (throw 0)))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "garbage",
        "has structures that somebody else is to collect",
        "(module (type (struct (field i32))) (func (drop (struct.new_default 0))))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "typed-reference",
        "calls by a reference",
        "(module (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))",
        "the module is not valid WebAssembly 2.0: …",
    ),
    novelty(
        "relaxed-vectors",
        "computes what differs from machine to machine",
        "(module (func (param v128) (result v128)
            (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))",
        "the module is not valid WebAssembly 2.0: …",
    ),
];

pub(crate) const SIZES: &[Guest] = &[
    refused(
        "many-parameters",
        "has a function of ten thousand parameters",
        Wasm::Bytes(made::ten_thousand_parameters),
        "the module is not valid WebAssembly 2.0: …",
    ),
    refused(
        "many-locals",
        "has a function of 60,000 locals, a megabyte of stack",
        Wasm::Bytes(made::sixty_thousand_locals),
        "the module is not valid WebAssembly 2.0: too many locals…",
    ),
    refused(
        "all-of-memory",
        "begins with 4 GiB of memory",
        Wasm::Text(
            r#"(module (memory (export "memory") 65536) (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#,
        ),
        "its memory begins with 65536 pages of 64 KiB; the limit is 2048",
    ),
    handler(
        "large-table",
        "has a table of four thousand million places",
        &[],
        "(i64.const 0)",
        "(table 0xffffffff funcref)",
        End::Refused("its tables begin beyond 65536 elements in all"),
    ),
    handler(
        "growing-table",
        "has a table grow without end",
        &[],
        "(drop (table.grow 0 (ref.null func) (i32.const 1))) (i64.const 0)",
        "(table 1 funcref)",
        End::Refused("its tables can grow beyond 65536 elements in all"),
    ),
    refused(
        "element-bomb",
        "has segments of more elements than tables may have: an instance has 16 bytes for each",
        Wasm::Bytes(made::element_bomb),
        "it has 65537 elements in segments; the limit is 65536",
    ),
    refused(
        "global-bomb",
        "has twenty thousand globals: an instance has a few hundred bytes for each",
        Wasm::Bytes(made::global_bomb),
        "it has 20001 globals; the limit is 10000",
    ),
    refused(
        "function-bomb",
        "has 120,000 empty functions: each takes half a millisecond to compile",
        Wasm::Bytes(made::function_bomb),
        "it has 120002 functions; the limit is 100000",
    ),
    refused(
        "export-bomb",
        "exports its handler under 120,000 names",
        Wasm::Bytes(made::export_bomb),
        "it has 120004 exports; the limit is 10000",
    ),
    refused(
        "type-bomb",
        "has 11,000 types: the compiler compares each with all others",
        Wasm::Bytes(made::type_bomb),
        "it has …types; the limit is 10000",
    ),
    refused(
        "nested-loops",
        "has 501 loops within each other: at ten thousand it takes the compiler half a minute, then it dies",
        Wasm::Bytes(made::nested_loops),
        "it has 501 loops within each other; the limit is 500",
    ),
    other("data-bomb", "writes 13 MB to the same page as it starts", Wasm::Bytes(made::data_bomb), NOTHING),
    Guest {
        limits: SHORT,
        ..other(
            "large-branch-table",
            "a loop with a branch table of 50,000 places",
            Wasm::Bytes(made::large_branch_table),
            NOTHING,
        )
    },
    handler(
        "data-outside",
        "has data that does not fit into its memory",
        &[],
        "(i64.const 0)",
        r#"(data (i32.const 65535) "xx")"#,
        End::Refused("it can't be started: trapped (bounds): …"),
    ),
    handler(
        "elements-outside",
        "has elements that do not fit into its table",
        &[],
        "(i64.const 0)",
        "(table 1 funcref) (elem (i32.const 1) $handle)",
        End::Refused("it can't be started: trapped (bounds): …"),
    ),
];

pub(crate) const NAMES: &[Guest] = &[
    refused(
        "no-exports",
        "has nothing that the host could call",
        Wasm::Text("(module)"),
        "it does not export `memory`, a memory; …",
    ),
    refused(
        "mistyped-exports",
        "has what the host wants, all of it as something else",
        Wasm::Text(
            r#"(module (func (export "memory")) (memory (export "weir_abi") 1)
            (global (export "weir_buffer") i64 (i64.const 0)) (table (export "weir_handle") 1 funcref))"#,
        ),
        "its export `memory` is a function () -> (); it must be a memory; its export `weir_abi` is a memory; …",
    ),
    handler(
        "fuel-of-its-own",
        "exports a global as the host's fuel",
        &[],
        "(i64.const 0)",
        r#"(global (export "weir.fuel") (mut i64) (i64.const 0x7fffffffffffffff))"#,
        End::Refused("it exports `weir.fuel`: names that begin with `weir.` are the host's"),
    ),
    handler(
        "fuel-by-number",
        "writes to the global that will be its fuel",
        &[],
        "(global.set 1 (i64.const 0x7fffffffffffffff)) (i64.const 0)",
        "",
        End::Refused("the module is not valid WebAssembly 2.0: unknown global…"),
    ),
    refused(
        "tick",
        "imports what hands out fuel",
        Wasm::Text(r#"(module (import "weir" "tick" (func (param i64) (result i64))))"#),
        "it imports `weir.tick`; the host offers `weir.log` and `weir.config` there, and nothing else…",
    ),
    refused(
        "unknown-import",
        "imports a memory of somebody else's",
        Wasm::Text(r#"(module (import "payment" "memory" (memory 1)))"#),
        "it imports `payment.memory`; nothing of that is there to import…",
    ),
    refused(
        "mistyped-import",
        "imports the host's `log` as a function that returns an address",
        Wasm::Text(r#"(module (import "weir" "log" (func (result i64))))"#),
        "its import `weir.log` is a function () -> (i64); it must be a function (i32, i32, i32) -> ()…",
    ),
    refused(
        "socket-import",
        "imports sockets that are not preview 1",
        Wasm::Text(
            r#"(module (import "wasi_snapshot_preview1" "sock_connect" (func (param i32 i32 i32) (result i32))))"#,
        ),
        "it imports `wasi_snapshot_preview1.sock_connect`; that is not preview 1…",
    ),
    refused(
        "another-version",
        "has the host's `sched_yield` say which version it speaks: 0",
        Wasm::Text(
            r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (memory (export "memory") 1) (export "weir_abi" (func $yield))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#,
        ),
        "its `weir_abi` is 0; this worker speaks Guest ABI 1…",
    ),
];

/// A guest of which the start function does this.
macro_rules! start {
    ($name:literal, $does:literal, $imports:expr, $body:literal, $why:literal) => {
        Guest {
            limits: Limits { pages: 2, ..SHORT },
            ..handler(
                $name,
                $does,
                $imports,
                "(i64.const 0)",
                concat!("(func $start ", $body, ") (start $start)"),
                End::Refused(concat!("it can't be started: ", $why)),
            )
        }
    };
}

pub(crate) const STARTS: &[Guest] = &[
    start!("trap-in-start", "traps as it starts", &[], "unreachable", "trapped (unreachable): …"),
    start!(
        "endless-start",
        "never ends starting",
        &[],
        "(loop $more (br $more))",
        "timed-out (deadline): it ran for longer than 20ms"
    ),
    start!(
        "recursion-in-start",
        "calls itself for ever as it starts",
        &[],
        "(call $start) (i32.store (i32.const 0) (i32.const 1))",
        "trapped (depth): calls nested too deeply"
    ),
    start!(
        "growth-in-start",
        "takes all the memory as it starts and traps",
        &[],
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
        "trapped (memory): …, after it was refused more memory; the limit is 128 KiB"
    ),
    start!(
        "exit-in-start",
        "ends the process as it starts, as it thinks",
        &["proc_exit"],
        "(call $proc_exit (i32.const 0))",
        "retryable (guest): it exited with code 0"
    ),
    start!(
        "endless-log-in-start",
        "logs for ever as it starts",
        &["log"],
        "(loop $more (call $log (i32.const 0) (i32.const 0) (i32.const 65536)) (br $more))",
        "timed-out (deadline): it ran for longer than 20ms"
    ),
    handler(
        "sleep-in-start",
        "sleeps for a year as it starts",
        &["poll_oneoff"],
        "(i64.const 0)",
        r#"(func (export "_initialize")
            (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 31536000000000000))
            (if (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then unreachable)))"#,
        NOTHING,
    ),
];
