//! What the compiler can't cope with ends the compiler, and not the worker.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::alone;
use crate::worker::{Home, Running, eventually, guests};

/// `weir` as the compiler of a module, within limits of a shell.
fn compiled(limits: &str, wasm: &[u8]) -> (ExitStatus, bool) {
    let directory = tempfile::tempdir().unwrap();
    let [wasm_path, out] = ["module.wasm", "native.so"].map(|name| directory.path().join(name));
    std::fs::write(&wasm_path, wasm).unwrap();
    let ended = Command::new("sh")
        .args(["-c", &format!(r#"{limits}; exec "$0" compile-native native "$2" <"$1""#)])
        .arg(env!("CARGO_BIN_EXE_weir"))
        .args([&wasm_path, &out])
        .output()
        .unwrap();
    (ended.status, out.exists())
}

#[test]
fn the_compiler_takes_no_more_than_it_may() {
    let _alone = alone();
    let (ended, is_there) = compiled("true", &guests::audit());
    assert!(ended.success() && is_there);
    let (ended, is_there) = compiled("true", b"\0asm");
    assert!(ended.code() == Some(1) && !is_there);
    let (ended, is_there) = compiled("ulimit -S -t 1", &guests::long_to_compile());
    assert_eq!((ended.signal(), is_there), (Some(libc::SIGXCPU), false));
}

#[test]
fn the_compiler_sets_itself_limits_before_it_reads_the_module() {
    let mut compiler = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["compile-native", "native", "/no/such/file"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it has its limits", || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", compiler.id())).unwrap();
        let is = |name: &str, value: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            line.trim_start_matches(name).trim_start().starts_with(value)
        };
        (is("Max cpu time", "600 ")
            && is("Max address space", "4294967296 ")
            && is("Max core file size", "0 "))
        .then_some(())
    });
    drop(compiler.stdin.take());
    assert_eq!(compiler.wait().unwrap().code(), Some(1), "there is no module");
}

#[test]
fn a_module_that_the_compiler_can_t_cope_with_is_refused_and_the_worker_goes_on() {
    let _alone = alone();
    let document = |name: &str| {
        format!(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
             filter: {{attributes: {{type: {name}}}}}\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {name}}}}}\n---\n\
             apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
        )
    };
    let home = Home::new(&document("neighbour"));
    home.write("neighbour.wasm", &guests::answering("well"));
    // Here nothing has been compiled before.
    let cache = format!("function.cache={}", home.path().join("native").display());
    let worker = Running::start(&home, &["--set", "reload.interval=10ms", "--set", &cache]);
    // What a process may take, those may that it starts; this one takes far less.
    let pid = Pid::from_raw(worker.id().cast_signed());
    let limit = Rlimit { current: Some(5), maximum: getrlimit(Resource::Cpu).maximum };
    prlimit(pid, Resource::Cpu, limit).unwrap();
    home.write("bomb.wasm", &guests::long_to_compile());
    home.write("documents.yaml", (document("neighbour") + &document("bomb")).as_bytes());
    let set = eventually("it is refused", || {
        // Answering takes of the worker's own five seconds.
        std::thread::sleep(Duration::from_millis(100));
        Some(home.status().set).filter(|set| set.refused.is_some())
    });
    let problem = &set.refused.unwrap().problems[0];
    assert!(
        problem.contains("function default/bomb") && problem.ends_with("it takes the compiler more than 5 s"),
        "{problem}"
    );
    worker.publish("neighbour", "1", &[], "1");
    let entry = eventually("its neighbour goes on", || home.about("1").pop());
    assert_eq!(entry.replies[0].ty, "well");
    assert_eq!(worker.terminate().code, Some(0));
}
