//! `weir check`: the same findings in every format, the production checklist, and what makes it fail.

use super::session::Session;

const FUNCTION: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: f}
spec: {module: f.wasm}
";

/// A mistake, warnings and notes.
const DOUBTFUL: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders}
spec:
  broker: default
  filters:
    - exact: {type: order.created}
    - not: {exact: {tenant: acme}}
  subscriber: {ref: {kind: Function, name: f}}
  delivery: {timeout: PT5S}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: never}
spec:
  broker: default
  filters:
    - exact: {type: order.created}
    - exact: {type: order.paid}
  subscriber: {ref: {kind: Function, name: f}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: passed-over}
";

/// All that the checklist asks of.
const LAPTOP: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
spec: {delivery: {retry: 1000}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders, annotations: {weir.dev/delivery.order: ordered}}
spec:
  broker: default
  subscriber: {ref: {kind: Function, name: f}}
---
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata:
  name: orders
  annotations: {autoscaling.knative.dev/min-scale: \"0\"}
spec:
  bootstrapServers: ['kafka:9092']
  topics: [orders]
  sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: weir}
spec:
  replicas: 3
  template: {spec: {containers: [{name: weir, image: 'registry.example/weir:0.1'}]}}
";

const ALLOWED: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: orders
  annotations:
    weir.dev/allow: |
      no-timeout -- the printer takes its time
      no-dead-letter-sink, not-of-missing -- somebody looks every morning, and all are ours
spec:
  broker: default
  filters:
    - not: {exact: {tenant: acme}}
  subscriber: {ref: {kind: Function, name: f}}
";

fn session(name: &'static str) -> Session {
    let session = Session::new(name);
    session.write("f.wasm", "");
    for (folder, documents) in [("doubtful", DOUBTFUL), ("laptop", LAPTOP), ("allowed", ALLOWED)] {
        session.write(&format!("{folder}/a.yaml"), documents);
        session.write(&format!("{folder}/f.yaml"), FUNCTION);
        session.write(&format!("{folder}/f.wasm"), "");
    }
    session.write(
        "allowed/f.yaml",
        FUNCTION.replace("f.wasm", "f.wasm, timeout: 1s, price: {call: \"0.0001\"}"),
    );
    session.write("broken/a.yaml", DOUBTFUL.replace("broker: default", "brokr: default"));
    session.write("broken/100%,b.yaml", "kind: Trigger\n");
    session
}

#[test]
fn every_format() {
    let mut session = session("check-formats");
    session.weir(&["check", "doubtful"]);
    for format in ["json", "github"] {
        session.weir(&["check", "doubtful", "--format", format]);
        session.weir(&["check", "broken", "nowhere", "--set", "log.level=loud", "--format", format]);
    }
    session.weir(&["check", "--format", "json", "--show-origin"]);
    session.expect();
}

#[test]
fn strict() {
    let mut session = session("check-strict");
    session.weir(&["check", "doubtful", "--strict"]);
    session.weir(&["check", "doubtful", "--strict", "--format", "github"]);
    let output =
        session.command().args(["check", "doubtful", "--strict", "--format", "json"]).output().unwrap();
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &object["summary"]["ok"]), (Some(78), &false.into()));
    assert!(output.stderr.is_empty());
    // A note fails nothing.
    session.write("laptop/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    session.weir(&["check", "laptop", "--strict"]);
    session.expect();
}

#[test]
fn production() {
    let mut session = session("check-production");
    session.weir(&["check", "laptop", "--production"]);
    session.weir(&["check", "laptop", "--production", "--strict", "--format", "github"]);
    session.weir(&["check", "allowed", "--production", "--strict"]);
    session.write("allowed/a.yaml", ALLOWED.replace("no-timeout --", "no-timout --"));
    session.weir(&["check", "allowed", "--production"]);
    session.expect();
}
