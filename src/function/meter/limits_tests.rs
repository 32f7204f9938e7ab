//! What the limits of a rewritten module come to: fuel, depth, and what is refused.

use super::super::engine::Fault;
use super::super::limits::Stop;
use super::machine_tests::{How, Metered, Trace, Value, run};
use super::tests::{BOTH, calls, wasm};
use super::*;

/// Runs `f` of the rewritten module once.
fn limited(text: &str, how: How, fuel: Option<u64>, argument: i32) -> (Result<Vec<Value>, Fault>, Metered) {
    let (mut trace, metered): (Trace, _) =
        run(&rewrite(&wasm(text)).unwrap(), how, fuel, &calls("f", &[argument]), &[]);
    assert_eq!(trace.start, Ok(()));
    (trace.calls.remove(0), metered)
}

fn fuel(text: &str, argument: i32) -> u64 {
    let [interpreted, native] = BOTH.map(|how| limited(text, how, None, argument).1.fuel);
    assert_eq!(interpreted, native);
    interpreted[0]
}

const COUNT: &str = r#"(module (func (export "f") (param $n i32) (result i32)
    (loop $more
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $more (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $n)))"#;

#[test]
fn a_loop_pays_by_the_turn_and_a_function_by_the_call() {
    // 2 for the entry, 1 for what follows the loop; a turn is 1 and 8 operators.
    for turns in [1, 2, 1_000_000] {
        assert_eq!(fuel(COUNT, turns), 3 + 9 * turns as u64);
    }
    let call = r#"(module
        (func (export "f") (param i32) (result i32) (call $g (local.get 0)) (call $g (local.get 0)) i32.add)
        (func $g (param i32) (result i32) (i32.div_u (local.get 0) (i32.const 3))))"#;
    assert_eq!(fuel(call, 1), (2 + 2 * (1 + 4) + 1) + 2 * (2 + 1 + 1 + 8));
}

#[test]
fn a_bulk_operation_pays_by_its_length() {
    let text = r#"(module (memory 20) (table 60000 funcref) (func (export "f") (param i32) (result i32)
        (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
        (memory.copy (i32.const 0) (i32.const 1) (local.get 0))
        (i32.const 0)))"#;
    assert_eq!(fuel(text, 1 << 20) - fuel(text, 0), 2 * (1 << 16));
    let text = r#"(module (table 60000 funcref) (func (export "f") (param i32) (result i32)
        (table.fill (i32.const 0) (ref.null func) (local.get 0))
        (i32.const 0)))"#;
    assert_eq!(fuel(text, 50_000) - fuel(text, 0), 50_000);
    let text = r#"(module (memory 1 20) (func (export "f") (param i32) (result i32)
        (memory.grow (local.get 0))))"#;
    assert_eq!(fuel(text, 10) - fuel(text, 0), 10 << 12);
    assert_eq!(fuel(text, 20), fuel(text, 0), "what is refused is free");
}

#[test]
fn a_call_may_use_its_fuel_and_not_a_unit_more() {
    let used = fuel(COUNT, 1_234_567);
    for how in BOTH {
        assert_eq!(limited(COUNT, how, Some(used), 1_234_567).0, Ok(vec![Value::I32(0)]));
        let (result, metered) = limited(COUNT, how, Some(used - 1), 1_234_567);
        assert_eq!(result.unwrap_err().stop(), Some(Stop::Fuel));
        assert_eq!(metered.fuel, [used]);
    }
}

#[test]
fn endless_loops_of_every_kind_are_stopped() {
    for body in [
        "(loop br 0)",
        "(loop (block (br 1)))",
        "(loop (br_table 0 0 (local.get 0)))",
        "(loop (br_if 0 (i32.const 1)))",
        "(loop (loop (br_table 1 0 (i32.const 0))))",
        "(loop (call $nothing) (br 0))",
        "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0))",
        "(loop (drop (memory.grow (i32.const 0))) (br 0))",
        "(loop (call_indirect (i32.const 0)) (br 0))",
    ] {
        let text = format!(
            r#"(module (memory 1) (table 1 funcref) (elem (i32.const 0) $nothing) (func $nothing)
            (func (export "f") (param i32) (result i32) {body} (i32.const 0)))"#
        );
        for how in BOTH {
            let (result, _) = limited(&text, how, Some(3_000_000), 0);
            assert_eq!(result.unwrap_err().stop(), Some(Stop::Fuel), "{how:?} {body}");
        }
    }
}

#[test]
fn straight_code_is_looked_at_now_and_then() {
    // A function without a loop that does much: each of its operations is dear.
    let fills = "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1048576))".repeat(50);
    let text =
        format!(r#"(module (memory 16) (func (export "f") (param i32) (result i32) {fills} (i32.const 0)))"#);
    for how in BOTH {
        let (result, metered) = limited(&text, how, Some(1_000_000), 0);
        assert_eq!(result.unwrap_err().stop(), Some(Stop::Fuel));
        assert!(metered.fuel[0] < 1_000_000 + 70_000, "{metered:?}");
    }
}

#[test]
fn recursion_without_end_is_too_deep() {
    let direct = r#"(module (func $f (export "f") (param i32) (result i32)
        (i32.add (call $f (local.get 0)) (i32.const 1))))"#;
    let mutual = r#"(module
        (func $f (export "f") (param i32) (result i32) (i32.add (call $g (local.get 0)) (i32.const 1)))
        (func $g (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1))))"#;
    let indirect = r#"(module (table 1 funcref) (elem (i32.const 0) $f) (type $t (func (param i32) (result i32)))
        (func $f (export "f") (type $t)
            (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1))))"#;
    let put_there = r#"(module (table 1 funcref) (type $t (func (param i32) (result i32)))
        (func $f (export "f") (type $t)
            (table.set (i32.const 0) (ref.func $f))
            (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1))))"#;
    let kept = r#"(module (table 1 funcref) (type $t (func (param i32) (result i32))) (global funcref (ref.func $f))
        (func $f (export "f") (type $t)
            (table.set (i32.const 0) (global.get 0))
            (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1))))"#;
    // More than 60 KiB of locals that live across the call: few fit.
    let vectors: String =
        (0..4_000).map(|n| format!("(local.set {} (v128.load (i32.const {n})))", n + 1)).collect();
    let live: String =
        (0..4_000).map(|n| format!("(v128.store (i32.const {n}) (local.get {}))", n + 1)).collect();
    let large = format!(
        r#"(module (memory 1) (func $f (export "f") (param i32) (result i32) (local {}) {vectors}
            (i32.add (call $f (local.get 0)) (i32.const 1)) {live}))"#,
        "v128 ".repeat(4_000)
    );
    for text in [direct, mutual, indirect, put_there, kept, &large] {
        // Natively first: there it ends whatever happens.
        for how in [How::Native, How::Interpreted] {
            let (result, metered) = on_a_thread_for_functions(|| limited(text, how, None, 0));
            assert!(metered.too_deep, "{how:?} {metered:?}");
            assert!(result.is_err());
        }
    }
}

#[test]
fn a_tall_chain_of_calls_is_counted_though_nothing_calls_itself() {
    let chain = |functions: usize| {
        let links: String = (0..functions)
            .map(|n| format!("(func $f{n} (call $f{}) (global.set 0 (i32.const {n})))", n + 1))
            .collect();
        format!(
            r#"(module (global (mut i32) (i32.const 0)) {links} (func $f{functions})
            (func (export "f") (param i32) (result i32) (call $f0) (i32.const 1)))"#
        )
    };
    let (result, metered) = on_a_thread_for_functions(|| limited(&chain(1_000), How::Interpreted, None, 0));
    assert_eq!((result, metered.too_deep), (Ok(vec![Value::I32(1)]), false));
    let (result, metered) = on_a_thread_for_functions(|| limited(&chain(40_000), How::Interpreted, None, 0));
    assert!(result.is_err() && metered.too_deep);
}

#[test]
fn what_is_exported_may_be_put_into_a_table_that_is() {
    let referenced = |text| Survey::of(&wasm(text)).unwrap().referenced.len();
    assert_eq!(referenced(r#"(module (func (export "f")) (table 1 funcref))"#), 0);
    assert_eq!(referenced(r#"(module (func (export "f")) (table (export "t") 1 funcref))"#), 1);
    assert_eq!(referenced(r#"(module (import "t" "t" (table 1 funcref)) (func (export "f")))"#), 1);
}

fn on_a_thread_for_functions<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, body).unwrap().join().unwrap()
    })
}

#[test]
fn everything_that_changes_is_reachable() {
    let text = r#"(module (global i32 (i32.const 1)) (global (mut i64) (i64.const 2)) (global (mut v128) (v128.const i64x2 3 0))
        (global (mut funcref) (ref.null func)) (func (export "f") (param i32) (result i32) (local.get 0)))"#;
    let globals = ["weir.global.0", "weir.global.1", "weir.global.2", FUEL, DEPTH].map(str::to_owned);
    let (trace, _) =
        run(&rewrite(&wasm(text)).unwrap(), How::Interpreted, Some(100), &calls("f", &[1]), &globals);
    let fuel = Value::I64(100 - 3);
    let expected = [Value::I64(2), Value::V128(3), Value::Function { null: true }, fuel, Value::I32(0)];
    assert_eq!(trace.globals, expected);
}

// ---- what is refused ----------------------------------------------------------------------------------------------------

#[test]
fn what_is_the_host_s_is_refused() {
    for text in [
        r#"(module (func (export "weir.fuel")))"#,
        r#"(module (func (export "weir.")))"#,
        r#"(module (import "weir" "tick" (func (param i64) (result i64))))"#,
        r#"(module (import "weir" "note" (func (param i32))))"#,
        r#"(module (import "weir" "room" (func (param i32 i32) (result i32))))"#,
    ] {
        assert!(rewrite(&wasm(text)).unwrap_err().to_string().contains("is the host's own"), "{text}");
    }
    rewrite(&wasm(r#"(module (func (export "weir_handle")) (func (export "weird.x")))"#)).unwrap();
}

#[test]
fn what_names_things_that_are_only_added_is_refused() {
    for text in [
        // The fuel's global, the tick's function, a type.
        r#"(module (func (global.set 0 (i64.const 1000000))))"#,
        r#"(module (func (drop (call 1 (i64.const 1)))))"#,
        r#"(module (func (type 1)))"#,
    ] {
        assert!(rewrite(&wasm(text)).is_err(), "{text}");
    }
}

#[test]
fn tail_calls_and_other_novelties_are_refused() {
    for text in [
        "(module (func $f (return_call $f)))",
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (tag) (func (throw 0)))",
    ] {
        assert!(rewrite(&wasm(text)).is_err(), "{text}");
    }
}
