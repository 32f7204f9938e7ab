//! Dead letters: found, looked at, delivered again, dropped.

#[path = "dlq/replays.rs"]
mod replays;
#[path = "cli/session.rs"]
mod session;
mod worker;

use session::Session;
use weir::worker::letters::DeadLetterLine;
use worker::{Home, Running, eventually, guests};

const TASKS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: tasks}
spec:
  broker: default
  filter: {attributes: {type: task}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}
  delivery: {retry: 1, backoffDelay: PT0.01S}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders, namespace: shop}
spec:
  broker: orders
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: orders, namespace: shop}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: brittle}
spec: {module: brittle.wasm}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: payment, namespace: shop}
spec: {module: payment.wasm}
";

/// Events of every kind of data, whose tasks all fail.
const EVENTS: [(&str, &str); 4] = [
    (
        "/",
        r#"{"specversion":"1.0","id":"t-1","source":"/a","type":"task","partitionkey":"k","data":{"n":1.50,"s":"!"}}"#,
    ),
    (
        "/",
        r#"{"specversion":"1.0","id":"t-2","source":"/b","type":"task","tenant":"acme!","data_base64":"/wAhIQ=="}"#,
    ),
    (
        "/shop/orders",
        r#"{"specversion":"1.0","id":"o-1","source":"/a","type":"order.created","data":{"order_id":"1"}}"#,
    ),
    (
        "/",
        r#"{"specversion":"1.0","id":"t-3","source":"/a","type":"task","datacontenttype":"text/plain","data":"help!\n\tbell \u0007"}"#,
    ),
];

/// A session whose directory has modules and documents, where `weir` finds them without being told.
fn shop(name: &'static str) -> Session {
    let session = Session::new(name).timed();
    session.write("documents.yaml", TASKS);
    session.write("weir.yaml", "triggers: [documents.yaml]\n");
    session.write("brittle.wasm", guests::brittle());
    std::fs::copy(guests::payment(), session.path("payment.wasm")).unwrap();
    session
}

/// Four dead letters, in the order of `EVENTS`.
fn fail(home: &Home, running: &Running) {
    for (index, (path, event)) in EVENTS.iter().enumerate() {
        let content = [("content-type", "application/cloudevents+json")];
        let response = running.connect().post(path, &content, event.as_bytes()).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
        eventually("it is dead", || (home.dead_letters().len() == index + 1).then_some(()));
    }
}

/// When it failed, as 'show' has it.
fn ended(letter: &DeadLetterLine) -> String {
    format!("{:.3}", jiff::Timestamp::from_nanosecond(letter.ended_unix_ns.into()).unwrap())
}

// ---- as it is met ----------------------------------------------------------------------------------------------

#[test]
fn help() {
    let mut session = Session::new("dlq-help");
    session.weir(&["dlq", "--help"]).weir(&["dlq"]);
    for command in ["list", "show", "replay", "drop"] {
        session.weir(&["dlq", command, "--help"]);
    }
    session.expect();
}

#[test]
fn called_wrongly() {
    let mut session = Session::new("dlq-wrong");
    session.weir(&["dlq", "list"]).weir(&["dlq", "show"]).weir(&["dlq", "show", "first"]);
    session.weir(&["dlq", "list", "--reason", "unreachabel"]).weir(&["dlq", "list", "--since", "yesterday"]);
    session.weir(&["dlq", "list", "--attribute", "Tenant=a"]).weir(&["dlq", "list", "--attribute", "tenant"]);
    session.weir(&["dlq", "replay"]).weir(&["dlq", "drop", "--yes"]).weir(&["dlq", "replay", "--all", "3"]);
    session.weir(&["dlq", "replay", "--all", "--rate", "0/s"]).weir(&["dlq", "replay", "--all", "--to", ""]);
    session.weir(&["dlq", "replay", "--all"]).weir(&["dlq", "drop", "--all"]);
    session.weir(&["dlq", "list", "--trigger", ""]).weir(&[
        "dlq",
        "show",
        "1",
        "--as-event",
        "--format",
        "json",
    ]);
    session.expect();
}

#[test]
fn looked_at() {
    let mut session = shop("dlq-look");
    let running = Running::start(&session.home, &[]);
    session.weir(&["dlq", "list"]).weir(&["dlq", "list", "--format", "json"]);
    fail(&session.home, &running);
    let letters = session.home.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), [0, 1, 2, 3]);
    letters.iter().for_each(|letter| session.hide(ended(letter), "[ENDED]"));
    letters.iter().for_each(|letter| session.hide(&letter.delivery, "[DELIVERY]"));
    session.weir(&["dlq", "list"]).weir(&["dlq", "list", "--last", "1"]).weir(&["journal", "--dead-letters"]);
    session.weir(&["dlq", "list", "--trigger", "tasks", "--reason", "unreachable", "--last", "2"]);
    session.weir(&["dlq", "list", "--trigger", "shop/orders"]).weir(&["dlq", "list", "--trigger", "orders"]);
    session.weir(&["dlq", "list", "--outcome", "permanent", "--max-replays", "0", "--count"]);
    session.weir(&["dlq", "list", "--attribute", "source=/a", "--attribute", "type=task"]);
    session.weir(&["dlq", "list", "--attribute", "tenant="]).weir(&["dlq", "list", "--id", "3", "--id", "0"]);
    session.weir(&["dlq", "list", "--since", "1h", "--count"]).weir(&["dlq", "list", "--until", "1h"]);
    session.weir(&["dlq", "list", "--count", "--format", "json"]);
    for id in ["0", "1", "2", "3", "4"] {
        session.weir(&["dlq", "show", id]);
    }
    for id in ["0", "1", "2", "3"] {
        session.weir(&["dlq", "show", id, "--as-event"]);
    }
    // Stopped or running, the answer is the same.
    assert_eq!(running.terminate().code, Some(0));
    session.weir(&["dlq", "list", "--last", "2"]).weir(&["dlq", "show", "1"]);
    session.expect();
}

/// What comes out is what went in, to the digit, and an event that a function takes.
#[test]
fn an_event_comes_out_as_it_went_in() {
    let mut session = shop("dlq-invoke");
    let running = Running::start(&session.home, &[]);
    fail(&session.home, &running);
    assert_eq!(running.terminate().code, Some(0));
    for (id, (_, event)) in EVENTS.iter().enumerate() {
        let output = session.home.weir(&["dlq", "show", &id.to_string(), "--as-event"]);
        let came = String::from_utf8(output.stdout).unwrap();
        assert_eq!(came, format!("{event}\n"));
        let arguments = ["invoke", "brittle", "--event", "-"];
        let mut command = session.command();
        command.args(arguments);
        session.run(&arguments, command, came.as_bytes());
    }
    assert!(session.path("data").exists());
    session.expect();
}

#[test]
fn replayed_and_dropped() {
    let mut session = shop("dlq-replay");
    let running = Running::start(&session.home, &[]);
    session.weir(&["dlq", "replay", "--all"]).weir(&["dlq", "drop", "7", "--yes"]);
    fail(&session.home, &running);
    session.weir(&["dlq", "replay", "--all", "--dry-run"]);
    session.weir(&["dlq", "replay", "--reason", "guest", "--dry-run", "--to", "tasks"]);
    session.weir(&["dlq", "replay", "1", "--to", "shop/tasks"]);
    // It fails again: a new letter, that counts the replay.
    session.weir(&["dlq", "replay", "1", "9"]);
    eventually("it is dead again", || (session.home.dead_letters().len() == 4).then_some(()));
    session.weir(&["dlq", "list"]).weir(&["dlq", "show", "1"]);
    session.weir(&["dlq", "drop", "--trigger", "tasks"]);
    session.weir(&["dlq", "drop", "--max-replays", "0", "--reason", "unreachable", "--dry-run"]);
    session.weir(&["dlq", "drop", "0", "--yes"]).weir(&["dlq", "list"]);
    assert_eq!(running.terminate().code, Some(0));

    // Without a worker, and without the trigger of one.
    session.write("documents.yaml", TASKS.replace("name: tasks", "name: jobs"));
    session.weir(&["dlq", "replay", "--all", "--dry-run"]).weir(&["dlq", "replay", "--trigger", "tasks"]);
    session.weir(&["dlq", "replay", "--trigger", "tasks", "--to", "tasks"]);
    session.weir(&["dlq", "replay", "--trigger", "tasks", "--to", "jobs"]);
    // To drop takes no documents.
    session.write("documents.yaml", "kind: Triger\n");
    session.weir(&["dlq", "replay", "--all"]).weir(&["dlq", "drop", "--all", "-y"]).weir(&["dlq", "list"]);
    session.write("documents.yaml", TASKS.replace("name: tasks", "name: jobs"));
    let running = Running::start(&session.home, &[]);
    let both = eventually("the next worker has tried both", || {
        let letters = session.home.dead_letters();
        (letters.len() == 2).then_some(letters)
    });
    let mut seen: Vec<_> = both.iter().map(|l| (l.event_id.as_str(), l.trigger.as_str(), l.replay)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("t-2", "default/jobs", 2), ("t-3", "default/jobs", 1)]);
    assert_eq!(running.terminate().code, Some(0));
    session.expect();
}
