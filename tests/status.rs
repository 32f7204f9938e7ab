//! `weir status` beside a worker and without one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The log is kept open: what a worker logs in a test this short has room in the pipe.
struct Running {
    process: Child,
    log: BufReader<ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn weir(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).current_dir(directory).output().unwrap()
}

/// A worker with a broker and nothing else, and the address that it takes events on.
fn run(directory: &Path) -> (Running, String) {
    let broker = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata:\n  name: default\n";
    std::fs::create_dir(directory.join("triggers")).unwrap();
    std::fs::write(directory.join("triggers/broker.yaml"), broker).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", "log.format=json"])
        .current_dir(directory)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(process.stderr.take().unwrap());
    let mut worker = Running { process, log };
    let mut said = String::new();
    // Ends with the worker, if it does not get that far.
    while worker.log.read_line(&mut said).unwrap() > 0 {
        let line = said.lines().last().unwrap();
        if let Some((_, rest)) = line.split_once("\"http\":\"") {
            let address = rest.split('"').next().unwrap().to_owned();
            return (worker, address);
        }
    }
    panic!("the worker did not start: {said}");
}

fn counts(directory: &Path) -> serde_json::Value {
    let status = weir(directory, &["status", "--format", "json"]);
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    serde_json::from_slice(&status.stdout).unwrap()
}

#[test]
fn without_a_worker_it_fails_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let status = weir(directory.path(), &["status"]);
    assert_eq!((status.status.code(), status.stdout.len()), (Some(1), 0));
    let said = String::from_utf8(status.stderr).unwrap();
    assert!(said.contains("the worker of data: none runs"), "{said}");
    assert!(!directory.path().join("data").exists(), "asking makes nothing");
}

#[test]
fn a_worker_s_counts_follow_what_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, address) = run(directory.path());
    assert_eq!(
        (&counts(directory.path())["arrived"], &counts(directory.path())["settled"]),
        (&0.into(), &0.into())
    );

    let target = format!("http://{address}");
    let published = weir(directory.path(), &["publish", "--target", &target, "--type", "t", "--count", "3"]);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let deadline = Instant::now() + Duration::from_secs(60);
    let now = loop {
        let now = counts(directory.path());
        if now["settled"] == 3 || Instant::now() > deadline {
            break now;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&now["arrived"], &now["settled"], &now["unrouted"]), (&3.into(), &3.into(), &3.into()));
    assert_eq!((&now["events_in_flight"], &now["held"], &now["parked"]), (&0.into(), &0.into(), &0.into()));

    let table = String::from_utf8(weir(directory.path(), &["status"]).stdout).unwrap();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["3", "3", "0", "0", "0", "0", "0", "0", "3"], "{table}");

    // Killed, it leaves its socket behind: nobody listens there.
    drop(worker);
    assert!(directory.path().join("data/weir.sock").exists());
    assert_eq!(weir(directory.path(), &["status"]).status.code(), Some(1));
}
