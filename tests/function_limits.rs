//! What a function may use, as the worker calls it: time, fuel, depth and memory, at its start and in a call.

#[path = "function/guests.rs"]
mod guests;
#[path = "function/hostile.rs"]
mod hostile;

use std::thread;
use std::time::Duration;

use guests::{guest, load_with};
use weir::dispatch::{Outcome, Reason};
use weir::function::{Engine, FunctionIndex, Limits, Module, Pool, STACK};

const ONLY: FunctionIndex = FunctionIndex(0);

/// Long enough for whatever ends by itself, and short enough to wait for what does not.
const SHORT: Limits =
    Limits { output: 4_096, timeout: Duration::from_millis(300), fuel: None, pages: 2_048, log: 64 << 10 };
const FUEL: Limits = Limits { timeout: Duration::from_secs(3_600), fuel: Some(10_000_000), ..SHORT };

fn pool(wasm: &[u8], limits: Limits) -> Pool {
    let engine = guests::engine();
    Pool::new(&engine, [load_with(&engine, wasm, limits).unwrap()])
}

/// As executors are.
fn in_a_thread_for_functions(body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, body);
        thread.unwrap().join().unwrap();
    });
}

#[test]
fn each_way_to_go_wrong_has_its_outcome_and_costs_that_attempt_alone() {
    in_a_thread_for_functions(|| {
        let mut pool = pool(&hostile::wasm(), SHORT);
        for (input, outcome, reason) in hostile::WAYS {
            let failure = pool.call(ONLY, input).result.unwrap_err();
            let said = String::from_utf8_lossy(input);
            assert_eq!((failure.outcome, failure.reason), (outcome, reason), "{said}: {failure}");
            let called = pool.call(ONLY, b"nothing wrong");
            assert!(called.cold, "{said}: what failed was used again");
            assert_eq!(called.memory, 65_536, "{said}: what grew was used again");
            assert_eq!(called.result, Ok(&b""[..]), "{said}");
        }
    });
}

#[test]
fn what_is_stopped_says_by_which_limit() {
    let mut timed = pool(&hostile::wasm(), SHORT);
    let failure = timed.call(ONLY, b"endless").result.unwrap_err();
    assert_eq!(failure.message, "it ran for longer than 300ms");
    let mut fuelled = pool(&hostile::wasm(), FUEL);
    let called = fuelled.call(ONLY, b"endless");
    assert!((10_000_000..10_001_000).contains(&called.fuel), "{}", called.fuel);
    let failure = called.result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::TimedOut, Reason::Fuel));
    assert_eq!(failure.message, "it used more than 10000000 units of fuel");
}

#[test]
fn the_same_work_takes_the_same_fuel_in_a_fresh_instance_and_in_a_warm_one() {
    // As many turns as the input's first byte says.
    let counting = guest(
        "(local $n i32) (local.set $n $input)
         (loop $more
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $more (i32.gt_s (local.get $n) (i32.const 0))))
         (i64.const 0)",
        "",
    );
    let mut pool = pool(&counting, SHORT);
    let mut fuel = |input: &[u8]| pool.call(ONLY, input).fuel;
    // The first call asks for a buffer, too.
    let first = fuel(b"\x0a");
    let ten = fuel(b"\x0a");
    assert_eq!((first - ten, fuel(b"\x0a")), (3, ten));
    assert_eq!(fuel(b"\x64") - ten, 90 * (fuel(b"\x0b") - ten));

    let engine = guests::engine();
    let payment = Module::load(&engine, "payment", &guests::payment(), Limits::default()).unwrap();
    let fresh = || Pool::new(&engine, [payment.clone()]).call(ONLY, &guests::order("A7", "12500")).fuel;
    let once = fresh();
    assert!(once > 1_000, "{once}");
    assert_eq!((fresh(), fresh()), (once, once));
}

#[test]
fn fuel_limits_the_call_and_not_the_start() {
    let busy = guest(
        "(i64.const 0)",
        r#"(func (export "_initialize") (local $n i32)
            (loop $more
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $n) (i32.const 5000000)))))"#,
    );
    let mut pool = pool(&busy, Limits { fuel: Some(100), timeout: Duration::from_secs(600), ..SHORT });
    let called = pool.call(ONLY, b"x");
    assert_eq!(called.result, Ok(&b""[..]));
    assert!(called.fuel <= 100, "{}", called.fuel);
}

#[test]
fn a_start_that_does_not_end_is_refused_at_load() {
    for start in ["(start $start)", r#"(export "_initialize" (func $start))"#] {
        let wasm = guest("(i64.const 0)", &format!("(func $start (loop $more (br $more))) {start}"));
        let said =
            load_with(&guests::engine(), &wasm, SHORT).err().expect("it was loaded").problem.to_string();
        assert_eq!(said, "it can't be started: timed-out (deadline): it ran for longer than 300ms");
    }
}

#[test]
fn a_start_that_calls_itself_for_ever_is_refused_at_load() {
    in_a_thread_for_functions(|| {
        let start = "(func $start (call $start) (i32.store (i32.const 0) (i32.const 1))) (start $start)";
        let said = load_with(&guests::engine(), &guest("(i64.const 0)", start), SHORT).err().unwrap();
        let said = said.problem.to_string();
        assert_eq!(said, "it can't be started: trapped (depth): calls nested too deeply");
    });
}

#[test]
fn an_abi_function_that_does_not_end_is_refused_at_load() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "weir_abi") (result i32) (loop $more (br $more)) (i32.const 1))
        (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
        (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#;
    let loaded = load_with(&guests::engine(), &wat::parse_str(text).unwrap(), SHORT);
    let said = loaded.err().expect("it was loaded").problem.to_string();
    assert!(said.contains("it ran for longer than 300ms"), "{said}");
}

#[test]
fn a_refused_growth_is_named_only_by_a_trap_in_the_same_call() {
    // 'g' asks for too much and goes on; 't' traps.
    let wasm = guest(
        "(if (i32.eq $input (i32.const 103)) (then (drop (memory.grow (i32.const 65535)))))
         (if (i32.eq $input (i32.const 116)) (then unreachable))
         (i64.const 0)",
        "",
    );
    let mut pool = pool(&wasm, SHORT);
    assert_eq!(pool.call(ONLY, b"g").result, Ok(&b""[..]));
    assert_eq!(pool.call(ONLY, b"t").result.unwrap_err().reason, Reason::Unreachable);
}

#[test]
fn an_engine_that_is_stopped_ends_what_runs_and_what_comes() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::start(&directory.path().join("native")).unwrap();
    let limits = Limits { timeout: Duration::from_secs(3_600), ..SHORT };
    let endless = load_with(&engine, &hostile::wasm(), limits).unwrap();
    let (began, begun) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let mut pool = Pool::new(&engine, [endless.clone()]);
            pool.prewarm().unwrap();
            began.send(()).unwrap();
            for _ in 0..2 {
                let failure = pool.call(ONLY, b"endless").result.unwrap_err();
                assert_eq!((failure.outcome, failure.reason), (Outcome::TimedOut, Reason::Deadline));
                assert_eq!(failure.message, "the worker stops, and it was not done in time");
            }
        });
        begun.recv().unwrap();
        engine.stop();
        running.join().unwrap();
    });
}

#[test]
fn memory_grows_up_to_the_limit_of_its_function() {
    // Grows page by page until that is refused, then answers with as many bytes as it has pages.
    let wasm = guest(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         (i64.extend_i32_u (memory.size))",
        "",
    );
    let mut pool = pool(&wasm, Limits { pages: 7, ..SHORT });
    let called = pool.call(ONLY, b"x");
    assert_eq!((called.result.map(<[u8]>::len), called.memory), (Ok(7), 7 * 65_536));
}

#[test]
fn a_start_function_has_no_more_memory_than_a_call() {
    let wasm = guest(
        "(i64.const 0)",
        "(func $start (if (i32.lt_s (memory.grow (i32.const 7)) (i32.const 0)) (then unreachable))) (start $start)",
    );
    let engine = guests::engine();
    load_with(&engine, &wasm, Limits { pages: 8, ..SHORT }).unwrap();
    let said = load_with(&engine, &wasm, Limits { pages: 7, ..SHORT }).err().unwrap().problem.to_string();
    assert_eq!(
        said,
        "it can't be started: trapped (memory): unreachable (WasmEdge code 0x40a), \
         after it was refused more memory; the limit is 448 KiB"
    );
}

#[test]
fn a_module_that_begins_with_more_memory_is_refused() {
    let text = r#"(module (memory (export "memory") 3)
        (global (export "weir_abi") i32 (i32.const 1))
        (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
        (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#;
    let wasm = wat::parse_str(text).unwrap();
    let engine = guests::engine();
    load_with(&engine, &wasm, Limits { pages: 3, ..SHORT }).unwrap();
    let said = load_with(&engine, &wasm, Limits { pages: 2, ..SHORT }).err().unwrap().problem.to_string();
    assert_eq!(said, "its memory begins with 3 pages of 64 KiB; the limit is 2");
}

#[test]
fn data_that_is_not_within_memory_is_refused_at_load() {
    let mut much = "(data (i32.const 0) \"".to_owned() + &"x".repeat(65_536) + "\")";
    load_with(&guests::engine(), &guest("(i64.const 0)", &much.repeat(50)), SHORT).unwrap();
    much += r#"(data (i32.const 65530) "beyond")(data (i32.const 65536) "x")"#;
    let said = load_with(&guests::engine(), &guest("(i64.const 0)", &much), SHORT).err().unwrap();
    assert!(said.problem.to_string().starts_with("it can't be started: trapped (bounds)"), "{said}");
}

#[test]
fn no_length_of_an_output_is_negative() {
    let outcome = |packed: &str| {
        let failure =
            pool(&guest(&format!("(i64.const {packed})"), ""), SHORT).call(ONLY, b"x").result.unwrap_err();
        (failure.outcome, failure.reason)
    };
    assert_eq!(outcome("-1"), (Outcome::Permanent, Reason::Output));
    assert_eq!(outcome("0x80000000"), (Outcome::Permanent, Reason::Output));
    assert_eq!(outcome("0x8000000000000001"), (Outcome::Permanent, Reason::BadOutput));
    assert_eq!(outcome("0xffffffff00000001"), (Outcome::Permanent, Reason::BadOutput));
}

#[test]
fn a_guest_has_no_way_to_what_limits_it() {
    for (more, why) in [
        (
            r#"(global (export "weir.fuel") (mut i64) (i64.const 0))"#,
            "names that begin with `weir.` are the host's",
        ),
        // What is added stands behind its own.
        ("(func (global.set 1 (i64.const 0x7fffffffffffffff)))", "the module is not valid"),
        ("(func (drop (call 4 (i64.const 0))))", "the module is not valid"),
    ] {
        let refused = load_with(&guests::engine(), &guest("(i64.const 0)", more), SHORT).err().unwrap();
        assert!(refused.problem.to_string().contains(why), "{refused}");
    }
    let import = r#"(module (import "weir" "tick" (func (param i64) (result i64))))"#;
    let refused = load_with(&guests::engine(), &wat::parse_str(import).unwrap(), SHORT).err().unwrap();
    assert!(refused.problem.to_string().contains("imports `weir.tick`"), "{refused}");
}
