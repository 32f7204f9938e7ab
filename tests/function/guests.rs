//! Guests for the tests of functions: the example, as functions/build makes it, and tiny ones written as text.
#![allow(dead_code, reason = "each test uses some of them")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use weir::function::{Engine, Limits, LoadError, Module};

/// Native code is kept from run to run.
pub(crate) fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let start = || Engine::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("native")).unwrap();
    ENGINE.get_or_init(start).clone()
}

/// The example function.
pub(crate) fn payment() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    BUILT.get_or_init(|| {
        let built = Command::new(functions.join("build")).arg("rust").output().unwrap();
        assert!(built.status.success(), "functions/build: {}", String::from_utf8_lossy(&built.stderr));
    });
    functions.join("payment.wasm")
}

pub(crate) fn load(wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
    load_within(&engine(), wasm)
}

pub(crate) fn load_within(engine: &Engine, wasm: &[u8]) -> Result<Arc<Module>, LoadError> {
    load_with(engine, wasm, Limits { output: 4_096, ..Limits::default() })
}

pub(crate) fn load_with(engine: &Engine, wasm: &[u8], limits: Limits) -> Result<Arc<Module>, LoadError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wasm).unwrap();
    Module::load(engine, "guest", file.path(), limits)
}

/// A module with the exports of ABI 1; its input is at 1,024. `$input` in `handle` is the input's first byte.
pub(crate) fn guest(handle: &str, more: &str) -> Vec<u8> {
    let handle = handle.replace("$input", "(i32.load8_u (i32.const 1024))");
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (global (export "weir_abi") i32 (i32.const 1))
            (func (export "weir_buffer") (param i32) (result i32) (i32.const 1024))
            (func (export "weir_handle") (param i32) (result i64) {handle})
            {more})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn order(order_id: &str, amount: &str) -> Vec<u8> {
    format!(
        r#"{{"specversion":"1.0","id":"o-1","source":"/shop","type":"order.created",
            "data":{{"order_id":"{order_id}","amount":{amount},"currency":"EUR"}}}}"#
    )
    .into_bytes()
}
