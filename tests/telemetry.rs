//! What a worker says of itself: /metrics, read by a strict reader.

#[path = "telemetry/exposition.rs"]
mod exposition;
mod worker;

use std::fmt::Write;

use exposition::{Dialect, Exposition};
use weir::telemetry::metrics::{Snapshot, TABLE, documentation, series};
use worker::{Connection, Home, Running, eventually, guests};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Triggers of the default broker on events of these types, each with a function's name.
fn documents(triggers: &[(&str, &str, &str)], functions: &[&str]) -> String {
    let mut text = String::new();
    for (name, ty, function) in triggers {
        let _ = write!(
            text,
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
             filter: {{attributes: {{type: {ty}}}}}\n  delivery: {{retry: 2, backoffPolicy: linear, backoffDelay: PT0.01S}}\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: {function}}}}}\n"
        );
    }
    for name in functions {
        let _ = write!(
            text,
            "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n"
        );
    }
    text
}

/// One that takes every event, and one that traps on a `!`.
fn home(triggers: &[(&str, &str, &str)]) -> Home {
    let home = Home::new(&documents(triggers, &["audit", "brittle"]));
    home.write("audit.wasm", &guests::audit());
    home.write("brittle.wasm", &guests::brittle());
    home
}

#[track_caller]
fn text(running: &Running, accept: &str) -> String {
    let mut admin = Connection::open(running.admin()).unwrap();
    let response = admin.request("GET", "/metrics", &[("accept", accept)], b"").unwrap();
    assert_eq!(response.status, 200);
    let openmetrics = accept == OPENMETRICS;
    let kind =
        if openmetrics { "application/openmetrics-text; version=1.0.0" } else { "text/plain; version=0.0.4" };
    assert_eq!(response.header("content-type"), Some(&*format!("{kind}; charset=utf-8")));
    response.text()
}

#[track_caller]
fn metrics(running: &Running) -> Exposition {
    Exposition::read(&text(running, "*/*"), Dialect::Prometheus)
}

/// Once so many events are settled.
#[track_caller]
fn settled(running: &Running, events: f64) -> Exposition {
    eventually("all is settled", || {
        let now = metrics(running);
        (now.value("weir_settled_events_total", &[]) >= events).then_some(())
    });
    // Some of the numbers of that page may be from before the last had settled.
    metrics(running)
}

/// Nothing that can only grow has become less.
#[track_caller]
fn hold_monotone(before: &Exposition, after: &Exposition) {
    for (at, value) in before.cumulative() {
        let now = after.samples.get(at).unwrap_or_else(|| panic!("{at:?} is gone"));
        assert!(*now >= value, "{at:?} went from {value} to {now}");
    }
}

#[test]
fn the_metrics_page_is_the_table() {
    let (path, made) = ("docs/metrics.md", documentation());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    snapbox::assert_data_eq!(page, snapbox::Data::text(made).raw());
}

/// Senders who wait are counted, too; what goes through the queue beside, such as several replies, is counted once.
#[test]
fn in_direct_mode_events_count_as_well() {
    let home = home(&[("all", "order", "audit")]);
    let running = Running::start(&home, &["--set", "http.mode=direct"]);
    (0..3).for_each(|n| running.publish("order", &format!("o-{n}"), &[], "1"));
    running.publish("nobody.wants.this", "n-1", &[], "1");
    let now = settled(&running, 4.0);
    assert_eq!(now.value("weir_events_total", &[]), 4.0);
    assert!(now.value("weir_event_bytes_total", &[]) > 4.0 * 20.0);
    assert_eq!(now.value("weir_arrived_events_total", &[]), 4.0);
}

#[test]
fn after_known_traffic_the_numbers_are_known() {
    let home = home(&[("all", "order", "audit"), ("some", "order", "brittle")]);
    let running = Running::start(&home, &[]);
    let begun = metrics(&running);
    assert_eq!(begun.value("weir_ready", &[]), 1.0);
    assert_eq!(begun.value("weir_triggers", &[]), 2.0);
    for n in 0..10 {
        running.publish("order", &format!("o-{n}"), &[], if n == 3 { "\"!\"" } else { "1" });
    }
    running.publish("nobody.wants.this", "n-1", &[], "1");
    let refused = running.connect().post("/", &[("ce-id", "x")], b"").unwrap();
    assert_eq!(refused.status, 400);
    settled(&running, 11.0);
    let acknowledged = [("source", "queue"), ("partition", "0"), ("result", "acknowledged")];
    let now = eventually("it is committed", || {
        let now = metrics(&running);
        (now.value("weir_commits_total", &acknowledged) > 0.0).then_some(now)
    });
    hold_monotone(&begun, &now);

    let attempts = |trigger, outcome, reason| {
        now.value("weir_attempts_total", &[("trigger", trigger), ("outcome", outcome), ("reason", reason)])
    };
    assert_eq!(attempts("default/all", "succeeded", "none"), 10.0);
    assert_eq!(attempts("default/some", "succeeded", "none"), 9.0);
    assert_eq!(attempts("default/some", "trapped", "unreachable"), 3.0);
    assert_eq!(now.sum("weir_attempts_total"), 22.0);
    for (name, labels, value) in [
        ("weir_events_total", &[][..], 11.0),
        ("weir_arrived_events_total", &[], 11.0),
        ("weir_routed_events_total", &[], 10.0),
        ("weir_unrouted_events_total", &[], 1.0),
        ("weir_settled_events_total", &[], 11.0),
        ("weir_retries_total", &[], 2.0),
        ("weir_ended_deliveries_total", &[("end", "delivered")], 19.0),
        ("weir_ended_deliveries_total", &[("end", "dead-lettered")], 1.0),
        ("weir_dead_letters", &[], 1.0),
        ("weir_events_in_flight", &[], 0.0),
        ("weir_http_requests_total", &[("code", "202")], 11.0),
        ("weir_http_requests_total", &[("code", "400")], 1.0),
        ("weir_journal_entries_total", &[], 22.0),
        ("weir_watermark", &[("source", "queue"), ("partition", "0")], 11.0),
        ("weir_lag_events", &[("source", "queue"), ("partition", "0")], 0.0),
        ("weir_oldest_event_age_seconds", &[("source", "queue"), ("partition", "0")], 0.0),
        ("weir_call_duration_seconds_count", &[("function", "default/brittle")], 12.0),
        ("weir_delivery_duration_seconds_count", &[("trigger", "default/some")], 10.0),
        ("weir_reloads_total", &[("result", "taken")], 0.0),
    ] {
        assert_eq!(now.value(name, labels), value, "{name} {labels:?}");
    }
    for (name, labels) in [
        ("weir_event_bytes_total", &[][..]),
        ("weir_journal_written_bytes_total", &[]),
        ("weir_fuel_total", &[("function", "default/brittle")]),
        ("weir_call_input_bytes_total", &[("function", "default/audit")]),
        ("weir_cold_starts_total", &[("function", "default/brittle")]),
        ("weir_store_bytes", &[("log", "queue")]),
        ("weir_instances", &[("function", "default/audit"), ("state", "idle")]),
        ("weir_write_duration_seconds_count", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
    ] {
        assert!(now.value(name, labels) > 0.0, "{name} {labels:?}");
    }

    // The other format says the same: what time alone moves apart.
    let lasting = |all: &Exposition| {
        let kept = all.samples.iter().filter(|((name, _), _)| {
            !name.starts_with("process_") && !name.contains("_requests") && !name.contains("_write")
        });
        kept.map(|(at, value)| (at.clone(), *value)).collect::<Vec<_>>()
    };
    // A commit may come between the two.
    let open = eventually("both say the same", || {
        let open = Exposition::read(&text(&running, OPENMETRICS), Dialect::OpenMetrics);
        (lasting(&open) == lasting(&metrics(&running))).then_some(open)
    });
    assert_eq!(open.units["weir_cold_start_seconds"], "seconds");
    assert_eq!(open.types["weir_build"], "info");
}

#[test]
fn a_reload_takes_nothing_back() {
    let home = home(&[("all", "order", "audit"), ("some", "order", "brittle")]);
    let running = Running::start(&home, &["--set", "reload.interval=0s"]);
    (0..5).for_each(|n| running.publish("order", &format!("a-{n}"), &[], "1"));
    let before = settled(&running, 5.0);

    home.write(
        "documents.yaml",
        documents(&[("more", "order", "audit"), ("some", "order", "brittle")], &["audit", "brittle"])
            .as_bytes(),
    );
    running.hangup();
    eventually("the change is in force", || (home.status().set.reloads == 1).then_some(()));
    (5..10).for_each(|n| running.publish("order", &format!("a-{n}"), &[], "1"));
    let after = settled(&running, 10.0);
    hold_monotone(&before, &after);
    let attempts = |trigger| {
        let labels = [("trigger", trigger), ("outcome", "succeeded"), ("reason", "none")];
        after.value("weir_attempts_total", &labels)
    };
    assert_eq!(["default/all", "default/some", "default/more"].map(attempts), [5.0, 10.0, 5.0]);
    assert_eq!(after.value("weir_reloads_total", &[("result", "taken")]), 1.0);

    home.write("documents.yaml", b"kind: [\n");
    running.hangup();
    eventually("the mistake is counted", || {
        (metrics(&running).value("weir_reloads_total", &[("result", "refused")]) == 1.0).then_some(())
    });
    hold_monotone(&after, &metrics(&running));
}

/// Each event has a type and a source that no other has; what is read and routed leaves no series behind.
#[test]
fn a_million_types_and_sources_make_no_series() {
    const EVENTS: usize = 1_000_000;
    const BATCH: usize = 50_000;
    let home = home(&[("all", "t-7", "audit")]);
    let running = Running::start(&home, &["--set", "http.max-batch=100000", "--set", "http.max-body=64MiB"]);
    running.publish("t-7", "first", &[], "1");
    let before = settled(&running, 1.0);
    let mut publisher = running.connect();
    let batch = [("content-type", "application/cloudevents-batch+json")];
    for first in (0..EVENTS).step_by(BATCH) {
        let mut body = String::from("[");
        for n in first..first + BATCH {
            let comma = if n == first { "" } else { "," };
            let _ =
                write!(body, r#"{comma}{{"specversion":"1.0","id":"{n}","source":"/s/{n}","type":"t-{n}"}}"#);
        }
        body.push(']');
        let response = publisher.post("/", &batch, body.as_bytes()).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    }
    let after = settled(&running, (EVENTS + 1) as f64);
    assert_eq!(after.value("weir_unrouted_events_total", &[]), (EVENTS - 1) as f64);
    assert_eq!(after.value("weir_events_total", &[]), (EVENTS + 1) as f64);
    assert_eq!(after.sum("weir_attempts_total"), 2.0);
    let series = |all: &Exposition| all.samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(series(&after), series(&before));
    assert!(text(&running, "*/*").len() < 1 << 20);
}

/// One event for more triggers than have series of their own.
#[test]
fn triggers_beyond_the_limit_are_others() {
    let names: Vec<String> = (0..series::NAMES + 50).map(|n| format!("trigger-{n}")).collect();
    let triggers: Vec<_> = names.iter().map(|name| (name.as_str(), "order", "audit")).collect();
    let home = home(&triggers);
    let running = Running::start(&home, &[]);
    running.publish("order", "o-1", &[], "1");
    let now = settled(&running, 1.0);
    let attempts = |trigger| {
        let labels = [("trigger", trigger), ("outcome", "succeeded"), ("reason", "none")];
        now.value("weir_attempts_total", &labels)
    };
    assert_eq!((attempts("other"), attempts("default/trigger-0")), (50.0, 1.0));
    assert_eq!(now.sum("weir_attempts_total"), names.len() as f64);
    assert!(text(&running, OPENMETRICS).len() < 1 << 20);
}

/// In whole and in order: a metric that nothing sets is not one.
#[test]
fn every_metric_of_the_table_is_set_by_a_worker() {
    let home = home(&[("all", "order", "audit")]);
    let billing = "---\napiVersion: weir.dev/v1alpha1\nkind: BillingSink\nmetadata: {name: usage}\nspec: {file: {path: usage.jsonl}}\n";
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    let budget = "{name: all, annotations: {weir.dev/budget-per-worker: 5/day}}";
    let documents = documents.replace("metadata: {name: all}", &format!("metadata: {budget}"));
    home.write("documents.yaml", format!("{documents}{billing}").as_bytes());
    let running = Running::start(&home, &[]);
    running.publish("order", "o-1", &[], "1");
    settled(&running, 1.0);
    let open = Exposition::read(&text(&running, OPENMETRICS), Dialect::OpenMetrics);
    // What only a broker's partitions have is looked for where there is a broker.
    let brokers = ["weir_committed_offset", "weir_unacknowledged_events"];
    let missing: Vec<_> = TABLE
        .iter()
        .map(|row| row.name)
        .filter(|name| !open.types.contains_key(*name) && !brokers.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(Snapshot::nothing().families().count(), 0);
}
