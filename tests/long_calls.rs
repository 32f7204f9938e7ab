//! Calls that take long: others do not wait for them, and no more run at a time than their function allows.

mod worker;

use worker::{Home, Running, eventually, guests};

fn documents(function: &str) -> String {
    let trigger = |name: &str, ty: &str, function: &str, order: &str| {
        format!(
            r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}{order}}}
spec:
  broker: default
  filter: {{attributes: {{type: {ty}}}}}
  subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}
---"#
        )
    };
    let ordered = ", annotations: {weir.dev/delivery.order: key}";
    [
        &trigger("endless", "task", "endless", ""),
        &trigger("again", "task.again", "endless", ""),
        &trigger("other", "other", "audit", ordered),
        &format!(
            r#"
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: endless}}
spec: {{module: endless.wasm{function}}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: audit}}
spec: {{module: audit.wasm}}
"#
        ),
    ]
    .map(String::as_str)
    .concat()
}

fn home(function: &str) -> Home {
    let home = Home::new(&documents(function));
    home.write("endless.wasm", &guests::endless());
    home.write("audit.wasm", &guests::audit());
    home
}

const OPTIONS: [&str; 8] = [
    "--set",
    "executors=2",
    "--set",
    "function.timeout=1h",
    "--set",
    "drain.timeout=1s",
    "--set",
    "dispatch.latency=0s",
];

/// So many others are done, each once, while what runs goes on.
fn others_are_done(home: &Home, worker: &Running, from: usize, to: usize) {
    for n in from..to {
        worker.publish("other", &format!("o-{n}"), &[("ce-partitionkey", "one")], "1");
    }
    let done = eventually("the others are done", || {
        let done = home.succeeded("default/other");
        (done.len() == to).then_some(done)
    });
    assert!(done.values().all(|&count| count == 1), "{done:?}");
}

#[test]
fn calls_that_keep_every_executor_do_not_keep_the_others_events() {
    let home = home("");
    let worker = Running::start(&home, &OPTIONS);
    for n in 0..2 {
        worker.publish("task", &format!("t-{n}"), &[], "1");
    }
    eventually("both have begun", || (home.status().events_in_flight == 2).then_some(()));
    others_are_done(&home, &worker, 0, 100);
    // And more of them, which the spare executors are in their turn kept by.
    for n in 2..6 {
        worker.publish("task", &format!("t-{n}"), &[], "1");
    }
    others_are_done(&home, &worker, 100, 200);
    eventually("none of them has come back", || (home.status().events_in_flight == 6).then_some(()));
    assert!(home.journal().iter().all(|entry| entry.trigger == "default/other"));
    assert_eq!(worker.terminate().code, Some(1), "they were stopped, for the next start");
}

#[test]
fn a_function_runs_on_no_more_events_at_a_time_than_it_allows_whichever_trigger_wants_it() {
    // With one more executor than that nobody is in the way of the others.
    let home = home(", concurrency: 1");
    let worker = Running::start(&home, &[&OPTIONS[..], &["--set", "spare-executors=0"]].concat());
    for n in 0..50 {
        worker.publish(["task", "task.again"][n % 2], &format!("t-{n}"), &[], "1");
    }
    others_are_done(&home, &worker, 0, 100);
    assert_eq!(worker.terminate().code, Some(1));
}

#[test]
fn where_there_is_no_spare_executor_the_others_wait_and_are_done_afterwards() {
    let home = home(", timeout: 300ms");
    let worker = Running::start(&home, &[&OPTIONS[..], &["--set", "spare-executors=0"]].concat());
    for n in 0..4 {
        worker.publish("task", &format!("t-{n}"), &[], "1");
    }
    others_are_done(&home, &worker, 0, 20);
    worker.terminate();
}
