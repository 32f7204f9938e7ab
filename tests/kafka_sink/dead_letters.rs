//! Dead letters to topics: all of the event, all of what it failed of, and none of them lost whatever the brokers do.

use std::collections::BTreeSet;

use base64::Engine;

use crate::brokers;
use crate::topic::{Record, Topic};
use crate::worker::running::post;
use crate::worker::{Connection, Home, Running, eventually, guests};

/// A KafkaSink of this topic; `more` of its spec.
pub(crate) fn sink(name: &str, topic: &Topic, more: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {{name: {name}}}\nspec:\n  topic: {}\n  \
         bootstrapServers: [{:?}]\n{more}---\n",
        topic.name,
        brokers::kafka(),
    )
}

/// A trigger whose function traps on an event that has a `!`, and whose dead letters go to the KafkaSink of that name.
fn brittle(to: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: task}}
spec:
  broker: default
  filter: {{attributes: {{type: task}}}}
  subscriber: {{ref: {{kind: Function, name: brittle}}}}
  delivery:
    retry: 2
    backoffDelay: PT0.01S
    deadLetterSink: {{ref: {{apiVersion: eventing.knative.dev/v1alpha1, kind: KafkaSink, name: {to}}}}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: brittle}}
spec: {{module: brittle.wasm, price: {{call: \"0.5\"}}}}
---
"
    )
}

fn home(documents: &str) -> Home {
    let home = Home::new(documents);
    home.write("brittle.wasm", &guests::brittle());
    home
}

/// So many have come, and none is under way: before they have come, none is, either.
fn idle(home: &Home, arrived: u64) {
    eventually("all has settled", || {
        let status = home.status();
        (status.arrived >= arrived && status.events_in_flight == 0 && status.parked == 0).then_some(())
    });
}

fn plain(text: &str) -> String {
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_dead_letter_is_the_event_with_all_that_it_failed_of() {
    let topic = Topic::new("letters", 3, &[]);
    let home = home(&(sink("letters", &topic, "") + &brittle("letters")));
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[("ce-region", "eu"), ("ce-partitionkey", "k")], "\"!\"");
    worker.publish("task", "good", &[], "\"?\"");
    idle(&home, 2);
    let records = topic.records();
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!((record.text().as_str(), record.key.as_deref()), ("\"!\"", Some("k")));
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "bad"),
        ("ce_source", "/shop"),
        ("ce_type", "task"),
        ("ce_region", "eu"),
        ("ce_partitionkey", "k"),
        ("content-type", "application/json"),
        ("ce_knativeerrordest", "default/brittle"),
        ("ce_knativeerrorcode", "unreachable"),
        ("ce_weirattempts", "3"),
        ("ce_weirtrigger", "default/task"),
        ("ce_weircost", "1.5"),
    ] {
        assert_eq!(record.header(name), value, "{name}");
    }
    assert!(!plain(record.header("ce_knativeerrordata")).is_empty());
    let digest = blake3::hash(&guests::brittle()).to_hex().to_string();
    assert_eq!(record.header("ce_weirdigest"), digest);
    assert!(record.header("ce_weirposition").ends_with("/0/0"), "{}", record.header("ce_weirposition"));
    assert!(home.dead_letters().is_empty(), "it is where it was to go");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn one_that_is_too_large_is_kept_here_and_where_there_is_room_it_arrives() {
    let (small, large) =
        (Topic::new("small", 1, &[]), Topic::new("large", 1, &[("max.message.bytes", "4000000")]));
    let documents = |to: &Topic| sink("letters", to, "") + &brittle("letters");
    let home = home(&documents(&small));
    let worker = Running::start(&home, &["--set", "http.max-body=4MiB", "--set", "reload.interval=10ms"]);
    let data = format!("\"!{}\"", noise(2_000_000));
    worker.publish("task", "huge", &[], &data);
    let letters =
        eventually("it is kept", || Some(home.dead_letters()).filter(|letters| !letters.is_empty()));
    assert_eq!((letters[0].reason.as_str(), letters[0].event_id.as_str()), ("bad-buffer", "huge"));
    assert!(
        letters[0].message.contains("KafkaSink default/letters refused its dead letter"),
        "{}",
        letters[0].message
    );
    worker.publish("task", "bad", &[], "\"!\"");
    assert_eq!(small.await_records(1)[0].id(), "bad", "it holds up no other");
    idle(&home, 2);
    // The sink is another topic from here on.
    home.write("documents.yaml", documents(&large).as_bytes());
    worker.hangup();
    eventually("it is taken", || worker.said("a change has taken effect"));
    worker.publish("task", "huge", &[], &data);
    assert_eq!(large.await_records(1)[0].text(), data);
    idle(&home, 3);
    assert_eq!((small.records().len(), home.dead_letters().len()), (1, 1));
    assert_eq!(worker.terminate().code, Some(0));
}

/// A topic that is compacted takes no record without a key, and never will.
#[test]
fn what_a_topic_refuses_for_good_is_kept_here_and_counted() {
    let topic = Topic::new("compacted", 1, &[("cleanup.policy", "compact")]);
    let backing = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: compacted, annotations: \
                   {weir.dev/backing: KafkaSink/letters}}\n---\n";
    let home = home(&(sink("letters", &topic, "") + backing + &brittle("letters")));
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], "\"!\"");
    worker.publish("task", "keyed", &[("ce-partitionkey", "k")], "\"!\"");
    idle(&home, 2);
    let letters = home.dead_letters();
    assert_eq!((letters.len(), letters[0].event_id.as_str()), (1, "bad"), "{letters:?}");
    assert!(letters[0].message.contains("refused its dead letter"), "{}", letters[0].message);
    assert_eq!(topic.records().iter().map(|record| record.id().to_owned()).collect::<Vec<_>>(), ["keyed"]);
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let structured = [("content-type", "application/cloudevents+json")];
    let response = worker.connect().post("/default/compacted", &structured, event.as_bytes()).unwrap();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")), "{}", response.text());
    let metrics =
        Connection::open(worker.admin()).unwrap().request("GET", "/metrics", &[], b"").unwrap().text();
    assert!(metrics.contains("weir_sink_records_total{result=\"refused\"} 2\n"), "{metrics}");
    assert!(metrics.contains("weir_sink_records_total{result=\"acknowledged\"} 1\n"), "{metrics}");
    assert_eq!(worker.terminate().code, Some(0));
}

/// Of which nothing is left to compress, and which needs no escapes in JSON.
pub(crate) fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'#' + (state % 57) as u8)
    });
    next.take(bytes).collect()
}

#[test]
fn a_topic_that_is_absent_is_made_or_waited_for() {
    let made = Topic::absent("made");
    let spec = "  numPartitions: 2\n  replicationFactor: 1\n  contentMode: structured\n";
    let first = home(&(sink("letters", &made, spec) + &brittle("letters")));
    let worker = Running::start(&first, &[]);
    worker.publish("task", "bad", &[], "\"!\"");
    let record = made.await_records(1).remove(0);
    assert_eq!((made.partitions(), record.header("content-type")), (2, "application/cloudevents+json"));
    let whole: serde_json::Value = serde_json::from_str(&record.text()).unwrap();
    assert_eq!(
        (&whole["id"], &whole["data"], &whole["weirattempts"]),
        (&"bad".into(), &"!".into(), &3.into())
    );
    assert_eq!(worker.terminate().code, Some(0));

    let waited = Topic::absent("waited");
    let second = home(&(sink("letters", &waited, "") + &brittle("letters")));
    let worker = Running::start(&second, &[]);
    for n in 0..20 {
        worker.publish("task", &n.to_string(), &[("ce-partitionkey", &n.to_string())], "\"!\"");
    }
    let log = eventually("it says so", || {
        let log = worker.log();
        log.contains("there is no such topic").then_some(log)
    });
    assert!(log.contains(&format!("--create --topic {}", waited.name)), "{log}");
    // Other events go on beside those that wait.
    worker.publish("task", "good", &[], "\"?\"");
    eventually("it is done", || (second.succeeded("default/task").len() == 1).then_some(()));
    eventually("only those wait", || (second.status().events_in_flight == 20).then_some(()));
    waited.create(1, &[]);
    waited.await_records(20);
    idle(&second, 21);
    let ids: BTreeSet<_> = waited.records().iter().map(|record| record.id().to_owned()).collect();
    assert_eq!((ids.len(), waited.records().len(), second.dead_letters().len()), (20, 20, 0));
    assert_eq!(worker.terminate().code, Some(0));
}

/// So many failures in a row would pause the trigger.
const NO_BREAK: &[&str] = &["--set", "breaker.failures=0"];

#[test]
fn nothing_is_lost_while_the_broker_is_away_and_the_worker_is_killed() {
    let topic = Topic::new("letters", 3, &[]);
    let home = home(&(sink("letters", &topic, "") + &brittle("letters")));
    let worker = Running::start(&home, NO_BREAK);
    let publish = |worker: &Running, ids: std::ops::Range<u32>| {
        for n in ids {
            worker.publish("task", &n.to_string(), &[("ce-partitionkey", &n.to_string())], "\"!\"");
        }
    };
    publish(&worker, 0..50);
    topic.await_records(50);
    let frozen = brokers::freeze_kafka();
    publish(&worker, 50..100);
    eventually("all of them have failed", || (home.journal().len() >= 50 * 3 + 50 * 2).then_some(()));
    worker.kill();
    let worker = Running::start(&home, NO_BREAK);
    publish(&worker, 100..150);
    drop(frozen);
    eventually("all have settled", || (home.status().events_in_flight == 0).then_some(()));
    let ids: BTreeSet<_> = topic.await_records(150).iter().map(|record| record.id().to_owned()).collect();
    assert_eq!(ids.len(), 150);
    assert!(home.dead_letters().is_empty());
    assert_eq!(worker.terminate().code, Some(0));
}

/// Killed in the middle of it, again and again: what was acknowledged and not written down is there twice, and nothing is missing.
#[test]
fn kills_lose_no_dead_letter() {
    let topic = Topic::new("letters", 3, &[]);
    let home = home(&(sink("letters", &topic, "") + &brittle("letters")));
    for round in 0..4 {
        let worker = Running::start(&home, NO_BREAK);
        let mut connection = worker.connect();
        for n in 0..100 {
            let id = format!("{round}-{n}");
            let response = post(&mut connection, "task", &id, &[("ce-partitionkey", &id)], "\"!\"").unwrap();
            assert_eq!(response.status, 202, "{}", response.text());
        }
        worker.kill();
    }
    let worker = Running::start(&home, NO_BREAK);
    // A worker that has just begun has read nothing of what it was left, and nothing of it is in flight.
    eventually("all are there", || {
        let records = topic.records();
        let ids: BTreeSet<_> = records.iter().map(Record::id).collect();
        (ids.len() == 400).then_some(())
    });
    idle(&home, 0);
    assert!(home.dead_letters().is_empty());
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_secret_that_is_not_there_refuses_the_start() {
    let topic = Topic::absent("secret");
    let auth = "  auth: {secret: {ref: {name: login}}}\n";
    let home = home(&(sink("letters", &topic, auth) + &brittle("letters")));
    let ended = Running::try_start(&home, &[]).unwrap_err();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("KafkaSink default/letters: the secret 'login/protocol'"), "{}", ended.log);
    home.secret("login/protocol", "PLAINTEXT\n");
    topic.create(1, &[]);
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], "\"!\"");
    topic.await_records(1);
    assert_eq!(worker.terminate().code, Some(0));
}
