//! Functions for tests, as bytes of WebAssembly.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The example function, as functions/build makes it.
pub fn payment() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    BUILT.get_or_init(|| {
        let built = Command::new(functions.join("build")).arg("rust").output().unwrap();
        assert!(built.status.success(), "functions/build: {}", String::from_utf8_lossy(&built.stderr));
    });
    functions.join("payment.wasm")
}

/// Answers nothing: what reaches it leaves a journal entry and no more.
pub fn audit() -> Vec<u8> {
    guest("(i64.const 0)", "")
}

/// Traps on an event that has a `!` anywhere; answers any other with nothing.
pub fn brittle() -> Vec<u8> {
    let handle = r#"
        (local $at i32)
        (loop $next
            (if (i32.lt_u (local.get $at) (local.get 0))
                (then
                    (if (i32.eq (i32.load8_u (i32.add (i32.const 1024) (local.get $at))) (i32.const 33))
                        (then unreachable))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br $next))))
        (i64.const 0)"#;
    guest(handle, "")
}

/// Never comes back.
pub fn endless() -> Vec<u8> {
    guest("(loop $again (br $again)) (i64.const 0)", "")
}

/// Answers every event with one of the type `ty`.
pub fn answering(ty: &str) -> Vec<u8> {
    let reply = format!(r#"{{"specversion":"1.0","type":"{ty}"}}"#);
    let handle = format!("(i64.const {})", (16_u64 << 32) | reply.len() as u64);
    guest(&handle, &format!(r#"(data (i32.const 16) "{}")"#, reply.replace('"', "\\\"")))
}

/// Every operation depends on the one before: the compiler takes minutes.
pub fn long_to_compile() -> Vec<u8> {
    let chain = "local.get 0 i32.mul i32.const 5 i32.xor ".repeat(30_000);
    guest(&format!("local.get 0 {chain} i64.extend_i32_u"), "")
}

/// A module with the exports of ABI 1; its input is at 1,024, `(local.get 0)` bytes of it.
pub fn guest(handle: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") 17)
            (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
            (func (export "weir_handle") (param i32) (result i64) {handle})
            {more})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
