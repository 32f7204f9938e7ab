//! Each lint where it must speak and where it must not.

use crate::config::{Diagnostic, Loaded, load_text};

/// A file's documents after a function that is there.
fn load(documents: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.wasm"), b"").unwrap();
    let name = folder.path().join("f.yaml");
    let function = "{apiVersion: weir.dev/v1alpha1, kind: Function, spec: {module: f.wasm}, \
                    metadata: {name: f, annotations: {weir.dev/allow: 'no-limits, no-price'}}}";
    load_text(&name.to_string_lossy(), &format!("{function}\n---\n{documents}"))
}

/// `line:column code: message` of each lint, those of the checklist too.
fn lints(documents: &str) -> Vec<String> {
    let loaded = load(documents);
    assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics);
    let all =
        [&loaded.diagnostics, &loaded.checklist].into_iter().flat_map(|diagnostics| diagnostics.sorted());
    let shown =
        |d: &Diagnostic| format!("{}:{} {}", d.line, d.column, d.code.text().trim_start_matches("lint/"));
    all.filter(|diagnostic| diagnostic.code.is_lint()).map(shown).collect()
}

/// A trigger with what the checklist asks for, these lines in its spec, and these annotations.
fn trigger(name: &str, spec: &str, annotations: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  broker: default
  subscriber: {{ref: {{kind: Function, name: f}}}}
{spec}
---
"
    )
}

const DELIVERY: &str = "  delivery: {timeout: PT5S, deadLetterSink: {ref: {kind: Broker, name: failed}}}\n";

const FAILED: &str =
    "{apiVersion: eventing.knative.dev/v1, kind: Broker, metadata: {name: failed}, spec: {}}\n---\n";

fn filtered(filters: &str) -> Vec<String> {
    lints(&format!("{FAILED}{}", trigger("t", &format!("{DELIVERY}  filters:\n{filters}"), "")))
}

#[test]
fn filters_that_no_event_can_match() {
    for (filters, at) in [
        ("  - exact: {type: a}\n  - exact: {type: b}", &["12:3"][..]),
        ("  - exact: {type: a}\n  - all: [{prefix: {type: b}}, {exact: {type: c}}]", &["14:5"]),
        ("  - cesql: type = 'a' AND type = 'b'", &["13:5"]),
        ("  - cesql: 'FALSE'", &["13:5"]),
        ("  - any:\n    - cesql: type = 'a' AND type = 'b'\n    - exact: {type: c}", &["14:7"]),
        ("  - not:\n      all: [{exact: {type: a}}, {exact: {type: b}}]", &["14:7"]),
        ("  - exact: {type: a}\n  - prefix: {type: a}\n  - suffix: {source: b}", &[]),
    ] {
        let expected: Vec<String> = at.iter().map(|at| format!("{at} unreachable")).collect();
        assert_eq!(filtered(filters), expected, "{filters}");
    }
    let by_attributes = format!("{DELIVERY}  filter: {{attributes: {{specversion: '0.3'}}}}");
    assert_eq!(lints(&format!("{FAILED}{}", trigger("t", &by_attributes, ""))), ["12:3 unreachable"]);
}

#[test]
fn not_of_what_may_be_missing() {
    for (filters, expected) in [
        ("  - not: {exact: {tenant: a}}", true),
        ("  - any:\n    - not: {cesql: tenant = 'a' AND plan = 'b'}\n    - exact: {type: a}", true),
        ("  - not: {any: [{exact: {type: a}}, {prefix: {subject: a}}]}", true),
        ("  - not: {exact: {type: a}}", false),
        ("  - not: {exact: {tenant: a}}\n  - cesql: EXISTS tenant", false),
        ("  - not: {exact: {tenant: a}}\n  - prefix: {tenant: b}", false),
        ("  - not: {cesql: EXISTS tenant}", false),
        ("  - not: {cesql: EXISTS tenant AND tenant = 'a'}", false),
        ("  - not: {not: {exact: {tenant: a}}}", false),
        ("  - exact: {tenant: a}", false),
    ] {
        let found = filtered(filters).iter().any(|lint| lint.ends_with(" not-of-missing"));
        assert_eq!(found, expected, "{filters}");
    }
}

#[test]
fn triggers_that_say_the_same() {
    let two = |a: &str, b: &str, annotations: &str| {
        let (a, b) = (format!("{DELIVERY}{a}"), format!("{DELIVERY}{b}"));
        lints(&format!("{FAILED}{}{}", trigger("a", &a, ""), trigger("b", &b, annotations)))
    };
    let exact = "  filter: {attributes: {type: a, source: b}}";
    let said_otherwise = "  filters: [{exact: {source: b}}, {cesql: type = 'a'}, {exact: {source: b}}]";
    assert_eq!(two(exact, said_otherwise, ""), ["16:18 duplicate"]);
    assert_eq!(two(exact, "  filter: {attributes: {type: a}}", ""), [""; 0]);
    assert_eq!(two(exact, exact, "weir.dev/data-filter: /vip"), [""; 0]);
    assert_eq!(two(exact, exact, "weir.dev/allow: duplicate"), [""; 0]);
    // With a mistake it is not known what was to be asked for.
    let mistaken = trigger("b", exact, "weir.dev/data-filter: amount");
    let loaded = load(&(trigger("a", exact, "") + &mistaken));
    assert!(loaded.diagnostics.has_errors() && !loaded.diagnostics.to_string().contains("lint/"));
}

#[test]
fn the_checklist_of_a_trigger() {
    let bare = trigger("t", "", "");
    assert_eq!(lints(&bare), ["5:18 no-dead-letter-sink", "5:18 no-timeout"]);
    for allowed in [
        "' no-timeout ,lint/no-dead-letter-sink'",
        "'no-timeout, no-dead-letter-sink -- the shop is closed, nobody waits'",
        "\"no-timeout -- it is quick\\n\\nno-dead-letter-sink\"",
    ] {
        assert_eq!(lints(&trigger("t", "", &format!("weir.dev/allow: {allowed}"))), [""; 0], "{allowed}");
    }
    let one = trigger("t", "", "weir.dev/allow: no-timeout -- no-dead-letter-sink is another's");
    assert_eq!(lints(&one), ["5:18 no-dead-letter-sink"]);
    // The broker may say it for all.
    let broker = "apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
spec:
  delivery:
    timeout: PT5S
    retry: 1000000
    deadLetterSink: {ref: {kind: Broker, name: failed}}
---
";
    let both = format!("{FAILED}{broker}{bare}{}", trigger("u", "", "weir.dev/allow: duplicate"));
    assert_eq!(lints(&both), ["11:12 uncapped-retries"]);
}

#[test]
fn order_and_retries() {
    let ordered = |delivery: &str, annotations: &str| {
        let delivery = DELIVERY.replace("timeout: PT5S", &format!("timeout: PT5S{delivery}"));
        lints(&format!("{FAILED}{}", trigger("t", &delivery, annotations)))
    };
    let own = "weir.dev/delivery.order: ordered";
    assert_eq!(ordered("", own), ["7:60 ordered-with-long-retries"]);
    assert_eq!(ordered("", "kafka.eventing.knative.dev/delivery.order: ordered").len(), 1);
    assert_eq!(ordered(", retry: 5", own), [""; 0]);
    assert_eq!(ordered("", ""), [""; 0]);
    assert_eq!(ordered(", retry: 200", "").len(), 1);
    assert_eq!(ordered(", retry: 100", "").len(), 0);
}

#[test]
fn sources_that_scale_to_zero() {
    let source = |initial: &str, annotations: &str| {
        format!(
            "apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: s, annotations: {{{annotations}}}}}
spec:
  bootstrapServers: [kafka:9092]
  topics: [orders]
  consumerGroup: shop
{initial}  sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}
---
"
        )
    };
    let scaled = |group: &str, least: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: weir}}
spec:
  scaleTargetRef: {{name: weir}}
{least}  triggers: [{{type: kafka, metadata: {{consumerGroup: {group}, topic: orders}}}}]
"
        )
    };
    let zero = "autoscaling.knative.dev/min-scale: '0'";
    let spoken = |documents: String| lints(&documents);
    assert_eq!(spoken(source("", zero)), ["5:18 latest-with-scale-to-zero"]);
    assert_eq!(spoken(source("  initialOffset: latest\n", zero)), ["10:18 latest-with-scale-to-zero"]);
    assert_eq!(spoken(source("  initialOffset: earliest\n", zero)), [""; 0]);
    assert_eq!(spoken(source("", "")), [""; 0]);
    assert_eq!(spoken(source("", "") + &scaled("shop", "")), ["5:18 latest-with-scale-to-zero"]);
    assert_eq!(spoken(source("", "") + &scaled("shop", "  minReplicaCount: 1\n")), [""; 0]);
    assert_eq!(spoken(source("", "") + &scaled("other", "")), [""; 0]);
}

#[test]
fn several_workers_with_a_queue_each() {
    let deployment = |image: &str, replicas: &str| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec:
{replicas}  template: {{spec: {{containers: [{{name: a, image: '{image}'}}]}}}}
"
        )
    };
    let trigger = format!("{FAILED}{}", trigger("t", DELIVERY, ""));
    let spoken = |more: String| lints(&format!("{trigger}{more}"));
    let three = "  replicas: 3\n";
    assert_eq!(
        spoken(deployment("registry.example/team/weir:1.2", three)),
        ["18:13 queue-with-several-workers"]
    );
    assert_eq!(spoken(deployment("weir@sha256:00", three)).len(), 1);
    assert_eq!(spoken(deployment("weird", three)), [""; 0]);
    assert_eq!(spoken(deployment("weir", "  replicas: 1\n")), [""; 0]);
    let scaler = |most: &str| {
        format!(
            "---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: scaler}}
spec:
{most}  scaleTargetRef: {{name: worker}}
"
        )
    };
    assert_eq!(spoken(deployment("weir", "") + &scaler("")), ["22:18 queue-with-several-workers"]);
    assert_eq!(spoken(deployment("weir", "") + &scaler("  maxReplicaCount: 1\n")), [""; 0]);
    // Nothing here takes events in.
    assert_eq!(lints(&deployment("weir", three)), [""; 0]);
}

#[test]
fn what_is_allowed_must_be_a_lint() {
    let loaded = load(&trigger("t", "", "weir.dev/allow: 'no-timeout, no-timout'"));
    let shown = loaded.diagnostics.to_string();
    assert!(shown.contains(":5:64: warning: weir.dev/allow: there is no lint 'no-timout'"), "{shown}");
    assert!(shown.contains("help: did you mean 'no-timeout'?"), "{shown}");
    let loaded = load(&trigger("t", "", "weir.dev/allow: 5"));
    assert_eq!(loaded.diagnostics.sorted().len(), 1, "{}", loaded.diagnostics);
}

#[test]
fn a_backing_that_nothing_reads() {
    let sink = "apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: orders}
spec: {topic: orders, bootstrapServers: ['a:9092', 'b:9092']}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: orders, annotations: {weir.dev/backing: KafkaSink/orders, weir.dev/allow: ALLOWED}}
---
";
    let source = |topic: &str, server: &str, broker: &str| {
        format!(
            "apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: orders}}
spec:
  topics: [{topic}]
  bootstrapServers: ['{server}']
  initialOffset: earliest
  sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: {broker}}}}}
"
        )
    };
    let plain = sink.replace(", weir.dev/allow: ALLOWED", "");
    let found = ["10:58 backing-not-read"];
    assert_eq!(lints(&plain), found);
    assert_eq!(lints(&format!("{plain}{}", source("orders", "b:9092", "orders"))), [""; 0]);
    for other in
        [("other", "b:9092", "orders"), ("orders", "c:9092", "orders"), ("orders", "b:9092", "default")]
    {
        assert_eq!(lints(&format!("{plain}{}", source(other.0, other.1, other.2))), found, "{other:?}");
    }
    assert_eq!(lints(&sink.replace("ALLOWED", "backing-not-read")), [""; 0]);
}
