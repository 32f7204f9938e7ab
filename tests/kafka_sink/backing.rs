//! Brokers that have their events in Kafka: what is posted to them, and replies.

use crate::dead_letters::{noise, sink};
use crate::topic::Topic;
use crate::worker::{Home, Running, eventually, guests};

fn broker(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n---\n"
    )
}

fn function(name: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

fn trigger(broker: &str, function: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {broker}}}
spec:
  broker: {broker}
  filter: {{attributes: {{type: task}}}}
  subscriber: {{ref: {{kind: Function, name: {function}}}}}
  delivery: {{retry: 100, backoffPolicy: linear, backoffDelay: PT0.3S}}
---
"
    )
}

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn json(id: &str, key: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"task","partitionkey":"{key}","data":{{"n":1}}}}"#
    )
}

#[test]
fn what_is_posted_is_in_the_topic_when_it_is_answered() {
    let (binary, whole) = (Topic::new("binary", 3, &[]), Topic::new("whole", 1, &[]));
    let documents = [
        sink("binary", &binary, ""),
        sink("whole", &whole, "  contentMode: structured\n"),
        broker("default", "weir.dev/backing: KafkaSink/binary"),
        broker("whole", "weir.dev/backing: KafkaSink/whole"),
        broker("queued", ""),
        trigger("queued", "audit"),
        function("audit"),
    ];
    let home = Home::new(&documents.concat());
    home.write("audit.wasm", &guests::audit());
    let worker = Running::start(&home, &["--set", "http.max-body=4MiB"]);
    let mut connection = worker.connect();
    worker.publish("task", "1", &[("ce-partitionkey", "k")], "{\"n\":1}");
    // Nothing is waited for.
    let records = binary.records();
    assert_eq!((records.len(), records[0].id(), records[0].text().as_str()), (1, "1", "{\"n\":1}"));
    assert_eq!(records[0].key.as_deref(), Some("k"));
    assert_eq!(connection.post("/", &[STRUCTURED], json("2", "k").as_bytes()).unwrap().status, 202);
    let batch = format!("[{},{}]", json("3", "k"), json("4", "k"));
    assert_eq!(connection.post("/default/default", &[BATCH], batch.as_bytes()).unwrap().status, 202);
    let records = binary.records();
    let ids: Vec<_> = records.iter().map(|record| record.id()).collect();
    assert_eq!(ids, ["1", "2", "3", "4"], "one key is one partition");

    assert_eq!(
        connection.post("/default/whole", &[STRUCTURED], json("5", "k").as_bytes()).unwrap().status,
        202
    );
    let record = whole.records().remove(0);
    assert_eq!((record.header("content-type"), record.headers.len()), ("application/cloudevents+json", 1));
    let event: serde_json::Value = serde_json::from_str(&record.text()).unwrap();
    assert_eq!(
        (&event["id"], &event["data"]["n"], record.key.as_deref()),
        (&"5".into(), &1.into(), Some("k"))
    );

    // A broker that lives in the queue is what it was.
    assert_eq!(
        connection.post("/default/queued", &[STRUCTURED], json("6", "k").as_bytes()).unwrap().status,
        202
    );
    eventually("it has run", || (home.about("6").len() == 1).then_some(()));
    assert!(home.about("1").is_empty(), "the worker reads nothing for the broker itself");

    let huge = json("7", "k").replace("{\"n\":1}", &format!("\"{}\"", noise(2_000_000)));
    let response = connection.post("/", &[STRUCTURED], huge.as_bytes()).unwrap();
    assert_eq!(response.status, 413, "{}", response.text());
    assert!(response.text().contains("takes no event that is so large"), "{}", response.text());
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_publisher_is_told_to_come_again_while_the_topic_is_not_there() {
    let absent = Topic::absent("absent");
    let documents = [
        sink("absent", &absent, ""),
        broker("default", "weir.dev/backing: KafkaSink/absent"),
        broker("queued", ""),
        trigger("queued", "audit"),
        function("audit"),
    ];
    let home = Home::new(&documents.concat());
    home.write("audit.wasm", &guests::audit());
    let worker = Running::start(&home, &["--set", "http.request-timeout=1s"]);
    let mut connection = worker.connect();
    let response = connection.post("/", &[STRUCTURED], json("1", "k").as_bytes()).unwrap();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{}", response.text());
    // Others are not held up.
    eventually("it is taken", || {
        let response =
            worker.connect().post("/default/queued", &[STRUCTURED], json("2", "k").as_bytes()).unwrap();
        (response.status == 202).then_some(())
    });
    absent.create(1, &[]);
    eventually("it is taken", || {
        let response = worker.connect().post("/", &[STRUCTURED], json("3", "k").as_bytes()).unwrap();
        (response.status == 202).then_some(())
    });
    let ids: Vec<_> = absent.records().iter().map(|record| record.id().to_owned()).collect();
    assert!(ids.contains(&"3".to_owned()), "{ids:?}");
    assert_eq!(worker.terminate().code, Some(0));
}

/// Events wait in the queue of a broker that gets a backing meanwhile: their replies go there, all of them.
#[test]
fn a_reload_gives_a_broker_a_backing_and_replies_go_there() {
    let (replies, others) = (Topic::new("replies", 3, &[]), Topic::new("others", 1, &[]));
    let before = broker("default", "") + &trigger("default", "work") + &function("work");
    let home = Home::new(&before);
    home.write("work.wasm", &guests::brittle());
    let worker = Running::start(&home, &["--set", "reload.interval=10ms"]);
    let changes = || worker.log().matches("a change has taken effect").count();
    for n in 0..10 {
        worker.publish("task", &n.to_string(), &[("ce-partitionkey", &n.to_string())], "\"!\"");
    }
    eventually("all have failed", || (home.journal().len() >= 10).then_some(()));
    let after = |topic: &Topic| {
        sink("replies", topic, "")
            + &broker("default", "weir.dev/backing: KafkaSink/replies")
            + &trigger("default", "work")
            + &function("work")
    };
    // Whoever looks in between has a function that fails and a broker with its backing.
    home.write("documents.yaml", after(&replies).as_bytes());
    home.write("work.wasm", &guests::answering("done"));
    worker.hangup();
    let records = replies.await_records(10);
    eventually("all has settled", || (home.status().events_in_flight == 0).then_some(()));
    assert_eq!(replies.records().len(), 10, "each once");
    assert!(records.iter().all(|record| record.header("ce_type") == "done"));
    assert!(records.iter().all(|record| record.header("ce_knativebrokerttl") == "254"));

    // The same sink is another topic, and what is posted goes there.
    let seen = changes();
    home.write("documents.yaml", after(&others).as_bytes());
    worker.hangup();
    eventually("it is taken", || (changes() > seen).then_some(()));
    worker.publish("task", "there", &[], "{}");
    assert_eq!(others.await_records(1)[0].id(), "there");

    // And the queue's again.
    let seen = changes();
    home.write("documents.yaml", before.as_bytes());
    worker.hangup();
    eventually("it is taken", || (changes() > seen).then_some(()));
    worker.publish("task", "here", &[], "{}");
    eventually("it has run", || (home.about("here").len() == 1).then_some(()));
    assert_eq!((replies.records().len(), others.records().len()), (10, 1));
    assert_eq!(worker.terminate().code, Some(0));
}

/// Whoever posts an event in direct mode gets the one reply there is; several go to the backing before he is answered.
#[test]
fn several_replies_of_direct_mode_go_to_the_backing() {
    let topic = Topic::new("replies", 3, &[]);
    let replies = r#"[{"specversion":"1.0","type":"a"},{"specversion":"1.0","type":"b"}]"#;
    let handle = format!("(i64.const {})", (16_u64 << 32) | replies.len() as u64);
    let two = guests::guest(&handle, &format!(r#"(data (i32.const 16) "{}")"#, replies.replace('"', "\\\"")));
    let documents = [
        sink("replies", &topic, ""),
        broker("default", "weir.dev/backing: KafkaSink/replies"),
        trigger("default", "two"),
        function("two"),
    ];
    let home = Home::new(&documents.concat());
    home.write("two.wasm", &two);
    let worker = Running::start(&home, &["--set", "http.mode=direct"]);
    worker.publish("task", "1", &[("ce-partitionkey", "k")], "{}");
    let types: Vec<_> = topic.records().iter().map(|record| record.header("ce_type").to_owned()).collect();
    assert_eq!(types.len(), 2, "{types:?}");
    assert_eq!(worker.terminate().code, Some(0));
}
