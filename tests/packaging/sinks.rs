//! Overlays to which Knative posts: what it sends goes to the worker, which listens there, and the two agree on who waits for
//! whom and for how long.

use serde_json::{Value, json};

use super::default;
use super::rendered::Overlay;

const TO_WORKER: [&str; 4] = ["broker", "sink", "sink-direct", "sink-service"];

/// What is wrong between Knative's documents and the worker.
fn problems(overlay: &Overlay) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: &str| found.extend((!holds).then(|| what.to_owned()));
    let workload = overlay.workload();
    let namespace = overlay.of_kind("Namespace")["metadata"]["name"].as_str().unwrap();
    let service = overlay.of_kind("Service");
    let name = service["metadata"]["name"].as_str().unwrap();
    if !overlay.is_served() {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        expect(service["spec"]["selector"] == *labels, "the Service selects other pods");
        let port = &service["spec"]["ports"][0];
        expect((&port["port"], &port["targetPort"]) == (&json!(80), &json!("http")), "the Service's port");
        let of_set = &workload["spec"]["serviceName"];
        expect(of_set.is_null() || of_set == name, "the StatefulSet's Service");
    }
    let mut senders = 0;
    for document in overlay.knative() {
        let to = match document["kind"].as_str().unwrap() {
            "KafkaSource" => &document["spec"]["sink"],
            "Trigger" => &document["spec"]["subscriber"],
            _ => continue,
        };
        senders += 1;
        let expected = match overlay.is_served() {
            true => json!({
                "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name}, "uri": "/default/default",
            }),
            false => json!({"uri": format!("http://{name}.{namespace}.svc.cluster.local/default/default")}),
        };
        expect(*to == expected, "it sends elsewhere");
        expect(
            document["spec"]["initialOffset"].as_str().is_none_or(|at| at == "earliest"),
            "it misses events",
        );
        let seconds = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        let asked = overlay.variable("WEIR_HTTP_REQUEST_TIMEOUT").unwrap_or(default("http.request-timeout"));
        // A Trigger of the cluster has no field for it: ten minutes, says Knative's Kafka broker.
        let waits = match document["kind"].as_str() {
            Some("Trigger") => "PT600S",
            _ => document["spec"]["delivery"]["timeout"].as_str().unwrap_or_default(),
        };
        expect(seconds(waits) > seconds(asked), "its sender gives up before the worker does");
        let letters = &document["spec"]["delivery"]["deadLetterSink"]["ref"]["name"];
        let there = overlay.knative().any(|d| d["kind"] == "KafkaSink" && d["metadata"]["name"] == *letters);
        expect(there, "there is nowhere for what it gives up");
        let broker = &document["spec"]["broker"];
        let there = overlay.knative().any(|d| d["kind"] == "Broker" && d["metadata"]["name"] == *broker);
        expect(broker.is_null() || there, "there is no such Broker");
    }
    expect(senders == 1, "one sender");
    found
}

#[test]
fn knative_sends_to_where_the_worker_listens() {
    for name in TO_WORKER {
        assert_eq!(problems(&Overlay::of(name)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_changed_alone_between_sender_and_worker_is_found() {
    // Of a kind, at a place, to something else; in the overlays that have it.
    let changes: [(&str, &str, Value); 14] = [
        ("Service", "/metadata/name", json!("another")),
        ("Service", "/spec/selector/app.kubernetes.io~1name", json!("another")),
        ("Service", "/spec/ports/0/port", json!(8080)),
        ("Service", "/spec/ports/0/targetPort", json!("admin")),
        ("Namespace", "/metadata/name", json!("another")),
        ("StatefulSet", "/spec/serviceName", json!("another")),
        ("KafkaSource", "/spec/sink/uri", json!("http://weir.weir.svc.cluster.local/default/another")),
        ("KafkaSource", "/spec/sink/ref/name", json!("another")),
        ("KafkaSource", "/spec/initialOffset", json!("latest")),
        ("KafkaSource", "/spec/delivery/timeout", json!("PT20S")),
        ("KafkaSource", "/spec/delivery/deadLetterSink/ref/name", json!("another")),
        ("Trigger", "/spec/subscriber/uri", json!("http://weir.weir.svc.cluster.local:8080/default/default")),
        ("Trigger", "/spec/delivery/deadLetterSink/ref/name", json!("another")),
        ("Trigger", "/spec/broker", json!("another")),
    ];
    let mut made = 0;
    for (kind, path, value) in &changes {
        for name in TO_WORKER {
            let mut overlay = Overlay::of(name);
            // A Knative Service is named by a reference, and its namespace by nobody.
            if overlay.is_served() && *kind == "Namespace" {
                continue;
            }
            let mut of_kind = overlay.documents.iter_mut().filter(|document| document["kind"] == *kind);
            let Some(place) = of_kind.find_map(|document| document.pointer_mut(path)) else { continue };
            *place = value.clone();
            made += 1;
            assert_ne!(problems(&overlay), Vec::<String>::new(), "{name}: {kind} {path}");
        }
    }
    assert!(made > changes.len(), "each was made somewhere: {made}");
}

/// The bounds that were asked for.
#[test]
fn serving_scales_between_none_and_a_thousand() {
    let overlay = Overlay::of("sink-service");
    let annotations = &overlay.workload()["spec"]["template"]["metadata"]["annotations"];
    for (name, value) in
        [("min-scale", "0"), ("max-scale", "1000"), ("target", "80"), ("metric", "concurrency")]
    {
        assert_eq!(annotations[format!("autoscaling.knative.dev/{name}")], value, "{name}");
    }
    let at_once: i64 = default("http.max-concurrent-requests").parse().unwrap();
    assert!(at_once >= 80 * 2, "what comes while others start is taken");
}
