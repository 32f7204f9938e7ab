//! Spans and numbers by OTLP, as a receiver gets them.

#[path = "telemetry/exposition.rs"]
#[allow(dead_code)]
mod exposition;
#[path = "traces/receiver.rs"]
mod receiver;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use exposition::{Dialect, Exposition};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use receiver::{Receiver, attribute};
use server::Server;
use worker::{Connection, Home, Running, eventually, guests};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// `order` is answered with `paid`, and that with nothing; `!` traps.
const DOCUMENTS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: pay}
spec:
  broker: default
  filter: {attributes: {type: order}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: pay}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: ship}
spec:
  broker: default
  filter: {attributes: {type: paid}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: ship}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: fail}
spec:
  broker: default
  filter: {attributes: {type: broken}}
  delivery: {retry: 1, backoffPolicy: linear, backoffDelay: PT0.01S}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: fail}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: pay}
spec: {module: pay.wasm}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: ship}
spec: {module: ship.wasm}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: fail}
spec: {module: fail.wasm}
";

fn home() -> Home {
    let home = Home::new(DOCUMENTS);
    home.write("pay.wasm", &guests::answering("paid"));
    home.write("ship.wasm", &guests::audit());
    home.write("fail.wasm", &guests::guest("unreachable", ""));
    home
}

/// With telemetry going there, and more settings.
fn start(home: &Home, endpoint: &str, more: &[&str]) -> Running {
    let endpoint = format!("telemetry.otlp.endpoint={endpoint}");
    let mut options = vec!["--set", &endpoint];
    more.iter().for_each(|setting| options.extend(["--set", setting]));
    Running::start(home, &options)
}

fn metrics(running: &Running) -> Exposition {
    let response = Connection::open(running.admin()).unwrap().get("/metrics").unwrap();
    Exposition::read(&response.text(), Dialect::Prometheus)
}

#[track_caller]
fn settled(running: &Running, events: f64) -> Exposition {
    eventually("all is settled", || {
        let now = metrics(running);
        (now.value("weir_settled_events_total", &[]) >= events).then_some(())
    });
    // Some of the numbers of that page may be from before the last had settled.
    metrics(running)
}

/// At the stop a receiver is given two seconds.
fn until_received(receiver: &Receiver, spans: usize) {
    eventually("its spans have come", || {
        receiver.with(|received| (received.spans().len() == spans).then_some(()))
    });
}

/// The only span of that name.
#[track_caller]
fn the<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

fn said(span: &Span, name: &str) -> String {
    attribute(&span.attributes, name).unwrap_or_else(|| panic!("{name} in {span:#?}"))
}

/// A publisher's event, its reply, and what that sets off are one trace.
fn one_trace(protocol: &str) {
    let (receiver, home) = (Receiver::start(), home());
    std::fs::create_dir_all(home.path().join("secrets/otlp")).unwrap();
    home.write("secrets/otlp/headers", b"x-key=open sesame");
    let protocol = format!("telemetry.otlp.protocol={protocol}");
    let more = [&*protocol, "telemetry.otlp.headers=secret:otlp/headers", "telemetry.sampling=1"];
    let running = start(&home, &receiver.endpoint(), &more);
    running.publish("order", "o-1", &[("ce-traceparent", PARENT), ("ce-tracestate", "a=1")], "7");
    running.publish("broken", "b-1", &[], "7");
    settled(&running, 3.0);
    until_received(&receiver, 4 + 3);
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("sesame"), "{}", ended.log);

    let spans = receiver.with(|received| received.spans());
    assert_eq!(spans.len(), 4 + 3, "{spans:#?}");
    let [paying, pay] = ["process default/pay", "attempt default/pay"].map(|name| the(&spans, name));
    let [shipping, ship] = ["process default/ship", "attempt default/ship"].map(|name| the(&spans, name));
    let parent = 0xb7ad6b7169203331_u64.to_be_bytes();
    for (child, parent) in
        [(paying, &parent[..]), (pay, &paying.span_id), (shipping, &pay.span_id), (ship, &shipping.span_id)]
    {
        assert_eq!(child.trace_id, 0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes());
        assert_eq!(child.parent_span_id, parent, "{}", child.name);
        assert_eq!(child.trace_state, "a=1");
        assert!(child.start_time_unix_nano <= child.end_time_unix_nano);
        assert!(child.status.is_none());
    }
    assert!(
        paying.start_time_unix_nano <= pay.start_time_unix_nano
            && pay.end_time_unix_nano <= paying.end_time_unix_nano
    );
    for (name, value) in [
        ("messaging.system", "weir"),
        ("messaging.operation.type", "process"),
        ("messaging.message.id", "o-1"),
        ("cloudevents.event_id", "o-1"),
        ("cloudevents.event_source", "/tests"),
        ("cloudevents.event_type", "order"),
        ("weir.trigger", "default/pay"),
        ("weir.function", "default/pay"),
        ("weir.attempt", "1"),
        ("weir.outcome", "succeeded"),
        ("weir.cold", "false"),
    ] {
        if name != "cloudevents.event_source" && name != "weir.cold" {
            assert_eq!(said(pay, name), value, "{name}");
        } else {
            said(pay, name);
        }
    }
    assert_eq!((said(paying, "weir.end"), paying.kind), ("delivered".into(), SpanKind::Consumer as i32));

    // Two attempts of the other, under its delivery, in a trace of their own.
    let failing = the(&spans, "process default/fail");
    let mut attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt default/fail").collect();
    attempts.sort_by_key(|span| said(span, "weir.attempt"));
    assert!(failing.parent_span_id.is_empty() && failing.trace_id != pay.trace_id);
    for (number, attempt) in ["1", "2"].iter().zip(&attempts) {
        assert_eq!((&attempt.parent_span_id, &attempt.trace_id), (&failing.span_id, &failing.trace_id));
        assert_eq!(
            (&*said(attempt, "weir.attempt"), &*said(attempt, "weir.reason")),
            (*number, "unreachable")
        );
        assert_eq!(attempt.status.as_ref().unwrap().message, "unreachable");
    }
    assert_eq!(
        (said(failing, "weir.end"), said(failing, "weir.attempts")),
        ("dead-lettered".into(), "2".into())
    );

    receiver.with(|received| {
        assert!(received.requests.iter().all(|(_, key)| key == "open sesame"), "{:?}", received.requests);
        let resource = received.traces[0].resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(attribute(&resource.attributes, "service.name").unwrap(), "weir");
        assert!(attribute(&resource.attributes, "service.instance.id").unwrap().len() > 8);
    });
}

#[test]
fn over_grpc_a_publisher_s_event_its_reply_and_what_follows_are_one_trace() {
    one_trace("grpc");
}

#[test]
fn over_http_they_are_too() {
    one_trace("http");
}

/// Start, reload and drain are spans of their own, with the functions that they load under them.
fn doings(protocol: &str) {
    let (receiver, home) = (Receiver::start(), home());
    std::fs::create_dir_all(home.path().join("secrets/otlp")).unwrap();
    home.write("secrets/otlp/headers", b"x-key=open sesame");
    let protocol = format!("telemetry.otlp.protocol={protocol}");
    let more = [&*protocol, "telemetry.otlp.headers=secret:otlp/headers", "telemetry.sampling=0"];
    // A cache of its own: whether something is compiled is said.
    let more = [&more[..], &["function.cache=native"]].concat();
    let running = start(&home, &receiver.endpoint(), &more);
    home.write("ship.wasm", &guests::answering("shipped"));
    eventually("the change takes effect", || running.said("a change has taken effect"));
    std::fs::write(home.documents(), format!("{DOCUMENTS}---\nkind: Nothing\n")).unwrap();
    eventually("the mistake is found", || running.said("the change is refused: what was in force goes on"));
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("weir::doing") && !ended.log.contains("sesame"), "{}", ended.log);

    let spans = receiver.with(|received| received.doings());
    let start = the(&spans, "start");
    assert_eq!([said(start, "triggers"), said(start, "functions")], ["3", "3"]);
    let reloads: Vec<_> = spans.iter().filter(|span| span.name == "reload").collect();
    let [taken, refused] = &reloads[..] else { panic!("{reloads:#?}") };
    assert_eq!(
        [said(taken, "functions"), said(taken, "compiled"), said(taken, "added")],
        ["default/ship", "1", ""]
    );
    assert_ne!(said(taken, "set"), said(start, "set"));
    let why = refused.status.as_ref().unwrap();
    assert_eq!(
        (why.code, why.message.contains("documents.yaml")),
        (StatusCode::Error as i32, true),
        "{why:?}"
    );
    let drain = the(&spans, "drain");
    assert_eq!(said(drain, "unsettled"), "0");
    assert!(start.end_time_unix_nano <= drain.start_time_unix_nano);

    let loads = |under: &Span| {
        let mine = spans.iter().filter(|span| span.name == "load" && span.parent_span_id == under.span_id);
        let mut loads: Vec<_> =
            mine.map(|span| format!("{} {}", said(span, "function"), said(span, "origin"))).collect();
        loads.sort();
        loads
    };
    assert_eq!(loads(start), ["default/fail compiled", "default/pay compiled", "default/ship compiled"]);
    assert_eq!(loads(taken), ["default/ship compiled"]);
    for root in [start, taken, refused, drain] {
        assert!(root.parent_span_id.is_empty() && root.start_time_unix_nano < root.end_time_unix_nano);
    }
    receiver.with(|received| {
        assert!(received.requests.iter().all(|(_, key)| key == "open sesame"), "{:?}", received.requests);
        let own = received.traces.iter().flat_map(|request| &request.resource_spans);
        let names = own.map(|of| attribute(&of.resource.as_ref().unwrap().attributes, "service.name"));
        assert!(names.into_iter().all(|name| name.as_deref() == Some("weir")));
    });
}

#[test]
fn over_grpc_the_worker_s_own_doings_are_spans() {
    doings("grpc");
}

#[test]
fn over_http_its_own_doings_are_spans_too() {
    doings("http");
}

/// A subscriber is asked under the attempt's span, which is the event's publisher's grandchild.
#[test]
fn a_request_to_a_subscriber_carries_its_attempt() {
    let (receiver, server) = (Receiver::start(), Server::start());
    let home = Home::new(&format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: far}}\nspec:\n  broker: default\n  \
         delivery: {{retry: 1, backoffPolicy: linear, backoffDelay: PT0.01S}}\n  subscriber: {{uri: \"{}\"}}\n",
        server.url("/once/503")
    ));
    let running = start(&home, &receiver.endpoint(), &["telemetry.sampling=0"]);
    running.publish("order", "o-1", &[("ce-traceparent", PARENT), ("ce-tracestate", "a=1")], "7");
    running.publish("order", "o-2", &[], "7");
    settled(&running, 2.0);
    until_received(&receiver, 3);
    running.terminate();
    let spans = receiver.with(|received| received.spans());
    let mut attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt default/far").collect();
    attempts.sort_by_key(|span| said(span, "weir.attempt"));
    let requests = server.got("/once/503");
    let (first, second): (Vec<_>, Vec<_>) = requests.iter().partition(|got| got.id() == "o-1");
    assert_eq!((attempts.len(), first.len(), second.len()), (2, 2, 2), "one that failed, and its retry");
    let process = the(&spans, "process default/far");
    assert_eq!(process.parent_span_id, 0xb7ad6b7169203331_u64.to_be_bytes());
    for (attempt, got) in attempts.iter().zip(&first) {
        assert_eq!(attempt.parent_span_id, process.span_id);
        let span = u64::from_be_bytes(attempt.span_id[..].try_into().unwrap());
        let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{span:016x}-01");
        // As a header of its own, for HTTP's tools, and as the event's extension.
        for name in ["traceparent", "ce-traceparent"] {
            assert_eq!(got.headers[name], expected, "{name}");
        }
        for name in ["tracestate", "ce-tracestate"] {
            assert_eq!(got.headers[name], "a=1", "{name}");
        }
    }
    assert_ne!(first[0].headers["traceparent"], first[1].headers["traceparent"]);
    // One that nobody traces says so, and is in a trace of its own.
    for got in second {
        assert!(got.headers["traceparent"].ends_with("-00"), "{:?}", got.headers);
        assert!(!got.headers["traceparent"].contains("0af7651916cd43dd8448eb211c80319c"));
        assert!(!got.headers.contains_key("tracestate"));
    }
}

#[test]
fn an_unsampled_parent_and_a_ratio_of_nothing_leave_no_span() {
    let (receiver, home) = (Receiver::start(), home());
    let running = start(&home, &receiver.endpoint(), &["telemetry.sampling=0"]);
    (0..20).for_each(|n| running.publish("order", &format!("o-{n}"), &[], "7"));
    running.publish("order", "not", &[("ce-traceparent", &PARENT.replace("-01", "-00"))], "7");
    // Its publisher traces this one.
    running.publish("order", "this", &[("ce-traceparent", PARENT)], "7");
    settled(&running, 44.0);
    until_received(&receiver, 4);
    running.terminate();
    let spans = receiver.with(|received| received.spans());
    let mut of: Vec<_> = spans.iter().map(|span| said(span, "weir.trigger")).collect();
    of.sort();
    assert_eq!(of, ["default/pay", "default/pay", "default/ship", "default/ship"], "{spans:#?}");
}

/// Broken off and sent again, they would arrive twice.
#[test]
fn spans_that_are_under_way_at_a_stop_arrive_once() {
    let (receiver, home) = (Receiver::start(), home());
    receiver.received.lock().unwrap().delay = Duration::from_secs(1);
    let running = start(&home, &receiver.endpoint(), &["telemetry.sampling=1"]);
    running.publish("order", "o-1", &[("ce-traceparent", PARENT)], "7");
    eventually("they are under way", || {
        receiver.with(|received| (!received.spans().is_empty()).then_some(()))
    });
    assert_eq!(running.terminate().code, Some(0));
    let spans = receiver.with(|received| received.spans());
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
}

/// What is sent as numbers is what /metrics says.
#[test]
fn numbers_by_otlp_are_those_of_the_page() {
    let (receiver, home) = (Receiver::start(), home());
    let running = start(&home, &receiver.endpoint(), &["telemetry.otlp.interval=1s"]);
    (0..5).for_each(|n| running.publish("order", &format!("o-{n}"), &[], "7"));
    let page = settled(&running, 10.0);
    let settled_by_otlp = || {
        receiver.with(|received| {
            let request = received.metrics.last()?.clone();
            let settled = numbers(&request).into_iter().find(|(name, _, _)| name == "weir_settled_events")?;
            (settled.2 == 10.0).then_some(request)
        })
    };
    let request = eventually("the numbers are sent", settled_by_otlp);
    let sent = numbers(&request);
    for name in [
        "weir_arrived_events",
        "weir_routed_events",
        "weir_attempts",
        "weir_events",
        "weir_call_duration_seconds",
        "weir_deliveries",
        "weir_lag_events",
    ] {
        let mine: Vec<_> = sent.iter().filter(|(sent, _, _)| sent == name).collect();
        assert!(!mine.is_empty(), "{name}");
        for (_, labels, value) in mine {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let shown = [name.to_owned(), format!("{name}_total"), format!("{name}_count")]
                .map(|name| page.value(&name, &labels));
            assert_eq!(shown.iter().sum::<f64>(), *value, "{name} {labels:?}");
        }
    }
    let families: std::collections::BTreeSet<_> = sent.iter().map(|(name, _, _)| name.as_str()).collect();
    let shown: std::collections::BTreeSet<_> =
        page.types.keys().map(|name| name.trim_end_matches("_total").trim_end_matches("_info")).collect();
    assert_eq!(families, shown);
    running.terminate();
}

/// Name, labels and value of a point; of a histogram, its count.
type Number = (String, Vec<(String, String)>, f64);

fn numbers(
    request: &opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest,
) -> Vec<Number> {
    let labels = |attributes: &[_]| {
        let all: &[opentelemetry_proto::tonic::common::v1::KeyValue] = attributes;
        all.iter().map(|of| (of.key.clone(), attribute(all, &of.key).unwrap())).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for metric in request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics)
    {
        let points = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic);
                &sum.data_points
            }
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    all.push((metric.name.clone(), labels(&point.attributes), point.count as f64));
                }
                continue;
            }
            other => panic!("{other:?}"),
        };
        for point in points {
            let value = match point.value.unwrap() {
                Value::AsInt(value) => value as f64,
                Value::AsDouble(value) => value,
            };
            all.push((metric.name.clone(), labels(&point.attributes), value));
        }
    }
    all
}

/// Nobody listens there, or somebody who never answers.
#[test]
fn a_receiver_that_is_gone_costs_a_count() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    // Where nobody may listen but who is root, and nobody does.
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    for address in [gone, silent_address] {
        let (home, begun) = (home(), Instant::now());
        let running = start(
            &home,
            &format!("http://{address}"),
            &["telemetry.otlp.interval=1s", "telemetry.sampling=1", "http.max-batch=10000"],
        );
        const EVENTS: usize = 6_000;
        let events: Vec<_> = (0..EVENTS)
            .map(|n| format!(r#"{{"specversion":"1.0","id":"{n}","source":"/s","type":"order"}}"#))
            .collect();
        let headers = [("content-type", "application/cloudevents-batch+json")];
        let body = format!("[{}]", events.join(","));
        assert_eq!(running.connect().post("/", &headers, body.as_bytes()).unwrap().status, 202);
        let now = settled(&running, 2.0 * EVENTS as f64);
        let spans = |result| now.value("weir_spans_total", &[("result", result)]);
        assert_eq!(spans("sent"), 0.0);
        // Four spans an event, and room for some thousands.
        assert!(spans("dropped") >= (4 * EVENTS - 8192 - 512) as f64, "{}", spans("dropped"));
        let ended = running.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let lines = ended.log.matches("telemetry can't be exported").count();
        // One a second of each kind.
        let most = 20 + 2 * begun.elapsed().as_secs() as usize;
        assert!(lines <= most, "{lines} lines");
        assert!(ended.said("stopped: all that was in flight has settled").is_some(), "{}", ended.log);
    }
}

/// Nothing is exported, marked or counted where there is no endpoint.
#[test]
fn without_an_endpoint_nothing_is_traced() {
    let home = home();
    let running = Running::start(&home, &[]);
    running.publish("order", "o-1", &[("ce-traceparent", PARENT)], "7");
    let now = settled(&running, 2.0);
    assert_eq!(now.sum("weir_spans_total"), 0.0);
    running.terminate();
}
