//! Functions as the worker uses them: loaded, called, answered, and refused where they break Guest ABI 1.

#[path = "function/guests.rs"]
mod guests;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guests::{guest, load, load_within};
use weir::dispatch::{Outcome, Reason};
use weir::event::{Event, Uid};
use weir::function::{Answer, Engine, Failure, FunctionIndex, Limits, Module, Origin, Pool, answer};

const ONLY: FunctionIndex = FunctionIndex(0);

fn pool(wasm: &[u8]) -> Pool {
    Pool::new(&guests::engine(), [load(wasm).unwrap()])
}

fn failure(handle: &str) -> Failure {
    failure_of(&guest(handle, ""))
}

fn failure_of(wasm: &[u8]) -> Failure {
    pool(wasm).call(ONLY, b"x").result.unwrap_err()
}

// ---- the example -----------------------------------------------------------------------------------------------

fn payment() -> Pool {
    let engine = guests::engine();
    let module = Module::load(&engine, "payment", &guests::payment(), Limits::default()).unwrap();
    Pool::new(&engine, [module])
}

fn answered<'p>(pool: &'p mut Pool, input: &[u8]) -> Answer<'p> {
    answer::read(pool.call(ONLY, input).result.unwrap(), "payment", Uid(1)).unwrap()
}

fn reply(pool: &mut Pool, amount: &str) -> Event<'static> {
    match answered(pool, &guests::order("A7", amount)) {
        Answer::Replies(mut replies) if replies.len() == 1 => replies.remove(0).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_flagged_over_the_limit_and_else_processed() {
    let mut pool = payment();
    for (amount, ty, decision) in
        [("12500.50", "order.flagged", "flagged"), ("10000", "payment.processed", "processed")]
    {
        let reply = reply(&mut pool, amount);
        assert_eq!((&*reply.id, &*reply.source, &*reply.ty), ("o-1/payment", "/functions/payment", ty));
        let data =
            format!(r#"{{"order_id":"A7","amount":{amount},"currency":"EUR","decision":"{decision}"}}"#);
        assert_eq!(reply.data.as_ref().unwrap().bytes(), data.as_bytes());
    }
}

#[test]
fn a_bad_order_is_the_function_s_own_permanent_failure() {
    let mut pool = payment();
    match answered(&mut pool, &guests::order("A7", "\"much\"")) {
        Answer::Failed { retry: false, code, .. } => assert_eq!(code, "invalid-amount"),
        other => panic!("{other:?}"),
    }
    assert!(!pool.call(ONLY, &guests::order("A8", "1")).cold, "a failure of its own is no trap");
}

#[test]
fn inputs_may_grow_and_shrink() {
    let mut pool = payment();
    for len in [10, 100_000, 50, 300_000, 200_000] {
        let order_id = "i".repeat(len);
        let Answer::Replies(replies) = answered(&mut pool, &guests::order(&order_id, "1")) else {
            panic!("{len}")
        };
        let data = replies[0].data.as_ref().unwrap().bytes();
        assert!(data.starts_with(format!(r#"{{"order_id":"{order_id}","#).as_bytes()), "{len}");
    }
}

// ---- what a call may do wrong --------------------------------------------------------------------------------------

#[test]
fn an_output_outside_memory_is_a_bad_output() {
    // Address 65,530 and 10 bytes; then the last address there is and 4,096 bytes, which overflows 32 bits.
    for packed in ["0xfffa0000000a", "0xffffffff00001000"] {
        let failure = failure(&format!("(i64.const {packed})"));
        assert_eq!((failure.outcome, failure.reason), (Outcome::Permanent, Reason::BadOutput), "{failure}");
    }
}

#[test]
fn an_output_at_the_very_end_of_memory_is_none() {
    let mut pool = pool(&guest("(i64.const 0xfff60000000a)", r#"(data (i32.const 65526) "0123456789")"#));
    assert_eq!(pool.call(ONLY, b"x").result, Ok(&b"0123456789"[..]));
}

#[test]
fn the_address_of_an_empty_output_is_not_looked_at() {
    let mut pool = pool(&guest("(i64.const 0xffffffff00000000)", ""));
    assert_eq!(pool.call(ONLY, b"x").result, Ok(&b""[..]));
}

#[test]
fn an_output_over_the_limit_is_refused() {
    let failure = failure("(i64.const 4097)");
    assert_eq!((failure.outcome, failure.reason), (Outcome::Permanent, Reason::Output), "{failure}");
    assert_eq!(failure.message, "an output of 4097 bytes; the limit is 4096");
}

#[test]
fn a_buffer_outside_memory_is_a_bad_buffer() {
    let wasm = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "weir_abi") (result i32) (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 0xfffffff0))
            (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#,
    )
    .unwrap();
    let failure = pool(&wasm).call(ONLY, &[b'x'; 64]).result.unwrap_err();
    assert_eq!((failure.outcome, failure.reason), (Outcome::Permanent, Reason::BadBuffer), "{failure}");
    assert_eq!(failure.message, "weir_buffer(64) returned 4294967280: that is not all within memory");
}

#[test]
fn memory_that_is_grown_without_end_is_bounded() {
    // Grows page by page until that is refused, then answers with as many bytes as it has pages.
    let mut pool = pool(&guest(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         (i64.extend_i32_u (memory.size))",
        "",
    ));
    let pages = pool.call(ONLY, b"x").result.unwrap().len();
    assert_eq!(pages, Limits::default().pages as usize);
}

/// Counts its calls in a global and traps at "t".
#[test]
fn what_trapped_is_never_used_again() {
    let mut pool = pool(&guest(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.eq $input (i32.const 116)) (then unreachable))
         (i64.extend_i32_u (global.get $calls))",
        "(global $calls (mut i32) (i32.const 0))",
    ));
    let mut calls = |input: &[u8]| {
        let called = pool.call(ONLY, input);
        (called.result.map(<[u8]>::len).map_err(|failure| failure.reason), called.cold)
    };
    assert_eq!(calls(b"x"), (Ok(1), true));
    assert_eq!(calls(b"x"), (Ok(2), false));
    assert_eq!(calls(b"t"), (Err(Reason::Unreachable), false));
    assert_eq!(calls(b"x"), (Ok(1), true));
}

/// Traps after it has written the address and length that are its text's.
fn panics(address: u32, len: u32, more: &str) -> String {
    failure_of(&guest(
        &format!(
            "(i32.store (i32.const 2048) (i32.const {address})) (i32.store (i32.const 2052) (i32.const {len})) unreachable"
        ),
        &format!(r#"(global (export "weir_panic") i32 (i32.const 2048)) {more}"#),
    ))
    .message
}

#[test]
fn a_trap_tells_what_the_guest_said_as_it_panicked() {
    let silent = failure("unreachable").message;
    let text = r#"(data (i32.const 4096) "no such\ncurrency: \1b[31mEUX")"#;
    assert_eq!(panics(4_096, 26, text), format!("{silent}: no such currency:  [31mEUX"));
    assert_eq!(panics(4_096, 7, text), format!("{silent}: no such"));
    // What is nowhere, empty or too long.
    for (address, len) in [(0, 0), (65_530, 7), (u32::MAX, 1), (4_096, 0)] {
        assert_eq!(panics(address, len, text), silent);
    }
    let long = panics(4_096, 50_000, text);
    assert!(long.len() <= silent.len() + 2 + 1_024 && long.contains("EUX"), "{long}");
    // An address of the words that is no address.
    let guest = guest("unreachable", r#"(global (export "weir_panic") i32 (i32.const -4))"#);
    assert_eq!(failure_of(&guest).message, silent);
}

#[test]
fn initialize_is_called_once_per_instance() {
    let mut pool = pool(&guest(
        "(i64.extend_i32_u (global.get $times))",
        r#"(global $times (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $times (i32.add (global.get $times) (i32.const 1))))"#,
    ));
    for _ in 0..3 {
        assert_eq!(pool.call(ONLY, b"x").result.unwrap().len(), 1);
    }
}

// ---- what is refused at load -----------------------------------------------------------------------------------------

fn refusal(wasm: &[u8]) -> String {
    load(wasm).err().expect("it was loaded").problem.to_string()
}

fn refusal_of_text(text: &str) -> String {
    refusal(&wat::parse_str(text).unwrap())
}

#[test]
fn each_missing_export_is_named_with_its_type() {
    assert_eq!(
        refusal_of_text("(module)"),
        "it does not export `memory`, a memory; \
         it does not export `weir_abi`, a global of type i32 or a function () -> (i32), either of them 1; \
         it does not export `weir_buffer`, a function (i32) -> (i32); \
         it does not export `weir_handle`, a function (i32) -> (i64)"
    );
}

#[test]
fn each_export_of_another_type_is_named_with_both() {
    assert_eq!(
        refusal_of_text(
            r#"(module
                (global (export "memory") i32 (i32.const 0))
                (global (export "weir_abi") i64 (i64.const 1))
                (func (export "weir_buffer") (param i32))
                (func (export "weir_handle") (param i32 i32) (result i64) (i64.const 0))
                (func (export "_initialize") (result i32) (i32.const 0))
                (func (export "weir.tick")))"#
        ),
        "its export `memory` is a global of type i32; it must be a memory; \
         its export `weir_abi` is a global of type i64; it must be a global of type i32 or a function () -> (i32); \
         its export `weir_buffer` is a function (i32) -> (); it must be a function (i32) -> (i32); \
         its export `weir_handle` is a function (i32, i32) -> (i64); it must be a function (i32) -> (i64); \
         its export `_initialize` is a function () -> (i32); it must be a function () -> (); \
         it exports `weir.tick`: names that begin with `weir.` are the host's"
    );
}

#[test]
fn imports_are_named() {
    let said = refusal_of_text(r#"(module (import "env" "abort" (func)))"#);
    assert!(said.starts_with("it imports `env.abort`; nothing of that is there to import"), "{said}");
    let eight: String = (0..8).map(|n| format!(r#"(import "env" "f{n}" (func))"#)).collect();
    let said = refusal_of_text(&format!("(module {eight})"));
    assert!(said.contains("`env.f3`, `env.f4` and 3 more; nothing of that is there to import"), "{said}");
}

#[test]
fn another_abi_is_refused_whether_global_or_function() {
    for abi in [
        r#"(global (export "weir_abi") i32 (i32.const 2))"#,
        r#"(func (export "weir_abi") (result i32) (i32.const 2))"#,
    ] {
        let said = refusal_of_text(&format!(
            r#"(module {abi}
                (memory (export "memory") 1)
                (func (export "weir_buffer") (param i32) (result i32) (i32.const 0))
                (func (export "weir_handle") (param i32) (result i64) (i64.const 0)))"#
        ));
        assert!(said.starts_with("its `weir_abi` is 2; this worker speaks Guest ABI 1"), "{said}");
    }
}

#[test]
fn what_is_no_module_is_called_by_its_name() {
    for (bytes, said) in [
        (&b""[..], "the file is empty"),
        (b"\n(module)", "the file is WebAssembly text: translate it with wat2wasm first"),
        (
            b"\x7fELF\x02",
            "the file is no WebAssembly: it begins with the bytes 7f 45 4c 46 instead of 00 61 73 6d",
        ),
        (
            b"\0asm\x0d\0\x01\0",
            "the file is a component: functions are core modules, as built for wasm32-unknown-unknown",
        ),
    ] {
        assert_eq!(refusal(bytes), said);
    }
    assert!(refusal(b"\0asm\x01\0\0\0\xff").starts_with("the module is not valid WebAssembly 2.0: "));
}

#[test]
fn a_start_that_traps_is_refused() {
    for start in ["(start $start)", r#"(export "_initialize" (func $start))"#] {
        let said = refusal(&guest("(i64.const 0)", &format!("(func $start unreachable) {start}")));
        assert!(said.starts_with("it can't be started: trapped (unreachable): "), "{said}");
    }
}

#[test]
fn what_would_take_unlimited_memory_is_refused() {
    let memory = r#"(module (memory (export "memory") 2049))"#;
    let said = refusal_of_text(memory);
    assert!(said.contains("its memory begins with 2049 pages of 64 KiB; the limit is 2048"), "{said}");
    let said = refusal(&guest("(i64.const 0)", "(table 65537 funcref)"));
    assert_eq!(said, "its tables begin beyond 65536 elements in all");
    let said = refusal(&guest(
        "(drop (table.grow $t (ref.null func) (i32.const 1))) (i64.const 0)",
        "(table $t 1 funcref)",
    ));
    assert_eq!(said, "its tables can grow beyond 65536 elements in all");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = Path::new("no/such.wasm");
    let error = Module::load(&guests::engine(), "f", path, Limits::default()).err().unwrap();
    assert!(error.to_string().starts_with("function f (no/such.wasm): can't read the module: "), "{error}");
}

// ---- the cache ---------------------------------------------------------------------------------------------------------

fn cached(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn native_code_is_found_again_and_compiled_anew_when_it_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("native");
    let engine = Engine::start(&dir).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let wasm = guest("(i64.const 3)", "");
    let origin = || load_within(&engine, &wasm).unwrap().origin();
    assert!(matches!(origin(), Origin::Compiled(_)));
    assert_eq!(origin(), Origin::Cached);

    let sealed_rubbish = [&b"rubbish"[..], blake3::hash(b"rubbish").as_bytes()].concat();
    let damages: [fn(&mut Vec<u8>); 3] =
        [|code| code.truncate(code.len() / 2), |code| code[1_000] ^= 1, |code| code.clear()];
    for damage in damages.iter().map(Some).chain([None]) {
        for path in cached(&dir) {
            let mut code = fs::read(&path).unwrap();
            match damage {
                Some(damage) => damage(&mut code),
                None => code.clone_from(&sealed_rubbish),
            }
            // A new file: the old one is mapped and may be running.
            fs::remove_file(&path).unwrap();
            fs::write(&path, code).unwrap();
        }
        let replaced = load_within(&engine, &wasm).unwrap();
        assert!(matches!(replaced.origin(), Origin::Replaced(_)), "{:?}", replaced.origin());
        assert_eq!(Pool::new(&engine, [replaced]).call(ONLY, b"x").result.unwrap().len(), 3);
        assert_eq!(origin(), Origin::Cached);
    }
    assert!(cached(&dir).iter().all(|path| path.extension().is_some_and(|e| e == "so")));
    assert!(!cached(&dir).iter().any(|path| path.to_string_lossy().contains("unfinished")));
}

#[test]
fn a_cache_that_others_may_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o770, 0o702, 0o777] {
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        let said = Engine::start(dir.path()).expect_err("it was accepted").to_string();
        assert!(said.contains("others may write") && said.contains(&format!("{mode:o}")), "{said}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o750)).unwrap();
    assert!(Engine::start(dir.path()).is_ok());
}

#[test]
fn a_cache_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let said = Engine::start(file.path()).expect_err("it was accepted").to_string();
    assert!(said.contains(&*file.path().to_string_lossy()), "{said}");
}
