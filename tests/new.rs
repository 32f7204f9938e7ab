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
             if [ -n \"${{WEIR_GUEST_GO-}}\" ]; then PATH=$(dirname \"$WEIR_GUEST_GO\"):$PATH; fi && \
             if [ -n \"${{WEIR_GUEST_LINKER-}}\" ]; then export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$WEIR_GUEST_LINKER; fi\n\
             {printed} {more}",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut command = Command::new("bash");
        command.args(["-euc", &script]).current_dir(self.project()).env_remove("RUSTFLAGS");
        // As in a shell of its own, where no make runs that runs these tests, and nothing says where builds go.
        for set_outside in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_TARGET_DIR"] {
            command.env_remove(set_outside);
        }
        succeeded(command.output().unwrap())
    }

    /// Replaces a part of a source; and its document has a configuration.
    fn write_anew(&self, file: &str, part: &str, by: &str) {
        for (file, part, by) in [
            (file, part, by),
            ("triggers/greeter.yaml", "spec:\n  module:", "spec:\n  config: {limit: \"5\"}\n  module:"),
        ] {
            let text = fs::read_to_string(self.project().join(file)).unwrap();
            assert!(text.contains(part), "{text}");
            fs::write(self.project().join(file), text.replace(part, by)).unwrap();
        }
    }

    /// What is said of a call that fails.
    fn invoked(&self) -> String {
        let event = r#"{"specversion":"1.0","id":"x","source":"/","type":"order.created","data":{}}"#;
        fs::write(self.project().join("event.json"), event).unwrap();
        let output = weir(&self.project(), &["invoke", "greeter", "--event", "event.json"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
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

    made.write_anew(
        "src/lib.rs",
        "if event.ty != \"order.created\"",
        "weir_guest::log(weir_guest::Level::Warn, &format!(\"limit {:?}\", weir_guest::config(\"limit\")));\n    \
         if event.id.parse::<u8>().unwrap() > 7",
    );
    made.run("cargo build --release --target wasm32-unknown-unknown", "--offline");
    let said = made.invoked();
    assert!(said.contains("warn  limit Some(\"5\")"), "{said}");
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

    made.write_anew(
        "greeter.c",
        "void handle(weir_text event) {",
        "void handle(weir_text event) {\n    char room[8];\n    weir_log(WEIR_WARN, weir_config(\"limit\", room, sizeof room));\n    \
         if (weir_config(\"limits\", room, 0).at == 0) weir_die(\"that was it\");",
    );
    made.run("make", "CLANG=\"${WEIR_GUEST_CLANG:-clang}\"");
    let said = made.invoked();
    assert!(said.contains("warn  5\n") && said.contains("that was it"), "{said}");
}

/// Can Go be built here?
fn there_is_go() -> bool {
    let look = format!(
        ". '{}/.tools/env'; \"${{WEIR_GUEST_GO:-go}}\" version | grep -E 'go1\\.(2[4-9]|[3-9][0-9])'",
        env!("CARGO_MANIFEST_DIR")
    );
    let there = Command::new("bash").args(["-c", &look]).output().unwrap().status.success();
    assert!(there || env::var_os("CI").is_none(), "no Go 1.24 or later: run scripts/setup");
    there
}

#[test]
fn in_go() {
    if !there_is_go() {
        return;
    }
    let made = Made::new("go");
    let said = made.run("go test ./...", "");
    assert!(said.contains("ok  \texample.com/greeter"), "{said}");
    // One module for all: it takes long to compile.
    made.write_anew(
        "handler.go",
        "if event.Type != \"order.created\" {",
        "configured, _ := weir.Config(\"limit\")\n\tweir.Log(weir.LevelWarn, \"limit \"+configured)\n\t\
         if event.ID == \"x\" {\n\t\tpanic(\"that was it\")\n\t}\n\tif event.Type != \"order.created\" {",
    );
    made.run("GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o greeter.wasm .", "");
    made.passes_its_tests();
    let said = made.invoked();
    assert!(
        said.contains("warn  limit 5\n") && said.contains("exited with code 2: panic: that was it"),
        "{said}"
    );
}

/// Where it was built, for a project that is made elsewhere. `None`: this machine lacks what it is built with.
fn engine() -> Option<PathBuf> {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
    succeeded(Command::new(functions.join("build")).arg("javascript").output().unwrap());
    let engine = functions.join("javascript.wasm");
    assert!(
        engine.exists() || env::var_os("CI").is_none(),
        "javascript.wasm was not built: run scripts/setup"
    );
    engine.exists().then_some(engine)
}

#[test]
fn in_javascript() {
    let Some(engine) = engine() else { return };
    // Found: weir itself stands below the folder that it was built in.
    let made = Made::new("javascript");
    assert_eq!(fs::read(made.project().join("javascript.wasm")).unwrap(), fs::read(engine).unwrap());
    if Command::new("node").arg("--version").output().is_ok_and(|answer| answer.status.success()) {
        let said = made.run("node --test", "");
        assert!(said.contains("# pass 4"), "{said}");
    }
    made.passes_its_tests();

    made.write_anew(
        "greeter.js",
        "if (event.type !== \"order.created\") return;",
        "console.warn(\"limit\", weir.config(\"limit\"));\n  throw new Error(\"that was it\");",
    );
    let said = made.invoked();
    assert!(said.contains("warn  limit 5\n"), "{said}");
    assert!(said.contains("Error: that was it (handle (script:15:"), "{said}");
}

#[test]
fn an_engine_that_is_not_there_or_not_wanted_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, why) in [
        (["--lang", "js", "--engine", "nowhere.wasm"], 1, "can't copy 'nowhere.wasm'"),
        (["--lang", "c", "--engine", "nowhere.wasm"], 64, "a function in C needs no --engine"),
    ] {
        let arguments = [&["new", "function", "greeter"], &arguments[..]].concat();
        let output = weir(folder.path(), &arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
