//! What becomes of events that fail: retried, then kept as dead letters, holding back what their order requires and
//! nothing else.

mod worker;

use weir::worker::query::EntryLine;
use worker::{Home, Running, eventually, guests, running};

/// A trigger of `broker` for events of type `ty`, and more of its spec. Functions are named after their modules.
fn trigger(name: &str, broker: &str, filter: &str, function: &str, more: &str) -> String {
    format!(
        r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}}}
spec:
  broker: {broker}
  filter: {{attributes: {{{filter}}}}}
  subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}
  {more}
---
"#
    )
}

fn home(functions: &[(&str, Vec<u8>)], triggers: &[String]) -> Home {
    let mut documents = triggers.concat();
    for (name, _) in functions {
        documents += &format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
        );
    }
    let home = Home::new(&documents);
    for (name, module) in functions {
        home.write(&format!("{name}.wasm"), module);
    }
    home
}

/// The entries about an event, once there are `count` or more of them.
fn entries(home: &Home, id: &str, count: usize) -> Vec<EntryLine> {
    eventually(&format!("{count} attempts at {id}"), || {
        let entries = home.about(id);
        (entries.len() >= count).then_some(entries)
    })
}

#[test]
fn a_trap_is_retried_as_said_and_then_a_dead_letter_and_its_lane_goes_on() {
    let retried = "delivery: {retry: 2, backoffDelay: PT0.01S}";
    let home = home(
        &[("brittle", guests::brittle())],
        &[trigger("tasks", "default", "type: task", "brittle", retried)],
    );
    let worker = Running::start(&home, &[]);
    let key = [("ce-partitionkey", "k")];
    worker.publish("task", "bad", &key, r#""!""#);
    worker.publish("task", "good", &key, "1");
    assert_eq!(entries(&home, "good", 1)[0].outcome, "succeeded");
    assert_eq!(worker.terminate().code, Some(0));

    let journal = home.journal();
    let seen: Vec<_> = journal
        .iter()
        .map(|e| (e.event_id.as_str(), e.attempt, e.outcome.as_str(), e.reason.as_str()))
        .collect();
    let expected = [
        ("bad", 1, "trapped", "unreachable"),
        ("bad", 2, "trapped", "unreachable"),
        ("bad", 3, "trapped", "unreachable"),
        ("good", 1, "succeeded", "none"),
    ];
    assert_eq!(seen, expected);
    let letters = home.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    assert_eq!(
        (letter.event_id.as_str(), letter.attempts, letter.reason.as_str()),
        ("bad", 3, "unreachable")
    );
}

#[test]
fn a_waiting_retry_holds_back_its_key_and_nothing_else() {
    let home = home(
        &[("brittle", guests::brittle())],
        &[trigger("tasks", "default", "type: task", "brittle", "delivery: {retry: 9, backoffDelay: PT5M}")],
    );
    let worker = Running::start(&home, &["--set", "hold.time=24h"]);
    worker.publish("task", "bad", &[("ce-partitionkey", "held")], r#""!""#);
    worker.publish("task", "behind", &[("ce-partitionkey", "held")], "1");
    for n in 0..50 {
        worker.publish("task", &format!("beside-{n}"), &[("ce-partitionkey", &format!("key-{n}"))], "1");
    }
    worker.publish("task", "keyless", &[], "1");
    entries(&home, "keyless", 1);
    (0..50).for_each(|n| assert_eq!(entries(&home, &format!("beside-{n}"), 1)[0].outcome, "succeeded"));
    assert!(home.journal().iter().all(|entry| entry.event_id != "behind"));
    assert_eq!(entries(&home, "bad", 1).len(), 1);
    eventually("those two are left", || {
        let status = home.status();
        ((status.events_in_flight, status.held, status.parked) == (2, 2, 0)).then_some(())
    });
    worker.kill();
}

#[test]
fn what_waits_longer_than_the_hold_limit_is_parked_with_its_key_and_comes_back_in_order() {
    let home = home(
        &[("brittle", guests::brittle())],
        &[trigger("tasks", "default", "type: task", "brittle", "delivery: {retry: 9, backoffDelay: PT1S}")],
    );
    let worker = Running::start(&home, &["--set", "hold.time=0s"]);
    let key = [("ce-partitionkey", "held")];
    worker.publish("task", "bad", &key, r#""!""#);
    (0..3).for_each(|n| worker.publish("task", &format!("behind-{n}"), &key, "1"));
    worker.publish("task", "beside", &[("ce-partitionkey", "other")], "1");
    entries(&home, "beside", 1);
    eventually("the key is parked, and its events have settled", || {
        let status = home.status();
        ((status.parked, status.events_in_flight) == (4, 0)).then_some(())
    });
    worker.kill();

    // The next worker goes on where this one was, with the function mended.
    home.write("brittle.wasm", &guests::audit());
    let worker = Running::start(&home, &["--set", "hold.time=0s"]);
    entries(&home, "behind-2", 1);
    eventually("nothing is parked any more", || (home.status().parked == 0).then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
    let journal = home.journal();
    let seen: Vec<_> = journal
        .iter()
        .filter(|entry| entry.event_id != "beside" && entry.outcome == "succeeded")
        .map(|entry| entry.event_id.as_str())
        .collect();
    assert_eq!(seen, ["bad", "behind-0", "behind-1", "behind-2"]);
    // The attempts of one delivery are counted on, across parking and kill.
    let attempts: Vec<_> = home.about("bad").iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, (1..=attempts.len() as u32).collect::<Vec<_>>());
    assert!(home.about("behind-0").iter().all(|entry| entry.attempt == 1));
}

/// All room is taken by what is parked, so nothing new comes in; what goes then must make room by itself.
#[test]
fn a_queue_that_is_full_of_what_is_parked_takes_events_again_once_that_is_done() {
    let home = home(
        &[("brittle", guests::brittle())],
        &[trigger("tasks", "default", "type: task", "brittle", "delivery: {retry: 99, backoffDelay: PT1S}")],
    );
    let options = ["hold.time=0s", "breaker.failures=0", "queue.max-bytes=1MiB"];
    let options: Vec<_> = options.iter().flat_map(|option| ["--set", option]).collect();
    let worker = Running::start(&home, &options);
    let mut connection = worker.connect();
    let data = format!("\"!{}\"", "x".repeat(10_000));
    let mut publish = |id: &str| running::post(&mut connection, "task", id, &[], &data).unwrap().status;
    let taken = (0..1_000).take_while(|n| publish(&n.to_string()) == 202).count();
    assert!(taken < 1_000, "the queue is never full");
    worker.kill();

    home.write("brittle.wasm", &guests::audit());
    let worker = Running::start(&home, &options);
    eventually("all that was parked is done", || (home.status().parked == 0).then_some(()));
    let mut connection = worker.connect();
    eventually("there is room again", || {
        let answer = running::post(&mut connection, "task", "new", &[], &data).unwrap();
        (answer.status == 202).then_some(())
    });
    // A worker that stops begins nothing new.
    eventually("the new one is done", || home.succeeded("default/tasks").contains_key("new").then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
    assert_eq!(home.succeeded("default/tasks").len(), taken + 1);
}

#[test]
fn replies_that_go_round_end_as_a_dead_letter() {
    let home = home(
        &[("echo", guests::answering("again"))],
        &[trigger("echoes", "default", "type: again", "echo", "")],
    );
    let worker = Running::start(&home, &[]);
    // What a publisher claims of the hops left is believed only where it is within bounds.
    for (id, hops) in [("plain", ""), ("least", "-2147483648"), ("most", "2147483647"), ("spent", "0")] {
        let more = [("ce-knativebrokerttl", hops)];
        worker.publish("again", id, &more[usize::from(hops.is_empty())..], "1");
    }
    eventually("every loop has ended", || (home.dead_letters().len() == 4).then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
    let letters = home.dead_letters();
    assert!(letters.iter().all(|letter| letter.reason == "hops"), "{letters:?}");
    // One event and 254 replies to replies, twice; two that may not be answered at all.
    assert_eq!(home.cost().entries, 2 * 255 + 2);
}

#[test]
fn a_dead_letter_to_a_broker_arrives_there_with_what_it_failed_of() {
    let sink = "delivery: {retry: 0, deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, \
                name: morgue}}}";
    let failed = "type: task, knativeerrordest: default/brittle, knativeerrorcode: unreachable, knativeerrordata: \"\"";
    let morgue =
        "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: morgue}\n---\n".to_owned();
    let home = home(
        &[("brittle", guests::brittle()), ("audit", guests::audit())],
        &[
            morgue,
            trigger("tasks", "default", "type: task", "brittle", sink),
            trigger("buried", "morgue", failed, "audit", ""),
        ],
    );
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], r#""!""#);
    let both = entries(&home, "bad", 2);
    assert_eq!(worker.terminate().code, Some(0));
    let seen: Vec<_> = both.iter().map(|e| (e.trigger.as_str(), e.outcome.as_str())).collect();
    assert_eq!(seen, [("default/tasks", "trapped"), ("default/buried", "succeeded")]);
    assert!(home.dead_letters().is_empty(), "the worker's own store has none of it");
}

#[test]
fn each_function_is_held_to_the_limits_that_its_document_says() {
    let grows = "(if (i32.lt_s (memory.grow (i32.const 2)) (i32.const 0)) (then unreachable)) (i64.const 0)";
    let cases = [
        ("slow", "timeout: 20ms", guests::endless(), ("timed-out", "deadline")),
        ("busy", "fuel: 5000000", guests::endless(), ("timed-out", "fuel")),
        // It begins with 17 pages.
        ("large", "memory: 1152KiB", guests::guest(grows, ""), ("trapped", "memory")),
        ("wordy", "maxOutput: 1KiB", guests::guest("(i64.const 1025)", ""), ("permanent", "output")),
    ];
    let mut documents = String::new();
    for (name, limit, ..) in &cases {
        let more = "delivery: {retry: 1, backoffDelay: PT0.01S}";
        documents += &trigger(name, "default", &format!("type: {name}"), name, more);
        documents += &format!(
            "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\n\
             spec: {{module: {name}.wasm, {limit}}}\n---\n"
        );
    }
    let home = Home::new(&documents);
    cases.iter().for_each(|(name, _, module, _)| home.write(&format!("{name}.wasm"), module));
    let worker = Running::start(&home, &[]);
    for (name, .., expected) in &cases {
        worker.publish(name, name, &[], "1");
        let entry = &entries(&home, name, 1)[0];
        assert_eq!((entry.outcome.as_str(), entry.reason.as_str()), *expected, "{name}");
        assert_eq!(entry.memory_bytes, 17 * 65_536, "{name}");
        assert_eq!(entry.fuel > 1_000_000, ["slow", "busy"].contains(name), "{name}: {}", entry.fuel);
    }
    let letters = eventually("all are dead letters", || {
        let letters = home.dead_letters();
        (letters.len() == cases.len()).then_some(letters)
    });
    assert_eq!(worker.terminate().code, Some(0));
    let fuel = letters.iter().find(|letter| letter.event_id == "busy").unwrap();
    assert_eq!(fuel.message, "it used more than 5000000 units of fuel");
}
