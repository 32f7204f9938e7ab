//! The journal, asked by its commands: what stands in it, whether it holds, what an event cost, and what a dead worker left.

mod worker;

#[path = "billing/receiver.rs"]
mod receiver;

use std::process::Output;

use receiver::{Mood, Receiver};
use serde_json::Value;
use weir::store::Log;
use weir::worker::query::Step;
use worker::{Home, Running, eventually, guests};

const TRIGGERS: &str = "
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders}
spec:
  broker: default
  filter: {attributes: {type: order}}
  subscriber: {ref: {kind: Function, name: answering}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: replies}
spec:
  broker: default
  filter: {attributes: {type: answered}}
  subscriber: {ref: {kind: Function, name: audit}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: answering}
spec: {module: answering.wasm, price: {call: '2'}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: audit}
spec: {module: audit.wasm, price: {call: '0.5'}}
";

fn home(more: &str) -> Home {
    let home = Home::new(&format!("{TRIGGERS}{more}"));
    home.write("answering.wasm", &guests::answering("answered"));
    home.write("audit.wasm", &guests::audit());
    home
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_an_event_cost_is_told_through_its_replies() {
    let home = home("");
    let running = Running::start(&home, &[]);
    for id in ["o-1", "o-2"] {
        running.publish("order", id, &[], "{}");
    }
    eventually("both have run, and their replies", || (home.journal().len() == 4).then_some(()));
    let steps = said(&home.weir(&["cost", "--event", "o-1", "--format", "json"]));
    let steps: Vec<Step> = steps.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let triggers: Vec<_> = steps.iter().map(|step| (step.depth, step.entry.trigger.as_str())).collect();
    assert_eq!(triggers, [(0, "default/orders"), (1, "default/replies")]);
    let table = said(&home.weir(&["cost", "--event", "o-1"]));
    assert!(table.lines().last().unwrap().trim_end().ends_with("2.5"), "{table}");

    let csv = said(&home.weir(&["cost", "--by", "function", "--format", "csv"]));
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("function,attempts,succeeded,failed,retries,repeats,"), "{csv}");
    assert!(
        lines[1].starts_with("default/answering,2,2,0,0,0,") && lines[1].ends_with(",4,0,0,0,0,0"),
        "{csv}"
    );
    let top = said(&home.weir(&["cost", "--by", "function", "--top", "1"]));
    assert!(top.contains("default/answering") && !top.contains("default/audit"), "{top}");
    for (by, row) in [("outcome", "succeeded"), ("cause", "first"), ("hour", "h ")] {
        assert!(said(&home.weir(&["cost", "--by", by])).contains(row), "{by}");
    }
    let none = said(&home.weir(&["cost", "--since", "2100-01-01T00:00:00Z", "--format", "json"]));
    let none: Value = serde_json::from_str(&none).unwrap();
    assert_eq!((&none["table"]["total"]["attempts"], &none["entries"]), (&0.into(), &4.into()));
}

#[test]
fn the_chain_is_looked_at_and_a_broken_one_names_the_place() {
    let home = home("");
    let running = Running::start(&home, &[]);
    for n in 0..5 {
        running.publish("other", &format!("none-{n}"), &[], "{}");
        running.publish("order", &format!("o-{n}"), &[], "{}");
    }
    eventually("all have run", || (home.journal().len() == 10).then_some(()));
    let verified = home.weir(&["journal", "verify"]);
    assert!(verified.status.success() && said(&verified).starts_with("10 entries in "), "{verified:?}");
    assert_eq!(said(&home.weir(&["journal", "dump"])).lines().count(), 10);
    assert!(said(&home.weir(&["journal", "stats"])).contains("entries ever"));
    assert_eq!(running.terminate().code, Some(0));
    let stopped = home.weir(&["journal", "verify"]);
    assert_eq!(said(&stopped), said(&home.weir(&["journal", "verify"])), "whoever answers");

    let log = Log::open(&home.data().join("journal"), Default::default()).unwrap();
    let (last, first) = (log.flushed(), log.get(log.first()).unwrap().unwrap());
    log.append(first);
    log.flush().unwrap();
    drop(log);
    let broken = home.weir(&["journal", "verify"]);
    let why = String::from_utf8(broken.stderr).unwrap();
    assert_eq!(broken.status.code(), Some(1));
    assert!(why.contains(&format!("segment {last} does not go on from the one before it")), "{why}");
}

#[test]
fn what_a_dead_worker_left_is_shipped_by_somebody_else() {
    let receiver = Receiver::start();
    receiver.be(Mood::Down);
    let billing = format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: BillingSink\nmetadata: {{name: usage}}\nspec: {{http: {{url: '{}'}}}}\n",
        receiver.url()
    );
    let home = home(&billing);
    let running = Running::start(&home, &[]);
    for n in 0..7 {
        running.publish("order", &format!("o-{n}"), &[], "{}");
    }
    eventually("all have run", || (home.journal().len() == 14).then_some(()));
    running.kill();
    let stats: Value =
        serde_json::from_str(&said(&home.weir(&["journal", "stats", "--format", "json"]))).unwrap();
    assert_eq!(
        (&stats["entries"], &stats["waiting"]),
        (&14.into(), &serde_json::json!([["default/usage", 14]]))
    );
    receiver.be(Mood::Well);
    for shipped in [14, 0] {
        let rescued = home.weir(&["journal", "rescue", "documents.yaml"]);
        assert_eq!(
            said(&rescued),
            format!("BillingSink default/usage: {shipped} entries shipped\n"),
            "{rescued:?}"
        );
    }
    assert_eq!(receiver.state().first.len(), 14);
    let stats: Value =
        serde_json::from_str(&said(&home.weir(&["journal", "stats", "--format", "json"]))).unwrap();
    assert_eq!(stats["waiting"], serde_json::json!([["default/usage", 0]]));
}
