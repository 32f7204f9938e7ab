//! A data filter is asked before an instance is taken: what does not pass costs none, and waits for none.

mod worker;

use worker::{Home, Running, eventually, guests};

const DOCUMENTS: &str = r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: large
  annotations:
    weir.dev/data-filter: /amount > 1000 and not /test
    weir.dev/delivery.order: unordered
spec:
  broker: default
  filter: {attributes: {type: order.created}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: endless}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: endless}
spec: {module: endless.wasm}
"#;

#[test]
fn what_a_data_filter_refuses_settles_while_the_only_instance_is_taken() {
    let home = Home::new(DOCUMENTS);
    home.write("endless.wasm", &guests::endless());
    let worker = Running::start(&home, &["--executors", "1", "--set", "function.timeout=1h"]);
    let order = |id: &str, data: &str| worker.publish("order.created", id, &[], data);
    order("taker", r#"{"amount": 2000, "test": false}"#);
    eventually("the only instance is taken", || {
        let status = home.status();
        ((status.arrived, status.events_in_flight) == (1, 1)).then_some(())
    });
    let refused = [
        r#"{"amount": 1000, "test": false}"#,
        r#"{"amount": "2000", "test": false}"#,
        r#"{"amount": 2000, "test": true}"#,
        r#"{"amount": 2000}"#,
        r#"{"amount": 2000, "test": false"#,
        "",
    ];
    for round in 0..20 {
        for (n, data) in refused.iter().enumerate() {
            order(&format!("refused-{round}-{n}"), data);
        }
    }
    // What passes waits for the instance.
    order("behind", r#"{"amount": 1000.5, "test": false}"#);
    let most = eventually("all that was refused has settled", || {
        let status = home.status();
        (status.settled == 120 && status.arrived == 122).then_some(status)
    });
    assert_eq!((most.unrouted, most.events_in_flight, most.attempts), (120, 2, 0));
    worker.kill();

    // The next worker tries what waited, and nothing else.
    home.write("endless.wasm", &guests::audit());
    let worker = Running::start(&home, &["--executors", "1"]);
    eventually("what waited is done", || (home.status().delivered == 2).then_some(()));
    assert_eq!(worker.terminate().code, Some(0));
    let mut tried: Vec<_> = home.journal().into_iter().map(|entry| entry.event_id).collect();
    tried.sort();
    assert_eq!(tried, ["behind", "taker"]);
}
