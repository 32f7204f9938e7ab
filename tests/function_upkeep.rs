//! Instances as their function's document has them kept: what an event finds of those before it, and how many there are.

#[path = "function/guests.rs"]
mod guests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use guests::{engine, guest, load};
use weir::dispatch::Reason;
use weir::function::{FunctionIndex, Isolation, Module, Pool, Pooled, Upkeep};

const ONLY: FunctionIndex = FunctionIndex(0);

/// Counts its events, in memory that it begins with, in a global and in memory that is empty; answers with these counts and how
/// many pages it has. A `g` grows its memory first, a `t` traps in the middle.
fn counting(more: &str) -> Vec<u8> {
    guest(
        &format!(
            r#"(if (i32.eq $input (i32.const 0x67)) (then (drop (memory.grow (i32.const 1)))))
            (i32.store8 (i32.const 600) (i32.add (i32.load8_u (i32.const 600)) (i32.const 1)))
            (i32.store8 (i32.const 512) (i32.load8_u (i32.const 600)))
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (i32.store8 (i32.const 513) (global.get $count))
            (i32.store8 (i32.const 65000) (i32.add (i32.load8_u (i32.const 65000)) (i32.const 1)))
            (i32.store8 (i32.const 514) (i32.load8_u (i32.const 65000)))
            (i32.store8 (i32.const 515) (memory.size))
            (if (i32.eq $input (i32.const 0x74)) (then unreachable))
            {more}
            (i64.const 0x20000000004)"#
        ),
        r#"(global $count (mut i32) (i32.const 40))
           (global $float (export "weir_float") (mut f64) (f64.const 1.5))
           (table $t 4 funcref)
           (func $f)
           (elem (table $t) (i32.const 0) func $f)
           (data (i32.const 600) "\07")"#,
    )
}

fn kept(module: &Arc<Module>, isolation: Isolation) -> Pooled {
    Pooled { module: Arc::clone(module), upkeep: Upkeep { isolation, ..Upkeep::default() } }
}

fn pool(wasm: &[u8], isolation: Isolation) -> Pool {
    Pool::new(&engine(), [kept(&load(wasm).unwrap(), isolation)])
}

/// What was counted, and whether an instance was made for it.
fn call(pool: &mut Pool, input: &[u8]) -> (Vec<u8>, bool) {
    let called = pool.call(ONLY, input);
    (called.result.unwrap().to_vec(), called.cold)
}

#[test]
fn a_warm_instance_keeps_what_it_counted() {
    let mut pool = pool(&counting(""), Isolation::Warm);
    for n in 1..=3 {
        assert_eq!(call(&mut pool, b"x"), (vec![7 + n, 40 + n, n, 1], n == 1));
    }
    assert_eq!(call(&mut pool, b"g"), (vec![11, 44, 4, 2], false), "it has grown");
    assert_eq!(call(&mut pool, b"x"), (vec![12, 45, 5, 2], false));
}

#[test]
fn memory_and_globals_are_set_back_after_each_event() {
    let mut pool = pool(&counting(""), Isolation::Reset);
    for n in 0..5 {
        assert_eq!(call(&mut pool, b"x"), (vec![8, 41, 1, 1], n == 0));
    }
}

#[test]
fn what_can_t_be_set_back_is_made_anew() {
    let mut grows = pool(&counting(""), Isolation::Reset);
    assert_eq!(call(&mut grows, b"x"), (vec![8, 41, 1, 1], true));
    assert_eq!(call(&mut grows, b"g"), (vec![8, 41, 1, 2], false), "the memory grew");
    assert_eq!(call(&mut grows, b"x"), (vec![8, 41, 1, 1], true), "and no memory shrinks");
    assert_eq!(call(&mut grows, b"x"), (vec![8, 41, 1, 1], false));
    assert!(grows.call(ONLY, b"t").result.is_err());
    assert_eq!(call(&mut grows, b"x"), (vec![8, 41, 1, 1], true), "what trapped was used again");

    for changes in ["(table.set $t (i32.const 1) (ref.null func))", "(elem.drop 0)", "(data.drop 0)"] {
        let mut changes = pool(&counting(changes), Isolation::Reset);
        for _ in 0..3 {
            assert_eq!(call(&mut changes, b"x"), (vec![8, 41, 1, 1], true));
        }
    }
}

#[test]
fn a_guest_that_has_no_buffer_says_so_at_its_event() {
    let text = r#"(module
        (memory (export "memory") 1)
        (global (export "weir_abi") i32 (i32.const 1))
        (func (export "weir_buffer") (param i32) (result i32) unreachable)
        (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#;
    let mut pool = pool(&wat::parse_str(text).unwrap(), Isolation::Reset);
    for _ in 0..2 {
        let called = pool.call(ONLY, b"x");
        assert_eq!((called.result.unwrap_err().reason, called.cold), (Reason::Unreachable, true));
    }
}

#[test]
fn each_event_has_an_instance_of_its_own() {
    let mut pool = pool(&counting(""), Isolation::Fresh);
    pool.prewarm().unwrap();
    for _ in 0..3 {
        assert_eq!(call(&mut pool, b"x"), (vec![8, 41, 1, 1], true));
    }
}

#[test]
fn an_event_takes_the_same_fuel_after_each_reset_and_answers_as_in_a_fresh_instance() {
    let payment = Module::load(&engine(), "payment", &guests::payment(), weir::function::Limits::default());
    let payment = payment.unwrap();
    let mut pools = [Isolation::Fresh, Isolation::Reset].map(|i| Pool::new(&engine(), [kept(&payment, i)]));
    let orders: Vec<_> = ["1", "12500.5", "99"].map(|amount| guests::order(&amount.repeat(5), amount)).into();
    let [fresh, reset] = pools.each_mut().map(|pool| {
        let mut call = |order: &Vec<u8>| {
            let called = pool.call(ONLY, order);
            (called.result.map(<[u8]>::to_vec).unwrap(), called.fuel, called.cold)
        };
        orders.iter().chain(&orders).map(&mut call).collect::<Vec<_>>()
    });
    for (n, (fresh, reset)) in fresh.iter().zip(&reset).enumerate() {
        assert_eq!(fresh.0, reset.0);
        assert_eq!((fresh.2, reset.2), (true, n == 0), "the example was not made anew for nothing");
    }
    let fuel: Vec<u64> = reset.iter().map(|(_, fuel, _)| *fuel).collect();
    assert_eq!(fuel[..3], fuel[3..], "what one event left was there for another");
}

#[test]
fn no_more_instances_are_kept_than_the_function_wants() {
    let module = load(&counting("")).unwrap();
    let upkeep = Upkeep { max: 1, ..Upkeep::default() };
    let kept = || Pooled { module: Arc::clone(&module), upkeep };
    let (mut first, mut second) = (Pool::new(&engine(), [kept()]), Pool::new(&engine(), [kept()]));
    assert_eq!(call(&mut first, b"x"), (vec![8, 41, 1, 1], true));
    for _ in 0..2 {
        assert_eq!(call(&mut second, b"x"), (vec![8, 41, 1, 1], true), "two were kept");
    }
    assert_eq!(call(&mut first, b"x"), (vec![9, 42, 2, 1], false));
    drop(first);
    assert!(call(&mut second, b"x").1);
    assert!(!call(&mut second, b"x").1, "there was a place for it");
}

#[test]
fn what_is_idle_goes_but_for_as_many_as_are_wanted() {
    let module = load(&counting("")).unwrap();
    let idle = Duration::from_secs(3_600);
    let upkeep = Upkeep { min: 1, idle, ..Upkeep::default() };
    let kept = || Pooled { module: Arc::clone(&module), upkeep };
    let (mut first, mut second) = (Pool::new(&engine(), [kept()]), Pool::new(&engine(), [kept()]));
    first.prewarm_as(0, 2).unwrap();
    second.prewarm_as(1, 2).unwrap();
    assert!(!call(&mut first, b"x").1, "its instance was not there");
    assert!(call(&mut second, b"x").1, "one in all was wanted");

    let now = Instant::now();
    assert!(first.shrink(now).is_some_and(|due| due <= now + idle));
    assert!(!call(&mut first, b"x").1 && !call(&mut second, b"x").1, "they were idle for no time at all");
    let later = Instant::now() + idle;
    assert_eq!(second.shrink(later), None, "the second is spare");
    assert_eq!(first.shrink(later), Some(later + idle), "the first is wanted");
    assert!(!call(&mut first, b"x").1);
    assert!(call(&mut second, b"x").1);
}

#[test]
fn a_function_that_stays_keeps_its_instance_unless_it_is_to_find_another() {
    let (one, two) = (load(&counting("")).unwrap(), load(&counting("(nop)")).unwrap());
    let mut pool = Pool::new(&engine(), [kept(&one, Isolation::Warm), kept(&two, Isolation::Warm)]);
    assert!(call(&mut pool, b"x").1);
    pool.replace([kept(&two, Isolation::Warm), kept(&one, Isolation::Warm)]);
    assert!(!pool.call(FunctionIndex(1), b"x").cold);
    assert!(pool.call(FunctionIndex(0), b"x").cold);
    pool.replace([kept(&one, Isolation::Reset), kept(&two, Isolation::Warm)]);
    assert!(pool.call(FunctionIndex(0), b"x").cold, "it was never seen as it was before its first event");
    assert!(!pool.call(FunctionIndex(1), b"x").cold);
}
