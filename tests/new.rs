//! `weir new function`: what it writes builds, runs and passes its tests, with the commands that it prints.

mod worker;

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use worker::guests;

/// A folder with a project in it, named `greeter`.
struct Made {
    folder: TempDir,
    said: String,
}

fn weir(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native");
    command.args(arguments).current_dir(folder).env("WEIR_FUNCTION_CACHE", cache).output().unwrap()
}

/// All that it said.
fn succeeded(output: Output) -> String {
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

impl Made {
    fn new(language: &str) -> Made {
        let folder = tempfile::tempdir().unwrap();
        let said = succeeded(weir(folder.path(), &["new", "function", "greeter", "--lang", language]));
        Made { folder, said }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("greeter")
    }

    /// Runs a command that was printed, with more arguments where the machine needs them.
    fn run(&self, printed: &str, more: &str) -> String {
        assert!(self.said.contains(&format!("\n  {printed} ")), "{}", self.said);
        // Where scripts/setup found what builds functions.
        let script = format!(
            ". '{}/.tools/env' && export RUSTC=$WEIR_GUEST_RUSTC && \
             if [ -n \"${{WEIR_GUEST_LINKER-}}\" ]; then export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$WEIR_GUEST_LINKER; fi\n\
             {printed} {more}",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut command = Command::new("bash");
        command.args(["-euc", &script]).current_dir(self.project()).env_remove("RUSTFLAGS");
        // As in a shell of its own, where no make runs that runs these tests.
        for set_by_make in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
            command.env_remove(set_by_make);
        }
        succeeded(command.output().unwrap())
    }

    /// With the module that was built.
    fn passes_its_tests(&self) {
        let said = succeeded(weir(&self.project(), &["check"]));
        assert!(said.contains("1 trigger, 1 function, 1 broker, 3 test cases"), "{said}");
        assert!(self.said.contains("\n  weir test "), "{}", self.said);
        let said = succeeded(weir(&self.project(), &["test"]));
        assert!(said.contains("3 passed, 0 failed"), "{said}");
    }
}

/// Can C be built here? Where every change is tested, it must be.
fn there_is_c() -> bool {
    let look =
        format!(". '{}/.tools/env'; \"${{WEIR_GUEST_CLANG:-clang}}\" --version", env!("CARGO_MANIFEST_DIR"));
    let [clang, linker] = [&look, "wasm-ld --version"]
        .map(|look| Command::new("bash").args(["-c", look]).output().unwrap().status.success());
    assert!(clang && linker || env::var_os("CI").is_none(), "no clang or no wasm-ld: run scripts/setup");
    clang && linker
}

#[test]
fn in_rust() {
    let made = Made::new("rust");
    // What the project depends on has been built for the example: nothing is fetched or compiled twice.
    guests::payment();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    fs::copy(functions.join("Cargo.lock"), made.project().join("Cargo.lock")).unwrap();
    symlink(functions.join("target"), made.project().join("target")).unwrap();
    let said = made.run("cargo test", "--offline");
    assert!(said.contains("4 passed"), "{said}");
    made.run("cargo build --release --target wasm32-unknown-unknown", "--offline");
    made.passes_its_tests();

    let source = made.project().join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let panics = text.replace("if event.ty != \"order.created\"", "if event.id.parse::<u8>().unwrap() > 7");
    assert_ne!(panics, text);
    fs::write(source, panics).unwrap();
    made.run("cargo build --release --target wasm32-unknown-unknown", "--offline");
    fs::write(made.project().join("event.json"), r#"{"specversion":"1.0","id":"x","source":"/","type":"t"}"#)
        .unwrap();
    let output = weir(&made.project(), &["invoke", "greeter", "--event", "event.json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("panicked at src/lib.rs:"), "{said}");
    assert!(said.contains("called `Result::unwrap()` on an `Err` value: ParseIntError"), "{said}");
}

#[test]
fn in_c() {
    if !there_is_c() {
        return;
    }
    let made = Made::new("c");
    let said = made.run("make test", "");
    assert!(said.ends_with("ok\n"), "{said}");
    made.run("make", "CLANG=\"${WEIR_GUEST_CLANG:-clang}\"");
    made.passes_its_tests();
}

#[test]
fn what_is_there_is_never_overwritten() {
    let made = Made::new("c");
    fs::write(made.project().join("greeter.c"), "mine").unwrap();
    for language in ["c", "rust"] {
        let output = weir(made.folder.path(), &["new", "function", "greeter", "--lang", language]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("'greeter' is there already"), "{said}");
    }
    assert_eq!(fs::read_to_string(made.project().join("greeter.c")).unwrap(), "mine");
    assert_eq!(fs::read_dir(made.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_wrong_name_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why) in [
        ("../greeter", "is no name for a function"),
        ("Greeter", "is no name for a function"),
        ("yield", "it is a keyword of Rust"),
        ("serde-json", "it is a crate that the function uses"),
    ] {
        let output = weir(folder.path(), &["new", "function", name, "--lang", "rust"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
