//! `weir build`, and what workers and other builds make of the directory that it fills.

mod worker;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use worker::{Home, Running, eventually, guests};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn function(name: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

/// With functions of these names, each with a module of its own.
fn home(names: &[&str]) -> Home {
    let home = Home::new(&names.iter().map(|name| function(name)).collect::<String>());
    for name in names {
        home.write(&format!("{name}.wasm"), &guests::answering(name));
    }
    home
}

fn cache(home: &Home) -> PathBuf {
    home.path().join("aot")
}

fn build(home: &Home, more: &[&str]) -> Command {
    let mut command = home.command();
    command.args(["build", "documents.yaml", "--cache"]).arg(cache(home)).args(more);
    command
}

fn begin(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// Of the functions, those that it says it has compiled, in all `said`.
fn compiled(said: &str) -> Vec<&str> {
    let names = said.lines().filter(|line| line.contains("compiled in"));
    let mut names: Vec<_> = names.filter_map(|line| line.split(['/', ' ']).nth(1)).collect();
    names.sort_unstable();
    names
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn is_code(name: &str) -> bool {
    name.len() == 67 && name.ends_with(".so")
}

#[test]
fn builds_of_one_directory_at_once_compile_each_function_once() {
    let home = home(&NAMES);
    let builds: Vec<Child> = (0..3).map(|_| begin(build(&home, &[]))).collect();
    let all: String = builds.into_iter().map(|child| said(&child.wait_with_output().unwrap(), 0)).collect();
    assert_eq!(compiled(&all), ["four", "one", "three", "two"], "{all}");
    assert_eq!(all.lines().filter(|line| line.ends_with("  cached")).count(), 8, "{all}");
    // Four functions and what guards against faults.
    let files = files(&cache(&home));
    assert!(files.len() == 5 && files.iter().all(|name| is_code(name)), "{files:?}");
}

#[test]
fn a_worker_finds_all_that_was_built() {
    let home = home(&NAMES);
    // Made for every processor, then for this one: that what is there would do is seen.
    for (how, times) in [(&["--portable"][..], 4), (&[], 0)] {
        let all = said(&build(&home, how).output().unwrap(), 0);
        assert_eq!(compiled(&all).len(), times, "{all}");
        let setting = format!("function.cache={}", cache(&home).display());
        let worker = Running::start(&home, &["--set", &setting, "--set", "log.level=debug"]);
        let log = worker.log();
        assert_eq!(log.matches("loaded from the cache").count(), NAMES.len(), "{log}");
        assert!(worker.said("compiling").is_none() && worker.said("compiled").is_none(), "{log}");
        assert_eq!(files(&cache(&home)).len(), 5);
        worker.terminate();
    }
}

#[test]
fn a_worker_says_what_it_compiles_before_it_does() {
    let home = home(&NAMES);
    let setting = format!("function.cache={}", cache(&home).display());
    let worker = Running::start(&home, &["--set", &setting]);
    let log = worker.log();
    let at =
        |message: &str| log.lines().position(|line| line.contains(message) && line.contains("default/two"));
    assert!(at(r#""message":"compiling""#).unwrap() < at(r#""message":"compiled""#).unwrap(), "{log}");
    let kept = worker.said("compiled functions are kept").unwrap();
    assert_eq!(kept["files"], 5, "{kept}");
    worker.terminate();
}

#[test]
fn a_killed_build_leaves_nothing_that_hurts() {
    let home = home(&["one"]);
    home.write("one.wasm", &guests::long_to_compile());
    let mut child = begin(build(&home, &[]));
    // The guard's code is there, and the function is at its turn.
    eventually("the function is being compiled", || {
        let files = files(&cache(&home));
        let locked = files.iter().any(|name| name.ends_with(".lock"));
        (locked && files.iter().any(|name| is_code(name))).then_some(())
    });
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert_eq!(files(&cache(&home)).iter().filter(|name| is_code(name)).count(), 1, "it was too late");
    let unfinished = cache(&home).join("unfinished-of-another-0123456789abcdef.so");
    fs::write(&unfinished, "being written").unwrap();

    fs::copy(guests::payment(), home.path().join("one.wasm")).unwrap();
    let next = said(&build(&home, &[]).output().unwrap(), 0);
    assert_eq!(compiled(&next), ["one"], "{next}");
    assert!(unfinished.exists(), "it may be another's");
    fs::remove_file(unfinished).unwrap();
    let files = files(&cache(&home));
    assert!(files.len() == 2 && files.iter().all(|name| is_code(name)), "{files:?}");
}

#[test]
fn every_bad_module_is_told_of_where_the_document_names_it() {
    let home = home(&NAMES);
    home.write("two.wasm", b"\n(module)");
    home.write("four.wasm", &wat::parse_str(r#"(module (import "env" "abort" (func)))"#).unwrap());
    let all = said(&build(&home, &[]).output().unwrap(), 78);
    assert!(all.contains("documents.yaml:9:16") && all.contains("documents.yaml:19:16"), "{all}");
    assert!(all.contains("Function.spec.module: 'two.wasm': the file is WebAssembly text"), "{all}");
    assert!(all.contains("'four.wasm': it imports `env.abort`"), "{all}");
    assert_eq!(compiled(&all), ["one", "three"], "the others are there: {all}");
}

/// Somebody who may not write there, and who owns nothing of it.
fn other_user(home: &Home, arguments: &[&str]) -> Output {
    let dir = cache(home);
    let mut command = home.command();
    if fs::metadata(&dir).unwrap().uid() == 0 {
        // The tests are run by root, who may write everywhere.
        let weir = home.path().join("weir");
        if !weir.exists() {
            fs::copy(env!("CARGO_BIN_EXE_weir"), &weir).unwrap();
        }
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        let environment: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        command = Command::new(weir);
        for name in environment {
            command.env_remove(name);
        }
        command.current_dir(home.path()).uid(65_532).gid(65_532);
    } else {
        fs::set_permissions(&dir, Permissions::from_mode(0o555)).unwrap();
    }
    command.args(arguments).args(["--set", &format!("function.cache={}", dir.display())]);
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_cache_that_can_t_be_written_is_used_for_what_is_in_it() {
    let home = home(&NAMES);
    said(&build(&home, &[]).output().unwrap(), 0);
    home.write("event.json", br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#);
    let invoke =
        |name: &str| other_user(&home, &["invoke", name, "--event", "event.json", "--in", "documents.yaml"]);
    let before = files(&cache(&home));
    let all = said(&invoke("two"), 0);
    assert!(all.contains(r#""type":"two""#), "{all}");

    home.write("two.wasm", &guests::answering("changed"));
    let all = said(&invoke("two"), 1);
    let missing =
        format!("its native code is not in {}, where nothing can be written", cache(&home).display());
    assert!(all.contains(&missing) && all.contains("`weir build --cache"), "{all}");
    assert_eq!(files(&cache(&home)).len(), before.len());
    let all = said(&other_user(&home, &["build", "documents.yaml"]), 1);
    assert!(all.contains("default/two: its native code is not in"), "{all}");
    fs::set_permissions(cache(&home), Permissions::from_mode(0o755)).unwrap();
}
