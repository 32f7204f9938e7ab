//! Three workers of a group ship what they do, while they are killed, partitions move and the receiver misbehaves: the first of
//! each charge id is what the events needed, no more and no less. And usage that goes to a topic.
//!
//! WEIR_SEED and WEIR_BILLING_KILLS make it another and longer.

#[path = "brokers/mod.rs"]
mod brokers;
#[allow(dead_code)]
#[path = "storm/dice.rs"]
mod dice;
mod kafka;
#[path = "billing/ledger.rs"]
mod ledger;
#[path = "billing/receiver.rs"]
mod receiver;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dice::Dice;
use kafka::Topic;
use ledger::Ledger;
use receiver::{MOODS, Mood, Receiver};
use serde_json::Value;
use worker::{Home, Running, eventually, guests};

const WORKERS: usize = 3;
const EVENTS_A_TURN: usize = 120;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

fn home(topic: &Topic, billing: &str) -> Home {
    let Topic { address, name, .. } = topic;
    let home = Home::new(&format!(
        "apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: orders}}
spec:
  bootstrapServers: ['{address}']
  topics: [{name}]
  consumerGroup: {name}
  initialOffset: earliest
  sink: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}}}
  delivery: {{deadLetterSink: {{ref: {{apiVersion: eventing.knative.dev/v1alpha1, kind: KafkaSink, name: other}}}}}}
---
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {{name: other}}
spec: {{topic: {name}.other, bootstrapServers: ['{address}'], numPartitions: 3, replicationFactor: 1}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: audit}}
spec: {{module: audit.wasm, tenant: '$customer, acme', price: {{call: '0.001'}}}}
---
apiVersion: weir.dev/v1alpha1
kind: BillingSink
metadata: {{name: usage}}
spec: {{{billing}, batch: 16, interval: PT0.05S}}
"
    ));
    home.write("audit.wasm", &guests::audit());
    home
}

/// The charges that were received about each event. A late result of a partition that was lost is none.
fn billed(receiver: &Receiver) -> BTreeMap<String, Vec<Value>> {
    let mut billed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in receiver.state().first.values().filter(|event| event["type"] != "dev.weir.usage.fenced.v1") {
        billed.entry(event["data"]["event_id"].as_str().unwrap().to_owned()).or_default().push(event.clone());
    }
    billed
}

/// `lasts`: the data directories outlive their workers.
fn storm(lasts: bool) {
    let (seed, turns) = (number("WEIR_SEED", 5), number("WEIR_BILLING_KILLS", 3));
    println!("WEIR_SEED={seed}");
    let mut dice = Dice::new(seed);
    let topic = Topic::new(6);
    let receiver = Receiver::start();
    let homes: Vec<Home> =
        (0..WORKERS).map(|_| home(&topic, &format!("http: {{url: '{}'}}", receiver.url()))).collect();
    let durable = format!("data.durable={lasts}");
    let mode = if lasts { "http.mode=stored" } else { "http.mode=direct" };
    let options =
        [&["--set", "kafka.session-timeout=6s", "--set", &durable, "--set", mode][..], &ledger::ROOM]
            .concat();
    let mut workers: Vec<Option<Running>> =
        homes.iter().map(|home| Some(Running::start(home, &options))).collect();
    let (mut published, mut ledger) = (0, Ledger::default());
    let publish = |from: usize, to: usize| {
        for n in from..to {
            // Long, so that volumes are full soon.
            let id = format!("e-{n}-{}", "x".repeat(1_000));
            topic.publish(n as i32 % topic.partitions, None, "order", &id, "{}");
        }
        topic.flush();
    };
    for _ in 0..turns {
        receiver.be(MOODS[dice.within(0..MOODS.len() as u64) as usize]);
        publish(published, published + EVENTS_A_TURN);
        published += EVENTS_A_TURN;
        std::thread::sleep(std::time::Duration::from_millis(dice.within(0..400)));
        if dice.within(0..2) == 0 {
            receiver.be(Mood::Well);
            let half = published / 2;
            eventually("it goes on", || (billed(&receiver).len() > half).then_some(()));
        }
        let which = dice.within(0..WORKERS as u64) as usize;
        workers[which].take().unwrap().kill();
        if lasts {
            ledger.look(which, &homes[which]);
            let others = homes.iter().enumerate().filter(|(other, _)| *other != which);
            others.for_each(|(_, home)| ledger.look_beside(home));
        } else {
            std::fs::remove_dir_all(homes[which].data()).unwrap();
        }
        workers[which] = Some(Running::start(&homes[which], &options));
    }
    receiver.be(Mood::Well);
    topic.until_done();
    eventually("everything is billed", || (billed(&receiver).len() == published).then_some(()));
    for worker in workers.into_iter().flatten() {
        assert_eq!(worker.terminate().code, Some(0));
    }
    if lasts {
        (0..).zip(&homes).for_each(|(which, home)| ledger.look(which, home));
        receiver.state().first.values().for_each(|event| ledger.assert_knows(event));
        assert!(turns < 100 || ledger.dropped() > 0, "volumes have been dropped");
    }
    let billed = billed(&receiver);
    assert_eq!(billed.len(), published);
    for (event, charges) in &billed {
        assert_eq!(charges.len(), 1, "{event} needed one attempt: {charges:?}");
        assert_eq!(
            (&charges[0]["data"]["attempt"], &charges[0]["data"]["price"]),
            (&1.into(), &"0.001".into())
        );
    }
    let state = receiver.state();
    assert_eq!(state.wrong, Vec::<String>::new());
    println!(
        "{turns} kills: {published} events, received {} times in {} requests",
        state.received, state.requests
    );
}

#[test]
fn each_event_is_billed_once_whoever_did_it() {
    storm(true);
}

#[test]
fn so_it_is_where_the_disk_goes_with_the_worker() {
    storm(false);
}

#[test]
fn usage_goes_to_a_topic_by_tenant() {
    let topic = Topic::new(2);
    let home = home(&topic, "sink: {ref: {kind: KafkaSink, name: other}}");
    for n in 0..50 {
        topic.publish(n % 2, None, "order", &format!("e-{n}"), "{}");
    }
    topic.flush();
    let running = Running::start(&home, &[]);
    let usage = Topic::there(&format!("{}.other", topic.name), 3);
    topic.until_done();
    let begun = Instant::now();
    assert_eq!(running.terminate().code, Some(0));
    if usage.records().len() < 50 {
        // Unless that takes longer than two seconds: then the next worker does.
        assert!(begun.elapsed() > Duration::from_secs(2), "a stop ships what is left");
        let next = Running::start(&home, &[]);
        eventually("all of it is shipped", || (usage.records().len() == 50).then_some(()));
        assert_eq!(next.terminate().code, Some(0));
    }
    let records = usage.records();
    assert_eq!(records.len(), 50, "each once");
    let header = |record: &kafka::Seen, name: &str| String::from_utf8(record.headers[name].clone()).unwrap();
    assert!(records.iter().all(|record| record.key.as_deref() == Some(b"acme")));
    assert!(records.iter().all(|record| header(record, "ce_type") == "dev.weir.usage.invocation.v1"));
    let data: Value = serde_json::from_slice(records[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(data["price"], "0.001");
    let mut ids: Vec<String> = records.iter().map(|record| header(record, "ce_id")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    let charges: Vec<String> = home.journal().into_iter().map(|entry| entry.charge).collect();
    assert!(charges.iter().all(|charge| ids.contains(charge)));
    let from = format!("kafka://{}/{}", usage.address, usage.name);
    let costs = home.weir(&["cost", "--from", &from, "--by", "tenant", "--format", "json"]);
    let costs: Value = serde_json::from_slice(&costs.stdout).unwrap_or_else(|_| panic!("{costs:?}"));
    let row = &costs["table"]["rows"]["acme"];
    assert_eq!((&row["attempts"], &row["price"], &row["repeats"]), (&50.into(), &"0.05".into(), &0.into()));
}
