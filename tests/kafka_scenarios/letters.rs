//! Dead letters of what was consumed: to a topic that is not there yet, to one that refuses them, and of what is no event.

use std::collections::BTreeSet;

use crate::kafka::{self, Topic};
use crate::worker::{Home, Running, eventually, guests};
use crate::{brokers, run, sink};

fn letters(topic: &Topic) -> BTreeSet<String> {
    let records = kafka::records(&topic.address, &topic.name);
    records.into_iter().map(|seen| String::from_utf8(seen.headers["ce_id"].clone()).unwrap()).collect()
}

const DELIVERY: &str = "  delivery:\n    retry: 1\n    backoffDelay: PT0.01S\n    deadLetterSink: {ref: {apiVersion: \
                        eventing.knative.dev/v1alpha1, kind: KafkaSink, name: letters}}\n";

fn home(topic: &Topic, to: &Topic) -> Home {
    let documents = sink("letters", &to.address, &to.name) + &run("brittle", "task", "unordered", DELIVERY);
    let home = Home::new(&topic.documents(&documents));
    home.write("brittle.wasm", &guests::brittle());
    home
}

fn publish(topic: &Topic) {
    for n in 0..100 {
        let (kind, data) = if n % 5 == 0 { ("bad", "\"!\"") } else { ("good", "{}") };
        let key = (n % 10 == 0).then_some("k");
        topic.publish(n % 2, key, "task", &format!("{kind}-{n}"), data);
    }
    topic.flush();
}

#[test]
fn dead_letters_wait_for_a_topic_that_is_not_there_and_hold_up_no_other_event() {
    let (topic, absent) = (Topic::new(2), Topic::there(&brokers::unique("letters"), 1));
    publish(&topic);
    let home = home(&topic, &absent);
    let running = Running::start(&home, &[]);
    eventually("the healthy ones are done", || (home.succeeded("default/brittle").len() == 80).then_some(()));
    eventually("it says so", || running.log().contains("there is no such topic").then_some(()));
    assert!(topic.lag() > 0, "nothing is committed that is nowhere");
    absent.create();
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(letters(&absent), (0..100).step_by(5).map(|n| format!("bad-{n}")).collect());
    assert!(home.dead_letters().is_empty());
}

/// A topic that is compacted takes nothing without a key.
#[test]
fn what_the_topic_of_dead_letters_refuses_is_kept_here() {
    let (topic, compacted) = (Topic::new(2), Topic::there(&brokers::unique("letters"), 1));
    compacted.create_with(&[("cleanup.policy", "compact")]);
    publish(&topic);
    let home = home(&topic, &compacted);
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(home.succeeded("default/brittle").len(), 80);
    // Compaction takes time.
    assert_eq!(letters(&compacted), (0..100).step_by(10).map(|n| format!("bad-{n}")).collect());
    let kept = home.dead_letters();
    assert_eq!(kept.len(), 10);
    assert!(kept.iter().all(|letter| letter.message.contains("refused its dead letter")), "{:?}", kept[0]);
}

#[test]
fn what_can_t_be_read_goes_whole_where_the_source_says() {
    let (topic, to) = (Topic::new(1), Topic::named(&brokers::unique("letters"), 1));
    let claims = [("ce_specversion", Some("1.0")), ("ce_id", Some("")), ("tenant", Some("acme"))];
    topic.produce(0, Some(b"k"), &claims, Some(b"\x00whole"));
    topic.publish(0, None, "task", "good", "{}");
    topic.flush();
    let documents = sink("letters", &to.address, &to.name) + &run("audit", "task", "unordered", "");
    let home = Home::new(
        &(topic.documents("").replace("  sink: {ref", &format!("{DELIVERY}  sink: {{ref")) + &documents),
    );
    home.write("audit.wasm", &guests::audit());
    let running = Running::start(&home, &[]);
    topic.until_done();
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    let records = kafka::records(&to.address, &to.name);
    assert_eq!(records.len(), 1, "{:?} {}", home.dead_letters(), ended.log);
    let header = |name: &str| String::from_utf8_lossy(&records[0].headers[name]).into_owned();
    assert_eq!(records[0].value.as_deref(), Some(&b"\x00whole"[..]));
    assert_eq!(
        (header("ce_type").as_str(), header("ce_partitionkey").as_str()),
        ("dev.weir.kafka.undecodable", "k")
    );
    assert!(header("ce_weirerror").starts_with("id"), "{}", header("ce_weirerror"));
    assert_eq!(header("ce_kafkaheadertenant"), "acme");
    assert!(home.dead_letters().is_empty());
}
