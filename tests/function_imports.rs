//! What functions import: the log, the configuration and WASI, as real guests use and misuse them.

#[path = "function/guests.rs"]
mod guests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use guests::{guest, load, load_with};
use weir::dispatch::{Outcome, Reason};
use weir::function::{FunctionIndex, Level, Limits, Log, Module, Pool, Surroundings};

const ONLY: FunctionIndex = FunctionIndex(0);
const SHORT: Limits =
    Limits { output: 4_096, timeout: Duration::from_millis(300), fuel: None, pages: 2_048, log: 64 << 10 };

fn of(module: Arc<Module>) -> Pool {
    Pool::new(&guests::engine(), [module])
}

fn texts(log: &Log) -> Vec<(Level, &str)> {
    log.lines.iter().map(|line| (line.level, &*line.text)).collect()
}

/// `imports` stand before all else; `handle` and `more` as in `guest`.
fn importing(imports: &str, handle: &str, more: &str) -> Vec<u8> {
    let handle = handle.replace("$input", "(i32.load8_u (i32.const 1024))");
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
            (func (export "weir_handle") (param i32) (result i64) {handle})
            {more})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A program.
fn command(imports: &str, start: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (func (export "_start") {start})
            {more})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const LOG: &str = r#"(import "weir" "log" (func $log (param i32 i32 i32)))"#;
const CONFIG: &str = r#"(import "weir" "config" (func $config (param i32 i32 i32 i32) (result i64)))"#;
const READ: &str =
    r#"(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))"#;
const WRITE: &str =
    r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
const EXIT: &str = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;

// ---- the log and the configuration -----------------------------------------------------------------------------------

#[test]
fn what_a_function_logs_comes_with_its_call_and_not_with_the_next() {
    // The level is the input's first byte, less '0'; the text is all of the input.
    let wasm = importing(
        LOG,
        "(call $log (i32.sub $input (i32.const 48)) (i32.const 1024) (local.get 0)) (i64.const 0)",
        "",
    );
    let mut pool = of(load(&wasm).unwrap());
    for (input, level, text) in [
        ("0 down\x1b[2J", Level::Error, "0 down\u{fffd}[2J"),
        ("2 well", Level::Info, "2 well"),
        ("9 deep", Level::Trace, "9 deep"),
    ] {
        let called = pool.call(ONLY, input.as_bytes());
        assert_eq!((called.result, texts(&called.log)), (Ok(&b""[..]), vec![(level, text)]));
    }
}

#[test]
fn what_is_logged_while_an_instance_starts_comes_with_its_first_call() {
    let wasm = importing(
        LOG,
        "(i64.const 0)",
        r#"(data (i32.const 8) "ready")
        (func (export "_initialize") (call $log (i32.const 1) (i32.const 8) (i32.const 5)))"#,
    );
    let mut pool = of(load(&wasm).unwrap());
    for lines in [vec![(Level::Warn, "ready")], vec![]] {
        assert_eq!(texts(&pool.call(ONLY, b"x").log), lines);
    }
}

#[test]
fn a_million_lines_are_a_few_and_a_count() {
    let wasm = importing(
        LOG,
        "(local $n i32)
         (loop $more
            (call $log (i32.const 2) (i32.const 1024) (i32.const 1))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 1000000))))
         (i64.const 0)",
        "",
    );
    let mut pool =
        of(load_with(&guests::engine(), &wasm, Limits { output: 4_096, ..Limits::default() }).unwrap());
    let called = pool.call(ONLY, b"x");
    assert_eq!(called.result, Ok(&b""[..]));
    assert_eq!((called.log.lines.len(), called.log.dropped), (256, 1_000_000 - 256));
    assert!(called.fuel > 64_000_000, "lines are paid for: {}", called.fuel);
}

#[test]
fn a_call_logs_as_many_bytes_as_its_function_may_and_the_next_one_as_many_again() {
    let wasm = importing(
        LOG,
        "(local $n i32)
         (loop $more
            (call $log (i32.const 2) (i32.const 1024) (i32.const 3))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 10))))
         (i64.const 0)",
        "",
    );
    let mut pool = of(load_with(&guests::engine(), &wasm, Limits { log: 14, ..Limits::default() }).unwrap());
    for _ in 0..2 {
        let called = pool.call(ONLY, b"abc");
        assert_eq!((called.log.lines.len(), called.log.dropped), (4, 6));
    }
}

#[test]
fn a_value_of_the_configuration_is_found_by_its_key() {
    // The input is the key; the answer is the value, or "none".
    let wasm = importing(
        CONFIG,
        "(local $len i64)
         (local.set $len (call $config (i32.const 1024) (local.get 0) (i32.const 2048) (i32.const 100)))
         (if (i64.lt_s (local.get $len) (i64.const 0)) (then (return (i64.const 0x800000004))))
         (i64.or (i64.const 0x80000000000) (local.get $len))",
        r#"(data (i32.const 8) "none")"#,
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wasm).unwrap();
    let config =
        BTreeMap::from([("limit".to_owned(), "10000".to_owned()), ("empty".to_owned(), String::new())]);
    let surroundings = Surroundings { config, ..Surroundings::of("shop") };
    let module =
        Module::load_in(&guests::engine(), "shop", file.path(), Limits::default(), surroundings).unwrap();
    let mut pool = of(module);
    for (key, value) in [("limit", "10000"), ("empty", ""), ("Limit", "none"), ("", "none")] {
        assert_eq!(pool.call(ONLY, key.as_bytes()).result, Ok(value.as_bytes()), "{key}");
    }
}

#[test]
fn an_address_outside_memory_traps_whoever_is_given_it() {
    for (import, call, name) in [
        (LOG, "(call $log (i32.const 0) (i32.const 65530) (i32.const 7))", "log"),
        (LOG, "(call $log (i32.const 0) (i32.const -1) (i32.const -1))", "log"),
        (CONFIG, "(drop (call $config (i32.const -4) (i32.const 5) (i32.const 0) (i32.const 0)))", "config"),
        (
            CONFIG,
            "(drop (call $config (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65530)))",
            "config",
        ),
        (
            WRITE,
            "(drop (call $write (i32.const 2) (i32.const 65529) (i32.const 1) (i32.const 0)))",
            "fd_write",
        ),
        (READ, "(drop (call $read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65533)))", "fd_read"),
    ] {
        let wasm = importing(
            import,
            &format!("(if (i32.eq $input (i32.const 98)) (then {call})) (i64.const 0)"),
            "",
        );
        let mut pool = of(load(&wasm).unwrap());
        assert_eq!(pool.call(ONLY, b"good").result, Ok(&b""[..]));
        let failure = pool.call(ONLY, b"bad").result.unwrap_err();
        assert_eq!(
            (failure.outcome, failure.reason),
            (Outcome::Trapped, Reason::Bounds),
            "{call}: {failure}"
        );
        assert_eq!(failure.message, format!("it called `{name}` with an address outside its memory"));
        assert!(pool.call(ONLY, b"good").cold, "what trapped was used again");
    }
}

// ---- what is refused -------------------------------------------------------------------------------------------------

fn refusal(imports: &str) -> String {
    let loaded = load(&importing(imports, "(i64.const 0)", ""));
    loaded.err().unwrap_or_else(|| panic!("it was loaded: {imports}")).problem.to_string()
}

#[test]
fn an_import_that_is_not_there_is_named_with_what_is() {
    for (import, said) in [
        (
            r#"(import "env" "abort" (func))"#,
            "it imports `env.abort`; nothing of that is there to import \
             (there is `weir.log`, `weir.config` and WASI preview 1)",
        ),
        (
            r#"(import "weir" "tick" (func (param i64) (result i64)))"#,
            "it imports `weir.tick`; the host offers `weir.log` and `weir.config` there, and nothing else",
        ),
        (
            r#"(import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))"#,
            "it imports `wasi_snapshot_preview1.sock_open`; that is not preview 1",
        ),
        (
            r#"(import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
            "it imports `wasi_unstable.fd_write`; that is WASI before preview 1: build it for wasm32-wasip1",
        ),
        (
            r#"(import "weir" "log" (func (param i32 i32)))"#,
            "its import `weir.log` is a function (i32, i32) -> (); it must be a function (i32, i32, i32) -> ()",
        ),
        (
            r#"(import "weir" "log" (global i32))"#,
            "its import `weir.log` is a global of type i32; it must be a function (i32, i32, i32) -> ()",
        ),
    ] {
        assert_eq!(refusal(import), said);
    }
}

#[test]
fn every_function_of_preview_1_can_be_imported() {
    let functions = [
        ("args_get", "i32 i32"),
        ("fd_readdir", "i32 i32 i32 i64 i32"),
        ("sock_accept", "i32 i32 i32"),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        ("poll_oneoff", "i32 i32 i32 i32"),
    ];
    let imports: String = functions
        .iter()
        .map(|(name, types)| {
            format!(r#"(import "wasi_snapshot_preview1" "{name}" (func (param {types}) (result i32)))"#)
        })
        .collect();
    assert_eq!(
        of(load(&importing(&imports, "(i64.const 0)", "")).unwrap()).call(ONLY, b"x").result,
        Ok(&b""[..])
    );
}

// ---- WASI in a handler -----------------------------------------------------------------------------------------------

/// One call of a function of WASI with these arguments; what it answers is the length of the output.
fn errno(name: &str, types: &str, arguments: &str) -> usize {
    let import =
        format!(r#"(import "wasi_snapshot_preview1" "{name}" (func $f (param {types}) (result i32)))"#);
    let wasm = importing(&import, &format!("(i64.extend_i32_u (call $f {arguments}))"), "");
    let mut pool = of(load_with(&guests::engine(), &wasm, SHORT).unwrap());
    pool.call(ONLY, b"x").result.unwrap_or_else(|failure| panic!("{name}: {failure}")).len()
}

#[test]
fn there_are_no_files_no_sockets_and_nothing_else_to_open() {
    const ENOSYS: usize = 52;
    let zeros = |count: usize| "(i32.const 0)".repeat(count);
    let open = format!("(i32.const 3) {} (i64.const -1) (i64.const -1) {}", zeros(4), zeros(2));
    for (name, types, arguments) in [
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", open),
        ("path_unlink_file", "i32 i32 i32", zeros(3)),
        ("fd_pread", "i32 i32 i32 i64 i32", format!("{} (i64.const 0) (i32.const 0)", zeros(3))),
        ("sock_accept", "i32 i32 i32", zeros(3)),
        ("sock_send", "i32 i32 i32 i32 i32", zeros(5)),
        ("proc_raise", "i32", "(i32.const 9)".to_owned()),
    ] {
        assert_eq!(errno(name, types, &arguments), ENOSYS, "{name}");
    }
    const EBADF: usize = 8;
    assert_eq!(errno("fd_prestat_get", "i32 i32", "(i32.const 3) (i32.const 0)"), EBADF);
    let read_7 = "(i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)";
    assert_eq!(errno("fd_read", "i32 i32 i32 i32", read_7), EBADF);
}

#[test]
fn who_sleeps_for_an_hour_finds_it_gone_by_at_once() {
    // Waits for an hour again and again, which takes it no time: its deadline is not met while it does so 1,000 times.
    let poll = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    let clock =
        r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))"#;
    let wasm = importing(
        &format!("{poll} {clock}"),
        "(local $n i32) (local $before i64)
         (i32.store (i32.const 16) (i32.const 1))
         (i64.store (i32.const 24) (i64.const 3600000000000))
         (drop (call $now (i32.const 1) (i64.const 0) (i32.const 200)))
         (local.set $before (i64.load (i32.const 200)))
         (loop $more
            (if (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then unreachable))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $n) (i32.const 1000))))
         (drop (call $now (i32.const 1) (i64.const 0) (i32.const 200)))
         (i64.div_u (i64.sub (i64.load (i32.const 200)) (local.get $before)) (i64.const 3600000000000))",
        "",
    );
    let limits = Limits { timeout: Duration::from_secs(600), ..SHORT };
    let mut pool = of(load_with(&guests::engine(), &wasm, limits).unwrap());
    assert_eq!(pool.call(ONLY, b"x").result.unwrap().len(), 1_000);
}

#[test]
fn who_waits_for_ever_in_turns_of_no_time_meets_the_deadline_and_the_fuel() {
    for (import, turn) in [
        (r#"(import "wasi_snapshot_preview1" "sched_yield" (func $f (result i32)))"#, "(call $f)"),
        (
            r#"(import "wasi_snapshot_preview1" "random_get" (func $f (param i32 i32) (result i32)))"#,
            "(call $f (i32.const 0) (i32.const 65536))",
        ),
        (LOG, "(call $log (i32.const 0) (i32.const 0) (i32.const 60000)) (i32.const 0)"),
    ] {
        let wasm = importing(import, &format!("(loop $more {turn} drop (br $more)) (i64.const 0)"), "");
        let fuel = Limits { fuel: Some(10_000_000), timeout: Duration::from_secs(600), ..SHORT };
        for (limits, reason) in [(SHORT, Reason::Deadline), (fuel, Reason::Fuel)] {
            let failure =
                of(load_with(&guests::engine(), &wasm, limits).unwrap()).call(ONLY, b"x").result.unwrap_err();
            assert_eq!((failure.outcome, failure.reason), (Outcome::TimedOut, reason), "{turn}");
        }
    }
}

#[test]
fn what_a_handler_prints_is_logged_and_its_last_words_go_with_a_trap() {
    // The input is what it prints, to stderr; then it traps if that begins with "t".
    let wasm = importing(
        WRITE,
        "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (local.get 0))
         (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
         (if (i32.eq $input (i32.const 116)) (then unreachable))
         (i64.const 0)",
        "",
    );
    let mut pool = of(load(&wasm).unwrap());
    let called = pool.call(ONLY, b"one\ntwo");
    assert_eq!(called.result, Ok(&b""[..]));
    assert_eq!(texts(&called.log), [(Level::Info, "one"), (Level::Info, "two")]);
    let called = pool.call(ONLY, b"too late:\nthe end\n\n");
    assert_eq!(called.log.lines.len(), 3);
    let failure = called.result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::Trapped, Reason::Unreachable));
    assert!(failure.message.ends_with(", after it said: the end"), "{failure}");
}

#[test]
fn a_handler_that_exits_has_not_answered() {
    let wasm = importing(
        EXIT,
        "(if (i32.eq $input (i32.const 101)) (then (call $exit (i32.const 0)))) (i64.const 0)",
        "",
    );
    let mut pool = of(load(&wasm).unwrap());
    assert_eq!(pool.call(ONLY, b"x").result, Ok(&b""[..]));
    let failure = pool.call(ONLY, b"exit").result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::Retryable, Reason::Guest));
    assert_eq!(failure.message, "it exited with code 0");
    assert!(pool.call(ONLY, b"x").cold);
}

#[test]
fn a_start_that_exits_is_refused_at_load_with_its_last_words() {
    let wasm = importing(
        &format!("{WRITE} {EXIT}"),
        "(i64.const 0)",
        r#"(data (i32.const 0) "\08\00\00\00\07\00\00\00no luck")
        (func (export "_initialize")
            (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 32)))
            (call $exit (i32.const 3)))"#,
    );
    let said = load(&wasm).err().unwrap().problem.to_string();
    assert_eq!(said, "it can't be started: retryable (guest): it exited with code 3: no luck");
}

// ---- commands --------------------------------------------------------------------------------------------------------

/// Copies stdin to the descriptor that is given, then exits with the code that the input's second byte is, less '0'.
fn echo(to: u32) -> Vec<u8> {
    command(
        &format!("{READ} {WRITE} {EXIT}"),
        &format!(
            "(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
             (if (i32.ne (global.get $runs) (i32.const 1)) (then unreachable))
             (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 60000))
             (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
             (drop (call $write (i32.const {to}) (i32.const 0) (i32.const 1) (i32.const 8)))
             (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1))
                (then (call $exit (i32.sub (i32.load8_u (i32.const 1025)) (i32.const 48)))))"
        ),
        "(global $runs (mut i32) (i32.const 0))",
    )
}

#[test]
fn a_command_reads_its_event_prints_its_answer_and_is_fresh_for_each() {
    let mut pool = of(load(&echo(1)).unwrap());
    pool.prewarm().unwrap();
    for (input, answer) in [("a0 answer\n", "a0 answer"), (" 0", "0"), ("", ""), (" ", ""), ("a0", "a0")] {
        let called = pool.call(ONLY, input.as_bytes());
        assert_eq!(called.result, Ok(answer.as_bytes()), "{input:?}");
        assert_eq!(called.cold, input != "a0 answer\n", "the first was there before");
        assert_eq!(called.log, Log::default());
    }
}

#[test]
fn a_command_that_exits_with_another_code_has_failed_and_may_be_tried_again() {
    let mut pool = of(load(&echo(2)).unwrap());
    let called = pool.call(ONLY, b"x7 first\nlast words\n");
    assert_eq!(texts(&called.log), [(Level::Info, "x7 first"), (Level::Info, "last words")]);
    let failure = called.result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::Retryable, Reason::Guest));
    assert_eq!(failure.message, "it exited with code 7: last words");
    assert_eq!(pool.call(ONLY, b"x0 all is well").result, Ok(&b""[..]));
}

#[test]
fn a_command_that_prints_more_than_it_may_is_ended() {
    let mut pool = of(load(&echo(1)).unwrap());
    let mut input = vec![b'0'; 4_096];
    assert_eq!(pool.call(ONLY, &input).result, Ok(&input[..]));
    input.push(b'0');
    let failure = pool.call(ONLY, &input).result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::Permanent, Reason::Output));
    assert_eq!(failure.message, "an output of more than 4096 bytes, which is the limit");
}

#[test]
fn a_command_that_does_not_end_or_traps_is_ended_as_any_other() {
    for (start, outcome, reason) in [
        ("(loop $more (br $more))", Outcome::TimedOut, Reason::Deadline),
        ("unreachable", Outcome::Trapped, Reason::Unreachable),
    ] {
        let mut pool = of(load_with(&guests::engine(), &command("", start, ""), SHORT).unwrap());
        let failure = pool.call(ONLY, b"x").result.unwrap_err();
        assert_eq!((failure.outcome, failure.reason), (outcome, reason));
    }
    assert_eq!(of(load(&command("", "nop", "")).unwrap()).call(ONLY, b"x").result, Ok(&b""[..]));
}

#[test]
fn a_handler_wins_over_a_command_and_a_command_needs_a_memory_alone() {
    let both = guest("(i64.const 0)", r#"(func (export "_start") unreachable)"#);
    assert_eq!(of(load(&both).unwrap()).call(ONLY, b"x").result, Ok(&b""[..]));
    let said =
        load(&wat::parse_str(r#"(module (func (export "_start") (result i32) (i32.const 0)))"#).unwrap());
    assert_eq!(
        said.err().unwrap().problem.to_string(),
        "its export `_start` is a function () -> (i32); it must be a function () -> (); \
         it does not export `memory`, a memory"
    );
}
