//! A worker's end and its next beginning: a drain settles what is in flight or says what it could not, a kill loses
//! nothing, and no two workers have one directory.

mod worker;

use worker::running::post;
use worker::{Connection, Ended, Home, Running, eventually, guests};

/// The example's trigger and function.
const ORDERS: &str = r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders}
spec:
  broker: default
  filter: {attributes: {type: order.created}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: payment}
spec: {module: payment.wasm}
"#;

/// What fails waits for its next attempt, in memory.
const STUBBORN: &str = r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: stubborn}
spec:
  broker: default
  filter: {attributes: {type: task}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}
  delivery: {retry: 3, backoffDelay: PT2S}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: brittle}
spec: {module: brittle.wasm}
"#;

const ORDER: &str = r#"{"order_id": "1", "amount": 12000, "currency": "EUR"}"#;

fn orders() -> Home {
    let home = Home::new(ORDERS);
    home.write("payment.wasm", &std::fs::read(guests::payment()).unwrap());
    home
}

/// A worker with one event that waits for its second attempt.
fn waiting(home: &Home, options: &[&str]) -> Running {
    home.write("brittle.wasm", &guests::brittle());
    let worker = Running::start(home, &[&["--set", "hold.time=24h"], options].concat());
    worker.publish("task", "t-1", &[], r#""!""#);
    eventually("the first attempt is over", || (home.status().held == 1).then_some(()));
    worker
}

/// A worker with one event whose attempt does not end.
fn busy(home: &Home, options: &[&str]) -> Running {
    home.write("brittle.wasm", &guests::endless());
    let worker = Running::start(home, &[&["--set", "function.timeout=1h"], options].concat());
    worker.publish("task", "t-1", &[], "1");
    eventually("the attempt has begun", || (home.status().events_in_flight == 1).then_some(()));
    worker
}

fn settled_all(ended: &Ended) -> bool {
    ended.said("stopped: all that was in flight has settled").is_some()
}

#[test]
fn a_drain_settles_what_is_in_flight_and_nothing_is_repeated_after_it() {
    let home = orders();
    let worker = Running::start(&home, &[]);
    let mut connection = worker.connect();
    for n in 0..300 {
        let response = post(&mut connection, "order.created", &format!("o-{n}"), &[], ORDER).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    }
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(settled_all(&ended), "{}", ended.log);

    // What was stored but had not begun runs now; what had settled does not run again.
    let worker = Running::start(&home, &[]);
    worker.publish("order.created", "last", &[], ORDER);
    let done = eventually("all orders are done", || {
        let done = home.succeeded("default/orders");
        (done.len() == 301 && home.status().events_in_flight == 0).then_some(done)
    });
    assert!(done.values().all(|&count| count == 1), "{done:?}");
    assert_eq!(worker.terminate().code, Some(0));
    assert_eq!(home.cost().entries, 301);
}

#[test]
fn a_drain_parks_what_waits_for_a_retry_and_the_next_worker_counts_on() {
    let home = Home::new(STUBBORN);
    let ended = waiting(&home, &["--set", "drain.timeout=10m"]).terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(settled_all(&ended), "{}", ended.log);
    let before = home.journal().len();

    home.write("brittle.wasm", &guests::audit());
    let worker = Running::start(&home, &[]);
    eventually("the event is done by the mended function", || {
        (home.succeeded("default/stubborn").get("t-1") == Some(&1)).then_some(())
    });
    assert_eq!(worker.terminate().code, Some(0));
    let attempts: Vec<_> = home.journal().iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, (1..=before as u32 + 1).collect::<Vec<_>>());
}

#[test]
fn a_drain_that_runs_out_of_time_leaves_the_event_for_the_next_start() {
    let home = Home::new(STUBBORN);
    let ended = busy(&home, &["--set", "drain.timeout=1s"]).terminate();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let said = ended.said("stopped before all had settled: the queue holds them and they will run again");
    assert_eq!(said.expect(&ended.log)["events"], 1);
    assert!(home.journal().is_empty());

    home.write("brittle.wasm", &guests::audit());
    let worker = Running::start(&home, &[]);
    eventually("the event is done by the mended function", || {
        (home.succeeded("default/stubborn").get("t-1") == Some(&1)).then_some(())
    });
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_drain_takes_nothing_new_says_so_and_ends_at_once_when_told_twice() {
    let home = Home::new(STUBBORN);
    let worker = busy(&home, &["--set", "drain.timeout=10m"]);
    let mut admin = Connection::open(worker.admin()).unwrap();
    assert_eq!(admin.get("/readyz").unwrap().status, 200);
    worker.signal();
    eventually("the worker says that it stops", || {
        let response = Connection::open(worker.admin()).unwrap().get("/readyz").unwrap();
        (response.status == 503 && response.text().contains("stopping")).then_some(())
    });
    // The listener closes just after; until then a request may still be taken, and is kept.
    eventually("new events are refused", || {
        let Ok(mut connection) = Connection::open(worker.http()) else { return Some(()) };
        let answer = post(&mut connection, "task", "late", &[], "1");
        answer.map_or(true, |response| response.status == 503).then_some(())
    });
    assert_eq!(Connection::open(worker.admin()).unwrap().get("/healthz").unwrap().status, 200);
    assert!(home.status().events_in_flight >= 1, "questions are answered during a drain");
    assert!(home.journal().is_empty());
    worker.signal();
    let ended = worker.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let said = ended.said("stopped at once: what was in flight is in the queue and will run again");
    assert!(said.is_some(), "{}", ended.log);
}

#[test]
fn what_a_drain_waits_for_is_said() {
    let home = Home::new(STUBBORN);
    let worker = busy(&home, &["--set", "drain.timeout=10m"]);
    worker.signal();
    let said =
        eventually("it says what it waits for", || worker.said("draining: waiting for events to settle"));
    assert_eq!((&said["events"], &said["running"]), (&1.into(), &1.into()));
    worker.kill();
}

#[test]
fn a_client_that_does_not_finish_its_request_does_not_hold_up_the_end() {
    let home = orders();
    let worker = Running::start(&home, &["--set", "http.request-timeout=1h", "--set", "drain.timeout=1s"]);
    let mut slow = worker.connect();
    slow.send(b"POST / HTTP/1.1\r\nhost: worker\r\ncontent-length: 9\r\n\r\n").unwrap();
    worker.publish("order.created", "o-1", &[], ORDER);
    eventually("the order is done", || (home.status().settled >= 1).then_some(()));
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(settled_all(&ended), "{}", ended.log);
    assert!(slow.response().is_err());
}

#[test]
fn a_second_worker_on_a_directory_is_refused_with_the_first_one_s_pid() {
    let home = orders();
    let first = Running::start(&home, &[]);
    let second = Running::try_start(&home, &[]).expect_err("the directory is in use");
    assert_eq!(second.code, Some(1), "{}", second.log);
    assert!(second.log.contains(&format!("process {}", first.id())), "{}", second.log);
    first.publish("order.created", "o-1", &[], ORDER);
    assert_eq!(first.terminate().code, Some(0));
}

#[test]
fn a_kill_leaves_a_socket_that_bothers_nobody() {
    let home = orders();
    let worker = Running::start(&home, &[]);
    worker.publish("order.created", "o-1", &[], ORDER);
    let done = || (home.succeeded("default/orders").len() == 1).then_some(());
    eventually("the order is done", done);
    assert_eq!(worker.kill().code, None);
    assert!(home.data().join("weir.sock").exists());
    let opened = home.cost();
    assert_eq!((opened.entries, opened.table.total.succeeded), (1, 1));

    let worker = Running::start(&home, &[]);
    assert!(home.cost().entries >= 1, "a running worker is asked");
    assert_eq!(worker.terminate().code, Some(0));
    assert!(!home.data().join("weir.sock").exists());
    // The kill may have come before the commit: then the order ran twice, under one charge.
    let mut charges: Vec<_> = home.journal().into_iter().map(|entry| entry.charge).collect();
    charges.dedup();
    assert_eq!(charges.len(), 1);
    assert_eq!(home.cost().table.total.attempts, home.cost().entries);
}
