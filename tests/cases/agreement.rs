//! The same events given to a case and published to a worker: the same attempts come of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::worker::{Home, Running, eventually, guests};
use super::{function, test, trigger};

/// Event and trigger, with how each attempt ended.
type Attempts = BTreeMap<(String, String), Vec<String>>;

/// Types, keys and subjects that meet none, one or several triggers; replies that meet more; some that fail.
fn events() -> Vec<(String, &'static str, &'static str)> {
    let mut events = Vec::new();
    for (n, ty) in ["order.created", "order.paid", "parcel.sent", "nothing.wants"].into_iter().enumerate() {
        for (m, subject) in ["eu/one", "eu/broken!", "us/two"].into_iter().enumerate() {
            events.push((format!("e-{n}-{m}"), ty, subject));
        }
    }
    events
}

#[test]
fn a_case_does_what_a_worker_does() {
    let triggers = [
        trigger("orders", "order.created", "to-paid", ""),
        trigger("paid", "order.paid", "to-sent", "  delivery: {retry: 1, backoffDelay: PT0.01S}\n"),
        trigger("sent", "parcel.sent", "brittle", "  delivery: {retry: 2, backoffDelay: PT0.01S}\n"),
        trigger("europe", "x", "audit", "").replace(
            "filter: {attributes: {type: x}}",
            "filters: [{prefix: {subject: eu/}}, {not: {suffix: {type: sent}}}]",
        ),
        trigger("query", "x", "brittle", "  delivery: {retry: 0}\n").replace(
            "filter: {attributes: {type: x}}",
            "filters: [{cesql: \"type LIKE 'order.%' AND EXISTS subject AND subject <> 'us/two'\"}]",
        ),
    ];
    let given: String = events()
        .iter()
        .map(|(id, ty, subject)| {
            format!("  - {{type: {ty}, id: {id}, source: /shop, subject: {subject}, data: {{}}}}\n")
        })
        .collect();
    let documents = [
        triggers.concat(),
        ["to-paid", "to-sent", "brittle", "audit"].map(function).concat(),
        test("t", &format!("- name: all\n  given:\n{given}  expect: {{}}\n")),
    ];
    let home = Home::new(&documents.concat());
    home.write("to-paid.wasm", &guests::answering("order.paid"));
    home.write("to-sent.wasm", &guests::answering("parcel.sent"));
    home.write("brittle.wasm", &guests::brittle());
    home.write("audit.wasm", &guests::audit());

    let cache = format!("function.cache={}/native", env!("CARGO_TARGET_TMPDIR"));
    let output = home.weir(&["test", "documents.yaml", "--format", "json", "--set", &cache]);
    // Dead letters fail the case; what was attempted is said all the same.
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let case: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let mut rehearsed = Attempts::new();
    for attempt in case["attempts"].as_array().unwrap() {
        let said = |name: &str| attempt[name].as_str().unwrap().to_owned();
        let outcome = format!("{} {}", said("outcome"), said("reason"));
        rehearsed
            .entry((of(&said("event_type"), &said("event_id")), said("trigger")))
            .or_default()
            .push(outcome);
    }
    assert!(rehearsed.len() >= 20, "{rehearsed:?}");
    assert!(rehearsed.values().any(|attempts| attempts.len() == 3), "{rehearsed:?}");

    let running = Running::start(&home, &["--executors", "2"]);
    for (id, ty, subject) in events() {
        running.publish(ty, &id, &[("ce-subject", subject)], "{}");
    }
    let total: usize = rehearsed.values().map(Vec::len).sum();
    eventually("all is attempted", || (home.journal().len() >= total).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    let mut done = Attempts::new();
    for entry in home.journal() {
        let outcome = format!("{} {}", entry.outcome, entry.reason);
        done.entry((of(&entry.event_type, &entry.event_id), entry.trigger)).or_default().push(outcome);
    }
    // Of replies the ids differ, as their positions do: they are told apart by type alone.
    done.values_mut().chain(rehearsed.values_mut()).for_each(|attempts| attempts.sort());
    assert_eq!(rehearsed, done);
}

fn of(ty: &str, id: &str) -> String {
    if id.starts_with("e-") { id.to_owned() } else { format!("a reply: {ty}") }
}
