//! The worker's log: what a hostile publisher can make it say, and how often.

mod worker;

use serde_json::Value;
use worker::{Ended, Home, Running, eventually, guests};

const DOCUMENTS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: all}
spec:
  broker: default
  delivery: {retry: 0}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: brittle}
spec: {module: brittle.wasm}
";

/// Every event becomes a dead letter.
fn home() -> Home {
    let home = Home::new(DOCUMENTS);
    home.write("brittle.wasm", &guests::guest("unreachable", ""));
    home
}

const SECRET: &str = "4111-1111-1111-1111";

fn json(id: &str, source: &str) -> String {
    serde_json::json!({"specversion": "1.0", "id": id, "source": source, "type": "t", "data": SECRET})
        .to_string()
}

#[track_caller]
fn post(running: &Running, body: &str) -> u16 {
    let headers = [("content-type", "application/cloudevents+json")];
    running.connect().post("/", &headers, body.as_bytes()).unwrap().status
}

/// Posts all sorts of ids, waits until those that were taken are dead letters, and stops the worker.
fn played(format: &str) -> Ended {
    let home = home();
    let running = Running::start(&home, &["--set", &format!("log.format={format}")]);
    let long = "x".repeat(60 << 10);
    let taken =
        ["plain", "a \"quoted\" \\ id", "\u{202e}drawkcab\u{2066}", "注文", "{\"level\":\"ERROR\"}", &long];
    for id in taken {
        assert_eq!(post(&running, &json(id, "/shop")), 202, "{id}");
    }
    assert_eq!(post(&running, &json("far", &format!("/{long}"))), 202);
    let refused = ["a\nb", "\u{1b}[31mred", "\r\n{}", "\u{0}", &"y".repeat(1 << 19)];
    for id in refused {
        assert_eq!(post(&running, &json(id, "/shop")), 400, "{id:?}");
    }
    eventually("all are dead letters", || (home.status().dead_lettered == 7).then_some(()));
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    ended
}

#[track_caller]
fn hold(log: &str) {
    for line in log.lines() {
        assert!(line.len() < 4 << 10, "a line of {} bytes: {}", line.len(), &line[..200]);
        assert!(
            !line.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c)),
            "{line:?}"
        );
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn hostile_ids_stand_on_one_short_line_each() {
    let log = played("json").log;
    hold(&log);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let buried: Vec<_> = lines.iter().filter(|line| line["message"] == "dead letter").collect();
    assert_eq!(buried.len(), 7, "{log}");
    for line in &buried {
        assert_eq!((&line["level"], &line["trigger"]), (&"WARN".into(), &"default/all".into()), "{line}");
        assert!(line["event"].is_string() && line["source"].as_str().unwrap().starts_with('/'), "{line}");
    }
    assert!(buried.iter().any(|line| line["event"] == "a \"quoted\" \\ id"), "{log}");
    assert!(
        buried.iter().any(|line| line["event"].as_str().unwrap().ends_with("... (61240 bytes more)")),
        "{log}"
    );

    let log = played("text").log;
    hold(&log);
    let buried: Vec<_> = log.lines().filter(|line| line.contains("dead letter")).collect();
    assert_eq!(buried.len(), 7, "{log}");
    assert!(buried.iter().all(|line| line.contains("WARN") && line.contains("trigger=default/all")), "{log}");
}

#[test]
fn a_flood_of_dead_letters_is_no_flood_of_lines() {
    const EVENTS: usize = 5_000;
    let home = home();
    let running = Running::start(
        &home,
        &["--set", "log.format=json", "--set", "http.max-batch=100000", "--set", "breaker.failures=0"],
    );
    let events: Vec<_> = (0..EVENTS).map(|n| json(&format!("e-{n}"), "/flood")).collect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let body = format!("[{}]", events.join(","));
    assert_eq!(running.connect().post("/", &headers, body.as_bytes()).unwrap().status, 202);
    eventually("all are dead letters", || (home.status().dead_lettered == EVENTS as u64).then_some(()));
    let log = running.terminate().log;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let written = lines.iter().filter(|line| line["message"] == "dead letter").count();
    let told = lines.iter().filter(|line| line["like"] == "dead letter").map(|line| {
        let message = line["message"].as_str().unwrap();
        let count =
            message.strip_prefix("suppressed ").and_then(|rest| rest.strip_suffix(" lines like this"));
        count.expect(message).parse::<usize>().unwrap()
    });
    assert_eq!(written + told.sum::<usize>(), EVENTS, "none is lost without a word");
    assert!(written < EVENTS / 2, "{written} lines");
}
