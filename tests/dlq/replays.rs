//! Replays and drops with a worker that does them: each delivered once and charged once, whoever is killed when; disk
//! given back.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use weir::event::{Position, Uid};

use super::worker::running::post;
use super::worker::{Home, Running, eventually, guests};

/// Tasks that a brittle function traps on; what a mended one answers is audited.
const TASKS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: tasks}
spec:
  broker: default
  filter: {attributes: {type: task}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}
  delivery: {retry: 0}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: audited}
spec:
  broker: default
  filter: {attributes: {type: done}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: brittle}
spec: {module: brittle.wasm}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: audit}
spec: {module: audit.wasm}
";

/// A directory with so many dead letters, and the function mended since.
fn failed(letters: usize, data: &str, options: &[&str]) -> Home {
    let home = Home::new(TASKS);
    home.write("weir.yaml", b"triggers: [documents.yaml]\n");
    home.write("brittle.wasm", &guests::brittle());
    home.write("audit.wasm", &guests::audit());
    // So many failures in a row would have the trigger left alone for a while.
    let running = Running::start(&home, &[options, &["--set", "breaker.failures=0"]].concat());
    let mut connection = running.connect();
    for n in 0..letters {
        let id = format!("t-{n}");
        let response = post(&mut connection, "task", &id, &[], data).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    }
    eventually("all have failed", || (left(&home) == letters).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    home.write("brittle.wasm", &guests::answering("done"));
    home
}

/// How many dead letters there are.
fn left(home: &Home) -> usize {
    let output = home.weir(&["dlq", "list", "--count"]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn said(output: &Output) -> String {
    [&*output.stdout, &output.stderr].map(String::from_utf8_lossy).concat()
}

/// A command that is left to itself.
fn spawn(home: &Home, arguments: &[&str]) -> Child {
    let mut command = home.command();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Each event ran at the trigger once and failed, and once as its first replay, under the charges that these have. (A
/// kill may have come before an end was known: then the same charge stands there twice, and costs once.)
fn delivered_once_a_charge(home: &Home, letters: usize) {
    let tasks = Uid::of_document("default", "Trigger", "tasks");
    let mut charges: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    let mut replies = BTreeSet::new();
    for entry in home.journal() {
        if entry.trigger == "default/audited" {
            replies.insert(entry.offset);
            continue;
        }
        let source = entry.source.parse().unwrap();
        let position = Position { source, partition: 0, offset: entry.offset };
        let charge = |replay| Uid::of_charge(Uid::of_delivery(position, tasks, replay), 1).to_string();
        expected.insert(
            entry.event_id.clone(),
            BTreeSet::from([(charge(0), "trapped".to_owned()), (charge(1), "succeeded".to_owned())]),
        );
        charges.entry(entry.event_id).or_default().insert((entry.charge, entry.outcome));
    }
    assert_eq!(charges.len(), letters);
    assert_eq!(charges, expected);
    assert_eq!(replies.len(), letters, "one reply each is in the queue");
}

/// A worker that has nothing to do any more.
fn idle(home: &Home, running: &Running, letters: usize) {
    eventually("all is delivered and answered", || {
        let replies: BTreeSet<_> = home
            .journal()
            .into_iter()
            .filter(|entry| entry.trigger == "default/audited")
            .map(|entry| entry.offset)
            .collect();
        let status = home.status();
        (replies.len() >= letters && status.parked == 0 && status.events_in_flight == 0).then_some(())
    });
    assert!(running.said("the store failed").is_none());
}

#[test]
fn what_is_mended_and_replayed_is_delivered_once_under_a_charge_of_its_own() {
    let home = failed(60, r#""!""#, &[]);
    let running = Running::start(&home, &[]);
    let output = home.weir(&["dlq", "replay", "--all", "--max-replays", "0"]);
    assert!(output.status.code() == Some(64), "--all and a filter: {}", said(&output));
    let output = home.weir(&["dlq", "replay", "--trigger", "tasks"]);
    assert_eq!(said(&output), "replayed 60 of 60 dead letters\n");
    idle(&home, &running, 60);
    assert_eq!(left(&home), 0);
    assert_eq!(running.terminate().code, Some(0));
    delivered_once_a_charge(&home, 60);
}

#[test]
fn an_interrupted_replay_says_how_far_it_came_and_the_next_one_does_the_rest() {
    let home = failed(50, r#""!""#, &[]);
    let running = Running::start(&home, &[]);
    let child = spawn(&home, &["dlq", "replay", "--all", "--rate", "1/s"]);
    eventually("some are replayed", || (left(&home) < 50).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let rest = left(&home);
    assert!(rest > 0, "50 of them take fifty seconds");
    let expected = format!(
        "error: interrupted: replayed {} of 50 dead letters\n  help: run it again for the rest\n",
        50 - rest
    );
    assert_eq!(said(&output), expected);
    let output = home.weir(&["dlq", "replay", "--all"]);
    assert_eq!(said(&output), format!("replayed {rest} of {rest} dead letters\n"));
    idle(&home, &running, 50);
    assert_eq!(running.terminate().code, Some(0));
    delivered_once_a_charge(&home, 50);
}

/// The worker and the command are killed in turns, until all is replayed.
#[test]
fn kills_in_the_middle_of_a_replay_lose_nothing_and_double_nothing() {
    const LETTERS: usize = 240;
    let home = failed(LETTERS, r#""!""#, &[]);
    let replay = ["dlq", "replay", "--all", "--rate", "100/s"];
    let (mut kills, mut before) = (0, LETTERS);
    while before > 0 {
        let running = Running::start(&home, &[]);
        let mut child = spawn(&home, &replay);
        eventually("some are replayed, or all", || {
            let rest = left(&home);
            (rest + 30 <= before || rest == 0).then_some(())
        });
        if kills % 2 == 0 {
            running.kill();
            let output = child.wait_with_output().unwrap();
            // It may have been done just before.
            assert!(left(&home) == 0 || output.status.code() == Some(1), "{}", said(&output));
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
            running.kill();
        }
        kills += 1;
        // Without a worker, too: killed when it has the directory.
        let mut child = spawn(&home, &replay);
        let lock = home.data().join("weir.lock");
        eventually("the command has the directory", || {
            let holder = std::fs::read_to_string(&lock).unwrap();
            (holder.trim() == child.id().to_string()).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        before = left(&home);
    }
    assert!(kills >= 2, "{kills}");
    let running = Running::start(&home, &[]);
    idle(&home, &running, LETTERS);
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(left(&home), 0);
    delivered_once_a_charge(&home, LETTERS);
}

/// The volumes of the dead letters' log.
fn volumes(home: &Home) -> usize {
    std::fs::read_dir(home.data().join("dead-letters")).unwrap().count()
}

#[test]
fn what_is_dropped_gives_its_disk_back_and_a_full_worker_takes_events_again() {
    let small = ["--set", "queue.max-bytes=8MiB", "--set", "breaker.failures=0"];
    let large = format!("\"!{}\"", "x".repeat(100_000));
    let home = failed(30, &large, &small);
    assert!(volumes(&home) > 2, "{}", volumes(&home));
    home.write("brittle.wasm", &guests::brittle());
    let running = Running::start(&home, &small);
    let mut connection = running.connect();
    let mut taken = 30;
    let refused = loop {
        let id = format!("t-{taken}");
        let response = post(&mut connection, "task", &id, &[], &large).unwrap();
        if response.status != 202 {
            break response;
        }
        taken += 1;
        eventually("it has failed, too", || (left(&home) == taken).then_some(()));
    };
    assert_eq!(refused.status, 503, "{}", refused.text());

    let output = home.weir(&["dlq", "drop", "--all", "--yes"]);
    assert_eq!(said(&output), format!("dropped {taken} of {taken} dead letters\n"));
    eventually("the disk is given back", || (volumes(&home) == 1).then_some(()));
    eventually("events are taken again", || {
        let response = post(&mut connection, "task", "late", &[], "1").unwrap();
        (response.status == 202).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(left(&home), 0);
}
