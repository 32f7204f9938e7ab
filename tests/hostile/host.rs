//! Guests that misuse what the host offers them to import.

use weir::dispatch::{Outcome, Reason};

use crate::guest::{ENDLESS, End, Guest, NOTHING, SHORT, Wasm, handler, other};

const fn outside(message: &'static str) -> End {
    End::Fails(Outcome::Trapped, Reason::Bounds, message)
}

/// A guest of which a call must have this errno: else it traps.
macro_rules! errno {
    ($name:literal, $does:literal, $imports:expr, $errno:literal, $call:literal) => {
        handler(
            $name,
            $does,
            $imports,
            concat!("(if (i32.ne ", $call, " (i32.const ", $errno, ")) (then unreachable)) (i64.const 0)"),
            "",
            NOTHING,
        )
    };
}

const LOG: End = outside("it called `log` with an address outside its memory");
const CONFIG: End = outside("it called `config` with an address outside its memory");
const WRITE: End = outside("it called `fd_write` with an address outside its memory");

pub(crate) const WEIR: &[Guest] = &[
    handler(
        "log-outside",
        "logs what lies behind its memory",
        &["log"],
        "(call $log (i32.const 2) (i32.const 65530) (i32.const 7)) (i64.const 0)",
        "",
        LOG,
    ),
    handler(
        "log-of-everything",
        "logs 4 GiB from the last address on",
        &["log"],
        "(call $log (i32.const 2) (i32.const -1) (i32.const -1)) (i64.const 0)",
        "",
        LOG,
    ),
    handler(
        "log-of-no-level",
        "logs its whole memory, which is no text, at the level -1",
        &["log"],
        "(memory.fill (i32.const 0) (i32.const 0xfe) (i32.const 65536))
         (call $log (i32.const -1) (i32.const 0) (i32.const 65536)) (i64.const 0)",
        "",
        NOTHING,
    ),
    handler(
        "million-lines",
        "logs a million lines in one call",
        &["log"],
        "(local $n i32)
         (loop $more
            (call $log (i32.const 0) (i32.const 1024) (local.get $len))
            (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000000))))
         (i64.const 0)",
        "",
        NOTHING,
    ),
    handler(
        "endless-log",
        "logs for ever",
        &["log"],
        "(loop $more (call $log (i32.const 0) (i32.const 0) (i32.const 65536)) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "config-with-a-negative-room",
        "has room for -1 bytes of a value",
        &["config"],
        "(call $config (i32.const 0) (i32.const 1) (i32.const 8) (i32.const -1))",
        "",
        CONFIG,
    ),
    handler(
        "config-with-a-key-of-everything",
        "asks for the value of a key of 4 GiB",
        &["config"],
        "(call $config (i32.const 1) (i32.const -1) (i32.const 0) (i32.const 0))",
        "",
        CONFIG,
    ),
];

pub(crate) const WASI: &[Guest] = &[
    handler(
        "vectors-outside",
        "has the list of what it prints behind its memory",
        &["fd_write"],
        "(drop (call $fd_write (i32.const 2) (i32.const 65529) (i32.const 1) (i32.const 0))) (i64.const 0)",
        "",
        WRITE,
    ),
    handler(
        "vector-to-outside",
        "prints 4 GiB from address 8 on",
        &["fd_write"],
        "(i64.store (i32.const 0) (i64.const 0xffffffff00000008))
         (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) (i64.const 0)",
        "",
        WRITE,
    ),
    handler(
        "result-outside",
        "wants to be told behind its memory how much it printed",
        &["fd_write"],
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 65533))) (i64.const 0)",
        "",
        WRITE,
    ),
    handler(
        "vectors-over-themselves",
        "reads into the very list that says where to, and has the count written there, too",
        &["fd_read", "fd_write"],
        "(i64.store (i32.const 0) (i64.const 0x4000000000)) (i64.store (i32.const 8) (i64.const 0x1000000000))
         (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 4)))
         (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 2) (i32.const 0))) (i64.const 0)",
        "",
        NOTHING,
    ),
    errno!(
        "endless-vectors",
        "prints a list of four thousand million pieces",
        &["fd_write"],
        "28",
        "(call $fd_write (i32.const 2) (i32.const 0) (i32.const -1) (i32.const 0))"
    ),
    errno!(
        "file",
        "opens /etc/passwd",
        &["path_open"],
        "52",
        "(call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 11) (i32.const 0)
            (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64))"
    ),
    errno!(
        "socket",
        "accepts a connection on the worker's own sockets",
        &["sock_accept"],
        "52",
        "(call $sock_accept (i32.const 4) (i32.const 0) (i32.const 64))"
    ),
    errno!(
        "descriptor",
        "prints to a descriptor that is the worker's",
        &["fd_write"],
        "8",
        "(call $fd_write (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 64))"
    ),
    errno!(
        "closed-descriptor",
        "closes its output twice",
        &["fd_close"],
        "8",
        "(i32.or (call $fd_close (i32.const 1)) (call $fd_close (i32.const 1)))"
    ),
    errno!(
        "signal",
        "kills itself, as it thinks",
        &["proc_raise"],
        "52",
        "(call $proc_raise (i32.const 9))"
    ),
    errno!(
        "no-such-clock",
        "asks how fine a clock is that is not there",
        &["clock_res_get"],
        "28",
        "(call $clock_res_get (i32.const -1) (i32.const 0))"
    ),
    handler(
        "clock-outside",
        "wants the time behind its memory",
        &["clock_time_get"],
        "(drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65529))) (i64.const 0)",
        "",
        outside("it called `clock_time_get` with an address outside its memory"),
    ),
    handler(
        "stopwatch",
        "looks at the clock until a nanosecond of less than a millisecond shows; there is none",
        &["clock_time_get"],
        "(loop $more
            (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0)))
            (br_if $more (i64.eqz (i64.rem_u (i64.load (i32.const 0)) (i64.const 1000000)))))
         unreachable",
        "",
        ENDLESS,
    ),
    handler(
        "sleep-for-ever",
        "sleeps as long as a number can say, again and again",
        &["poll_oneoff"],
        "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const -1))
         (loop $more
            (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
            (br $more))
         (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "poll-over-itself",
        "has what came of waiting written over what it waits for",
        &["poll_oneoff"],
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))
         (if (i32.or (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 0))
                     (i32.ne (i32.load (i32.const 0)) (i32.const 1024))) (then unreachable))
         (i64.const 0)",
        "",
        NOTHING,
    ),
    errno!(
        "poll-of-everything",
        "waits for four thousand million things",
        &["poll_oneoff"],
        "28",
        "(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))"
    ),
    handler(
        "endless-yield",
        "lets others go first, for ever",
        &["sched_yield"],
        "(loop $more (drop (call $sched_yield)) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "random-everything",
        "wants 4 GiB of randomness",
        &["random_get"],
        "(drop (call $random_get (i32.const 0) (i32.const -1))) (i64.const 0)",
        "",
        outside("it called `random_get` with an address outside its memory"),
    ),
    handler(
        "endless-randomness",
        "empties the machine's randomness",
        &["random_get"],
        "(loop $more (drop (call $random_get (i32.const 0) (i32.const 65536))) (br $more)) (i64.const 0)",
        "",
        ENDLESS,
    ),
    handler(
        "arguments-outside",
        "wants its arguments at the very end of its memory",
        &["args_get"],
        "(drop (call $args_get (i32.const 65532) (i32.const 65534))) (i64.const 0)",
        "",
        outside("it called `args_get` with an address outside its memory"),
    ),
    handler(
        "arguments-around-the-corner",
        "wants to know at -2 how large its arguments are",
        &["args_sizes_get"],
        "(drop (call $args_sizes_get (i32.const 0) (i32.const -2))) (i64.const 0)",
        "",
        outside("it called `args_sizes_get` with an address outside its memory"),
    ),
    handler(
        "exit",
        "ends the process, as it thinks",
        &["proc_exit"],
        "(call $proc_exit (i32.const 0)) (i64.const 0)",
        "",
        End::Fails(Outcome::Retryable, Reason::Guest, "it exited with code 0"),
    ),
    handler(
        "exit-through-a-table",
        "ends the process with the largest code, from within itself",
        &["proc_exit"],
        "(if (i32.eqz (global.get 1)) (then
            (global.set 1 (i32.const 1)) (return (call $handle (local.get $len)))))
         (call_indirect (param i32) (i32.const -1) (i32.const 0)) (i64.const 0)",
        "(global (mut i32) (i32.const 0)) (table 1 funcref) (elem (i32.const 0) $proc_exit)",
        End::Fails(Outcome::Retryable, Reason::Guest, "it exited with code 4294967295"),
    ),
    Guest {
        limits: SHORT,
        ..other(
            "endless-print",
            "a program that prints its answer for ever",
            Wasm::Command(
                &["fd_write"],
                "(i64.store (i32.const 0) (i64.const 0xff0000000100))
                 (loop $more
                    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (br $more))",
                "",
            ),
            End::Fails(
                Outcome::Permanent,
                Reason::Output,
                "an output of more than 1048576 bytes, which is the limit",
            ),
        )
    },
    handler(
        "last-words",
        "prints escape sequences as an error for all of its memory and traps",
        &["fd_write"],
        "(memory.fill (i32.const 0) (i32.const 27) (i32.const 65536))
         (i64.store (i32.const 0) (i64.const 0xff0000000100))
         (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
         unreachable",
        "",
        End::Fails(Outcome::Trapped, Reason::Unreachable, "unreachable…, after it said: …"),
    ),
    handler(
        "panic-outside",
        "says that what it panicked with stands behind its memory",
        &[],
        "(i64.store (i32.const 0) (i64.const 0x10000fff0)) unreachable",
        r#"(global (export "weir_panic") i32 (i32.const 65532))"#,
        End::Fails(Outcome::Trapped, Reason::Unreachable, "unreachable (WasmEdge code 0x40a)"),
    ),
];
