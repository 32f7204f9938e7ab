//! `weir explain`: what it shows of each kind of clause, for people and for programs, and how it ends.

use super::session::Session;

/// Filters of every dialect, and a broker with a delivery of its own.
const TRIGGERS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default}
spec: {delivery: {retry: 3, backoffDelay: PT2S}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: failed}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: payments
  annotations: {weir.dev/delivery.order: ordered}
spec:
  broker: default
  filters:
    - exact: {type: order.created}
    - cesql: amount >= 100 AND (currency = 'EUR' OR currency = 'USD')
  subscriber: {ref: {kind: Function, name: f}}
  delivery:
    retry: 5
    backoffPolicy: linear
    deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: failed}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: near-misses}
spec:
  broker: default
  filters:
    - any:
        - exact: {type: Order.Created}
        - exact: {type: order., source: /shop}
        - prefix: {type: 'order.*'}
        - suffix: {curency: R}
        - cesql: type = 'order.craeted'
    - not: {exact: {tenant: acme}}
    - not: {cesql: tenant = 'acme'}
  subscriber: {ref: {kind: Function, name: f}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: errors}
spec:
  broker: default
  filters:
    - cesql: |
        LENGTH(subject) > 3
          OR INT(currency) = 5
  subscriber: {ref: {kind: Function, name: f}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: all}
spec: {broker: default, subscriber: {ref: {kind: Function, name: f}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: failures}
spec:
  broker: failed
  filter: {attributes: {type: order.created, subject: ''}}
  subscriber: {ref: {kind: Function, name: f}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: by-data
  annotations: {weir.dev/data-filter: '/order_id = \"1\" and (/vip or /amount > 100) and not /test'}
spec: {broker: failed, subscriber: {ref: {kind: Function, name: f}}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: f}
spec: {module: f.wasm}
";

const ORDER: &str = r#"{"specversion":"1.0","id":"o-1","source":"/shop","type":"order.created",
  "partitionkey":"c-7","amount":120,"currency":"EUR","data":{"order_id":"1"}}"#;

fn session(name: &'static str) -> Session {
    let session = Session::new(name);
    session.write("triggers/triggers.yaml", TRIGGERS);
    session.write("triggers/f.wasm", "");
    session.write("order.json", ORDER);
    session
}

#[test]
fn explain() {
    let mut session = session("explain");
    session.weir(&["explain", "order.json"]);
    session.weir(&["explain", "order.json", "--trigger", "payments", "--format", "json"]);
    session.weir(&["explain", "--type", "order.created", "--broker", "default/failed"]);
    session.weir(&[
        "explain",
        "--type",
        "order.created",
        "--subject",
        "s",
        "--trigger",
        "failures",
        "triggers",
    ]);
    session.weir(&["explain", "order.json", "--trigger", "by-data"]);
    // One that goes nowhere fails a batch.
    let other = ORDER.replace("order.created", "order.updated");
    session.write("batch.json", format!("[{ORDER},{other}]"));
    let arguments = ["explain", "-", "--trigger", "payments"];
    let mut command = session.command();
    command.args(arguments);
    session.run(&arguments, command, format!("[{ORDER},{other}]").as_bytes());
    session.expect();
}

#[test]
fn explain_called_wrongly() {
    let mut session = session("explain-wrong");
    session.weir(&["explain"]).weir(&["explain", "nowhere.json"]);
    session.weir(&["explain", "order.json", "--subject", "s"]).weir(&["explain", "-t", ""]);
    session.weir(&["explain", "order.json", "--broker", "shop"]);
    session.weir(&["explain", "order.json", "--trigger", "payment"]);
    session.weir(&["explain", "order.json", "--broker", "failed", "--trigger", "payments"]);
    session.write("bad.yaml", TRIGGERS.replace("broker: failed", "broker: faild"));
    session.weir(&["explain", "order.json", "bad.yaml"]);
    session.write("empty/readme.txt", "");
    session.weir(&["explain", "order.json", "empty"]);
    session.expect();
}
