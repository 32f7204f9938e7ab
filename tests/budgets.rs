//! Budgets: what a trigger's attempts may take or cost in a day of UTC. It is told of in time, holds over kills and restarts, and
//! what is beyond it waits or becomes a dead letter.

mod worker;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use worker::{Connection, Home, Running, eventually, guests};

/// A call costs 0.01. Whatever the product says of budgets goes to another function.
fn documents(annotations: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: audit}}
spec: {{module: audit.wasm, price: {{call: '0.01'}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: dear, annotations: {{{annotations}}}}}
spec:
  broker: default
  filter: {{attributes: {{type: t}}}}
  subscriber: {{ref: {{kind: Function, name: audit}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: told}}
spec:
  broker: default
  filters: [{{prefix: {{type: dev.weir.budget.}}}}]
  subscriber: {{ref: {{kind: Function, name: audit}}}}
"
    )
}

fn home(annotations: &str) -> Home {
    let home = Home::new(&documents(annotations));
    home.write("audit.wasm", &guests::audit());
    home
}

/// No test's day ends before it does.
fn begin_with_time_left() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = 86_400 - now.as_secs() % 86_400;
    if left < 120 {
        std::thread::sleep(Duration::from_secs(left));
    }
}

/// One after the other: no two are under way together.
fn publish(running: &Running, home: &Home, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let id = format!("e-{n}");
        running.publish("t", &id, &[], "{}");
        eventually("it is done", || (home.about(&id).len() == 1).then_some(()));
    }
}

fn attempts(home: &Home) -> usize {
    home.journal().iter().filter(|entry| entry.trigger == "default/dear").count()
}

/// What was said of budgets, in order.
fn told(home: &Home) -> Vec<String> {
    let journal = home.journal();
    let told = journal.iter().filter(|entry| entry.trigger == "default/told");
    let mut types: Vec<String> = told.map(|entry| entry.event_type.clone()).collect();
    // Two events without a key run side by side.
    types.sort();
    types
}

fn used(running: &Running) -> String {
    let text = Connection::open(running.admin()).unwrap().get("/metrics").unwrap().text();
    let sample = "weir_budget_used_percent{trigger=\"default/dear\"} ";
    text.lines().find_map(|line| line.strip_prefix(sample)).unwrap_or_default().to_owned()
}

const BOTH: [&str; 2] = ["dev.weir.budget.near.v1", "dev.weir.budget.spent.v1"];

#[test]
fn what_is_beyond_a_budget_waits_for_the_next_day_whoever_is_killed() {
    begin_with_time_left();
    let home = home("weir.dev/budget-per-worker: '0.1/day'");
    let running = Running::start(&home, &[]);
    publish(&running, &home, 0..7);
    assert_eq!((used(&running), told(&home).len()), ("70".to_owned(), 0));
    running.kill();
    let running = Running::start(&home, &[]);
    publish(&running, &home, 7..8);
    eventually("it is said that it is nearly used up", || (told(&home) == BOTH[..1]).then_some(()));
    let said = running.said("a budget is nearly used up").expect("the log says it");
    assert_eq!(
        (&said["trigger"], &said["used"], &said["percent"]),
        (&"default/dear".into(), &"0.08".into(), &80.into())
    );
    publish(&running, &home, 8..10);
    eventually("and that it is used up", || (told(&home) == BOTH).then_some(()));
    for n in 10..15 {
        running.publish("t", &format!("e-{n}"), &[], "{}");
    }
    eventually("the others wait, written aside", || (home.status().parked == 5).then_some(()));
    assert_eq!((used(&running), attempts(&home)), ("100".to_owned(), 10));
    let status = home.weir(&["status", "--data-dir", home.data().to_str().unwrap()]);
    let status = String::from_utf8(status.stdout).unwrap();
    let line = status.lines().find(|line| line.starts_with("default/dear ") && line.contains("paused until"));
    let words: Vec<&str> = line.expect(&status).split_whitespace().collect();
    assert_eq!(words[1..6], ["0.1/day", "0.1", "100", "paused", "until"], "{status}");
    running.kill();

    // The next worker knows.
    let running = Running::start(&home, &[]);
    running.publish("t", "e-15", &[], "{}");
    eventually("it waits, too", || (home.status().parked == 6).then_some(()));
    assert_eq!((used(&running), attempts(&home), told(&home).len()), ("100".to_owned(), 10, 2));

    // More is given: all of it goes on, at once.
    home.write("documents.yaml", documents("weir.dev/budget-per-worker: '1/day'").as_bytes());
    running.hangup();
    eventually("they are done", || (attempts(&home) == 16).then_some(()));
    assert_eq!((home.status().parked, used(&running)), (0, "16".to_owned()));
    let of = &home.status().budgets[0];
    assert_eq!((&*of.budget, &*of.used, of.percent, of.is_spent), ("1/day", "0.16", 16, false));
    assert_eq!(running.terminate().code, Some(0));
}

#[test]
fn or_it_is_a_dead_letter_which_costs_nothing() {
    begin_with_time_left();
    let home = home("weir.dev/budget-per-worker: '0.03/day', weir.dev/budget-policy: dead-letter");
    let running = Running::start(&home, &[]);
    publish(&running, &home, 0..3);
    for n in 3..6 {
        running.publish("t", &format!("e-{n}"), &[], "{}");
    }
    eventually("they are dead letters", || (home.dead_letters().len() == 3).then_some(()));
    let letters = home.dead_letters();
    assert!(letters.iter().all(|letter| letter.reason == "budget" && letter.attempts == 0), "{letters:?}");
    assert!(letters[0].message.contains("0.03/day"), "{letters:?}");
    // The third attempt passed both marks at once: who hears of which first is not said.
    let sorted = || {
        let mut told = told(&home);
        told.sort();
        told
    };
    eventually("both have been told of", || (sorted() == BOTH).then_some(()));
    assert_eq!(attempts(&home), 3);
    assert_eq!(running.terminate().code, Some(0));
    let running = Running::start(&home, &[]);
    running.publish("t", "e-6", &[], "{}");
    eventually("so is the next worker's", || (home.dead_letters().len() == 4).then_some(()));
    assert_eq!(attempts(&home), 3);
}

#[test]
fn time_is_a_budget_too_and_senders_who_wait_are_told_to_come_tomorrow() {
    begin_with_time_left();
    let home = home("weir.dev/budget-per-worker: 1ms/day");
    let running = Running::start(&home, &["--set", "http.mode=direct"]);
    let post = || {
        let headers = [("ce-specversion", "1.0"), ("ce-type", "t"), ("ce-source", "/s"), ("ce-id", "1")];
        running.connect().post("/", &headers, b"").unwrap()
    };
    let refused = eventually("a millisecond is over", || {
        let response = post();
        (response.status != 202 && response.status != 200).then_some(response)
    });
    assert_eq!(refused.status, 503, "{}", refused.text());
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert!(refused.text().contains("what default/dear may take today is used up"), "{}", refused.text());
    let wall: u64 = home
        .journal()
        .iter()
        .filter(|entry| entry.trigger == "default/dear")
        .map(|entry| entry.wall_ns)
        .sum();
    assert!(wall >= 1_000_000);
    assert!(running.said("a budget is used up: nothing more of it begins before midnight UTC").is_some());
}

#[test]
fn what_is_no_budget_is_told_with_what_was_meant() {
    for (annotations, said) in [
        ("weir.dev/budget-per-worker: 5 EUR per day", "write \"5/day\""),
        ("weir.dev/budget-per-worker: '0/day'", "0 would let nothing run"),
        (
            "weir.dev/budget-per-worker: 5/day, weir.dev/budget-policy: dead-leter",
            "did you mean 'dead-letter'?",
        ),
        ("weir.dev/budget-policy: pause", "there is no weir.dev/budget-per-worker that could be used up"),
    ] {
        let output = home(annotations).weir(&["check", "--format", "json", "documents.yaml"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let whole: Value = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        assert!(whole.to_string().replace("\\\"", "\"").contains(said), "{annotations}: {text}");
    }
}
