//! Every part of WebAssembly 2.0 that the rewriter touches does the same with limits.

use super::machine_tests::{Call, How, Value, compare};
use super::*;

pub(super) const BOTH: [How; 2] = [How::Interpreted, How::Native];

pub(super) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(super) fn calls<'a>(function: &'a str, arguments: &[i32]) -> Vec<Call<'a>> {
    arguments.iter().map(|argument| (function, vec![Value::I32(*argument)])).collect()
}

/// Runs `f` with each argument, one after the other: it does the same with limits, and returns what is expected.
fn same(text: &str, arguments: &[i32], expected: &[i32]) {
    let results: Vec<_> = expected.iter().map(|result| Ok(vec![Value::I32(*result)])).collect();
    for how in BOTH {
        assert_eq!(compare(&wasm(text), how, &calls("f", arguments)).0.calls, results, "{how:?}");
    }
}

/// The same where the last call ends in a trap.
fn traps(text: &str, arguments: &[i32]) {
    for how in BOTH {
        let (trace, _) = compare(&wasm(text), how, &calls("f", arguments));
        assert!(trace.fault().is_some_and(|fault| fault.trap().is_some()), "{how:?}: {trace:?}");
    }
}

#[test]
fn loops_in_loops() {
    same(
        r#"(module (func (export "f") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $sum i32)
            (block $out (loop $i
                (br_if $out (i32.ge_s (local.get $i) (local.get $n)))
                (local.set $j (i32.const 0))
                (loop $j
                    (local.set $sum (i32.add (local.get $sum) (i32.mul (local.get $i) (local.get $j))))
                    (local.set $j (i32.add (local.get $j) (i32.const 1)))
                    (br_if $j (i32.lt_s (local.get $j) (local.get $n))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $i)))
            (local.get $sum)))"#,
        &[0, 1, 5, 300],
        &[0, 0, 100, 2_011_522_500],
    );
}

#[test]
fn a_loop_with_parameters_and_a_block_with_several_results() {
    same(
        r#"(module (func (export "f") (param $n i32) (result i32)
            (i32.const 1) (i32.const 1)
            (loop $fibonacci (param i32 i32) (result i32 i32)
                (block (param i32 i32) (result i32 i32)
                    (call $step)
                    (br_if 0 (i32.const 1))
                    (unreachable))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $fibonacci (i32.gt_s (local.get $n) (i32.const 0))))
            (i32.mul))
            (func $step (param $a i32) (param $b i32) (result i32 i32)
                (local.get $b) (i32.add (local.get $a) (local.get $b))))"#,
        &[1, 2, 10],
        &[2, 6, 12_816],
    );
}

#[test]
fn a_table_of_branches_leaves_blocks_loops_and_the_function() {
    same(
        r#"(module (func (export "f") (param $n i32) (result i32)
            (block $a (result i32) (block $b (result i32) (loop $again (result i32)
                (block $c
                    (i32.const 7)
                    (br_table $a $b 4 (i32.and (local.get $n) (i32.const 3)))
                )
                (unreachable)
            ) (i32.add (i32.const 100))) (i32.add (i32.const 1_000)))
            (i32.add (local.get $n))))"#,
        &[0, 1, 2, 3, 4],
        &[7, 1_008, 7, 7, 11],
    );
}

const RECURSIVE: &str = r#"(module
    (func $f (export "f") (param $n i32) (result i32)
        (if (i32.lt_s (local.get $n) (i32.const 2)) (then (return (local.get $n))))
        (block (block (br_if 2 (i32.const 1) (i32.eq (local.get $n) (i32.const 2))) (drop)))
        (i32.add
            (call $f (i32.sub (local.get $n) (i32.const 1)))
            (call $f (i32.sub (local.get $n) (i32.const 2))))))"#;

#[test]
fn direct_recursion_with_returns_and_branches_out_of_the_function() {
    same(RECURSIVE, &[0, 1, 2, 3, 15], &[0, 1, 1, 2, 610]);
}

#[test]
fn mutual_recursion_with_several_results() {
    same(
        r#"(module
            (func (export "f") (param i32) (result i32) (call $even (local.get 0)) (i32.mul (i32.const 10)) (i32.add))
            (func $even (param $n i32) (result i32 i32)
                (if (i32.eqz (local.get $n)) (then (return (i32.const 1) (i32.const 7))))
                (call $odd (i32.sub (local.get $n) (i32.const 1))))
            (func $odd (param $n i32) (result i32 i32)
                (br_if 0 (i32.const 0) (i32.const 9) (i32.eqz (local.get $n))) (drop) (drop)
                (call $even (i32.sub (local.get $n) (i32.const 1)))))"#,
        &[0, 1, 2, 101],
        &[71, 90, 71, 90],
    );
}

#[test]
fn recursion_through_a_table_and_calls_of_what_is_not_there() {
    let text = r#"(module
        (type $f (func (param i32) (result i32)))
        (table 4 funcref) (elem (i32.const 0) $f $g $h)
        (func $f (export "f") (type $f)
            (if (result i32) (i32.ge_s (local.get 0) (i32.const 100))
                (then (local.get 0))
                (else (call_indirect (type $f)
                    (i32.add (local.get 0) (i32.const 30))
                    (i32.rem_u (local.get 0) (i32.const 5))))))
        (func $g (type $f) (call_indirect (type $f) (i32.add (local.get 0) (i32.const 70)) (i32.const 0)))
        (func $h (param i64)))"#;
    same(text, &[100, 0, 1, 6], &[100, 120, 101, 106]);
    // The wrong type, an empty element, beyond the table.
    for argument in [2, 3, 4] {
        traps(text, &[0, argument]);
    }
}

#[test]
fn references_to_functions_wherever_they_may_stand() {
    same(
        r#"(module
            (type $f (func (param i32) (result i32)))
            (table $t 8 funcref)
            (table $hosts 2 externref)
            (global $three funcref (ref.func $three))
            (global $mutable (mut funcref) (ref.null func))
            (elem (table $t) (i32.const 0) func $one)
            (elem (table $t) (i32.const 1) funcref (ref.func $two) (ref.null func))
            (elem $passive funcref (ref.func $four))
            (elem declare func $five)
            (func $one (type $f) (i32.const 1))
            (func $two (type $f) (i32.const 2))
            (func $three (type $f) (i32.const 3))
            (func $four (type $f) (i32.const 4))
            (func $five (type $f) (i32.const 5))
            (func (export "f") (type $f)
                (table.set $t (i32.const 2) (global.get $three))
                (table.init $t $passive (i32.const 3) (i32.const 0) (i32.const 1))
                (global.set $mutable (ref.func $five))
                (table.set $t (i32.const 4) (global.get $mutable))
                (table.copy $t $t (i32.const 5) (i32.const 1) (i32.const 2))
                (table.fill $hosts (i32.const 0) (ref.null extern) (i32.const 2))
                (drop (table.grow $t (select (result funcref) (ref.func $one) (ref.null func) (i32.const 1)) (i32.const 2)))
                (if (i32.ge_u (local.get 0) (i32.const 10)) (then (elem.drop $passive)))
                (i32.add
                    (call_indirect $t (type $f) (i32.const 0) (i32.rem_u (local.get 0) (i32.const 10)))
                    (i32.add (ref.is_null (table.get $hosts (i32.const 1))) (table.size $t)))))"#,
        &[0, 1, 2, 3, 4, 5, 6, 8],
        &[12, 15, 18, 21, 24, 23, 26, 26],
    );
}

#[test]
fn bulk_operations_on_memory_and_both_kinds_of_segments() {
    let text = r#"(module
        (memory (export "memory") 2)
        (data (i32.const 16) "active")
        (data $passive "passive and longer")
        (func (export "f") (param $n i32) (result i32)
            (memory.fill (i32.const 1000) (local.get $n) (i32.const 500))
            (memory.copy (i32.const 1200) (i32.const 16) (i32.const 6))
            (memory.copy (i32.const 1202) (i32.const 1200) (i32.const 20))
            (memory.init $passive (i32.const 1400) (i32.const 3) (local.get $n))
            (if (i32.gt_u (local.get $n) (i32.const 10)) (then (data.drop $passive)))
            (i32.add (i32.load (i32.const 1203)) (i32.load8_u (i32.const 1401)))))"#;
    let word = |at: &[u8; 4]| i32::from_le_bytes(*at);
    same(text, &[2, 5, 11], &[word(b"ctiv") + 105, word(b"ctiv") + 105, word(b"ctiv") + 105]);
    // Nothing is left of the segment; then beyond it.
    traps(text, &[11, 1]);
    traps(text, &[2, 16]);
}

#[test]
fn growing_until_it_is_refused() {
    let text = r#"(module
        (memory (export "memory") 1 4)
        (func (export "f") (param $pages i32) (result i32)
            (i32.add (i32.mul (i32.const 100) (memory.grow (local.get $pages))) (memory.size))))"#;
    same(text, &[0, 1, 2, 1, 65_536, 0], &[101, 102, 204, -96, -96, 404]);
    for how in BOTH {
        assert!(compare(&wasm(text), how, &calls("f", &[4])).1.growth_refused);
        assert!(!compare(&wasm(text), how, &calls("f", &[4, 3])).1.growth_refused, "it is of one call");
    }
}

#[test]
fn vectors_conversions_and_selects() {
    same(
        r#"(module
            (memory (export "memory") 1)
            (func $lanes (param v128 v128) (result v128)
                (if (result v128) (i32.const 1)
                    (then (i32x4.add (local.get 0) (i8x16.swizzle (local.get 1) (v128.const i32x4 0 1 2 3))))
                    (else (call $lanes (local.get 1) (local.get 0)))))
            (func (export "f") (param $n i32) (result i32)
                (v128.store (i32.const 32) (call $lanes (i32x4.splat (local.get $n)) (v128.const i32x4 1 2 3 4)))
                (i32.add
                    (i32x4.extract_lane 0 (v128.load (i32.const 32)))
                    (i32.add
                        (i32.trunc_sat_f64_s (f64.div (f64.const 1) (f64.convert_i32_s (local.get $n))))
                        (i32.extend8_s (select (i32.const 0x80) (i32.const 1) (local.get $n)))))))"#,
        &[5, 1, 0],
        // 0x01010101 and the argument; the second part is all there is of 1/0.
        &[16_843_014 - 128, 16_843_010 + 1 - 128, i32::MIN + 16_843_009],
    );
}

#[test]
fn code_that_is_never_reached() {
    let text = r#"(module (memory 1)
        (func $f (export "f") (param i32) (result i32)
            (block (result i32)
                (br 1 (i32.add (local.get 0) (i32.const 1)))
                (memory.fill)
                (loop (br_if 0 (i32.const 1)) (call $f (i32.const 0)) (return))
                (drop (memory.grow))
                (return)
                (i32.add))))"#;
    same(text, &[1, 41], &[2, 42]);
    traps(r#"(module (func (export "f") (param i32) (result i32) unreachable loop br 0 end))"#, &[1]);
}

#[test]
fn a_start_function_and_names_and_sections_of_others() {
    let text = r#"(module $named
        (global $g (export "g") (mut i32) (i32.const 1))
        (start $begin)
        (func $begin (loop $turns
            (global.set $g (i32.mul (global.get $g) (i32.const 3)))
            (br_if $turns (i32.lt_s (global.get $g) (i32.const 1000)))))
        (func $f (export "f") (param $named i32) (result i32) (local $too i32)
            (i32.add (local.get $named) (global.get $g)))
        (@custom ".debug_info" "whatever")
        (@custom "name" (after code) "broken"))"#;
    same(text, &[1, 2], &[2_188, 2_189]);
    let rewritten = rewrite(&wasm(text)).unwrap();
    let custom = |payload| matches!(payload, Ok(wasmparser::Payload::CustomSection(_)));
    assert!(!Parser::new(0).parse_all(&rewritten).any(custom));
    traps(
        r#"(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))"#,
        &[0, -1],
    );
}

#[test]
fn a_start_that_traps() {
    for how in BOTH {
        let (trace, _) = compare(&wasm("(module (func $start unreachable) (start $start))"), how, &[]);
        assert!(trace.start.is_err_and(|fault| fault.trap().is_some()));
    }
}

#[test]
fn an_empty_module_and_one_of_each_section() {
    for text in [
        "(module)",
        r#"(module (import "weir" "log" (func (param i32 i32 i32))))"#,
        r#"(module (memory (export "memory") 1))"#,
        "(module (table 1 funcref))",
        "(module (global i32 (i32.const 1)))",
        "(module (func))",
        r#"(module (data "passive"))"#,
        "(module (type (func (param i32) (result i64))))",
    ] {
        rewrite(&wasm(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}
