//! Subscribers and sinks that are away. `KAFKA_DOWN_SECONDS`: for how long at least.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use weir::client::lifeline;

use crate::brokers::{self, Own};
use crate::kafka::{self, AUDIT, Topic, called, once_each};
use crate::server::Server;
use crate::worker::{Home, Running, eventually, guests};
use crate::{of_environment, run, sink};

/// In MiB, at most so far.
fn peak(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

fn stay_down(since: Instant) {
    let long = Duration::from_secs(of_environment("KAFKA_DOWN_SECONDS", 0));
    std::thread::sleep(long.saturating_sub(since.elapsed()));
}

/// Half of a partition fails again and again, in the same trigger as the other half.
#[test]
fn ten_thousand_that_are_retried_hold_up_nobody_and_end_when_the_subscriber_recovers() {
    const ILL: usize = 10_000;
    const BEHIND: usize = 500;
    const MOST: u64 = 2000;
    let (topic, server) = (Topic::new(1), Server::start());
    let delivery = "{retry: 1000, backoffPolicy: linear, backoffDelay: PT0.3S}";
    let home = Home::new(&topic.documents(&called(server.port(), "ill", "/ill", "unordered", delivery)));
    for n in 0..ILL {
        topic.publish(0, None, "order.created", &format!("bad-{n}"), "{}");
        topic.publish(0, None, "order.created", &format!("good-{n}"), "{}");
    }
    topic.flush();
    let held = format!("dispatch.max-held={MOST}");
    let in_flight = format!("dispatch.max-in-flight={MOST}");
    // A trigger of which only what fails is left would pause.
    let options = ["hold.time=500ms", "breaker.failures=0", &held, &in_flight];
    let running = Running::start(&home, &options.map(|option| ["--set", option]).concat());
    let good = || server.times("/ill").into_keys().filter(|id| id.starts_with("good")).count();
    let look = || {
        let held = home.status().held;
        // Some was read by then.
        assert!(held <= 2 * MOST + 2560, "{held} are held");
        let metadata = topic.committed().into_values().map(|(_, metadata)| metadata.len()).max();
        assert!(metadata.is_none_or(|length| length <= 4096), "{metadata:?}");
    };
    eventually("those among them are delivered", || {
        look();
        (good() == ILL).then_some(())
    });
    for n in ILL..ILL + BEHIND {
        topic.publish(0, None, "order.created", &format!("good-{n}"), "{}");
    }
    topic.flush();
    eventually("those behind them are delivered", || {
        look();
        (good() == ILL + BEHIND).then_some(())
    });
    eventually("the lag is 0", || {
        look();
        (topic.lag() == 0).then_some(())
    });
    let lag = home.weir(&["lag", "orders", "--in", "documents.yaml", "--format", "json"]);
    let lag: serde_json::Value = serde_json::from_slice(&lag.stdout).unwrap();
    assert_eq!(lag["lag"], 0, "{lag}");
    assert!(lag["parked"].as_u64().unwrap() >= ILL as u64 - 2 * MOST - 2560, "{lag}");
    server.open_gate();
    eventually("all are delivered", || {
        look();
        (home.status().delivered == (2 * ILL + BEHIND) as u64).then_some(())
    });
    eventually("nothing is left in the parking", || {
        (topic.parking_of().lag_of(&topic.name) == 0).then_some(())
    });
    let peak = peak(&running);
    println!("{peak} MiB at most");
    assert!(peak < 700, "{peak} MiB");
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/ill"), 2 * ILL + BEHIND);
}

/// One trigger's subscriber takes no requests: the other trigger does not notice, nor does the lag.
#[test]
fn a_subscriber_that_is_down_holds_up_neither_offsets_nor_other_triggers() {
    const EVENTS: i32 = 1200;
    let (topic, server) = (Topic::new(4), Server::start());
    let delivery = "{retry: 1000, backoffPolicy: linear, backoffDelay: PT0.3S}";
    let home = topic.home(&called(server.port(), "down", "/down", "key", delivery));
    let publish = |events: std::ops::Range<i32>| {
        for n in events {
            topic.publish(n % 4, Some(&format!("k{}", n % 40)), "order.created", &n.to_string(), "{}");
        }
        topic.flush();
    };
    publish(0..EVENTS / 2);
    let running = Running::start(&home, &["--set", "hold.time=300ms"]);
    let begun = Instant::now();
    publish(EVENTS / 2..EVENTS);
    eventually("the other trigger has all", || (home.status().delivered == EVENTS as u64).then_some(()));
    topic.until_done();
    stay_down(begun);
    assert_eq!(topic.lag(), 0);
    server.open_gate();
    eventually("all are delivered", || (home.status().delivered == 2 * EVENTS as u64).then_some(()));
    eventually("nothing is left in the parking", || {
        (topic.parking_of().lag_of(&topic.name) == 0).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), EVENTS as usize);
    let mut of_keys: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in home.journal() {
        if entry.trigger == "default/down" && entry.outcome == "succeeded" {
            let n: i32 = entry.event_id.parse().unwrap();
            of_keys.entry(n % 40).or_default().push(n);
        }
    }
    for (key, order) in of_keys {
        assert!(order.is_sorted() && order.len() == EVENTS as usize / 40, "key {key}: {order:?}");
    }
}

/// As one is whose brokers have answered without naming any, when they had just started.
#[test]
fn a_client_that_knows_no_brokers_any_more_is_told_of_them_again() {
    let mut config = ClientConfig::new();
    config.set("group.id", "nobody");
    let client: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
    let hears = || client.fetch_metadata(None, Duration::from_millis(500)).is_ok();
    assert!(!hears());
    lifeline::keep(&brokers::kafka(), &client);
    eventually("it hears of them", || {
        lifeline::look();
        hears().then_some(())
    });
}

/// The brokers come back, and what is parked is read again at once: what was said meanwhile of lost connections, which nobody
/// heard, is old.
#[test]
fn partitions_are_taken_at_once_when_the_brokers_are_back() {
    let (own, server) = (Own::start("idle", ""), Server::start());
    let topic = Topic::at(&own.address, &brokers::unique("orders"), 2);
    topic.create();
    let delivery = "{retry: 9, backoffPolicy: linear, backoffDelay: PT600S}";
    let homes = [(); 2].map(|()| {
        Home::new(&topic.documents(&called(server.port(), "later", "/status/503", "unordered", delivery)))
    });
    (0..8).for_each(|n| topic.publish(n % 2, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    let first = Running::start(&homes[0], &["--set", "hold.time=0s"]);
    topic.until_done();
    own.stop();
    eventually("it has lost them", || first.log().contains("brokers are down").then_some(()));
    own.go_on();
    let second = Running::start(&homes[1], &["--set", "hold.time=0s"]);
    eventually("the second has some", || second.said("parked deliveries taken over"));
    assert_eq!(second.terminate().code, Some(0));
    eventually("the first has them again", || first.said("parked deliveries taken over"));
    let ended = first.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let old = |line: &&str| line.contains("can't be begun") && line.contains("Message consumption error");
    assert_eq!(ended.log.lines().find(old), None);
}

/// The brokers that replies go to are away: what replies waits, what does not goes on, and each reply is there once in the end.
#[test]
fn a_sink_that_is_down_holds_up_what_goes_there_alone() {
    const EVENTS: i32 = 600;
    let (topic, away) = (Topic::new(3), Own::start("down", ""));
    let replies = Topic::at(&away.address, &brokers::unique("replies"), 3);
    replies.create();
    let broker = "---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: default, annotations: \
                  {weir.dev/backing: KafkaSink/replies}}\n";
    let documents = [
        sink("replies", &away.address, &replies.name),
        broker.to_owned(),
        run("answer", "asked", "unordered", ""),
        AUDIT.to_owned(),
    ];
    let home = Home::new(&topic.documents(&documents.concat()));
    home.write("answer.wasm", &guests::answering("answered"));
    home.write("audit.wasm", &guests::audit());
    let publish = |events: std::ops::Range<i32>| {
        for n in events {
            let ty = if n % 2 == 0 { "asked" } else { "told" };
            topic.publish(n % 3, Some(&format!("k{n}")), ty, &n.to_string(), "{}");
        }
        topic.flush();
    };
    publish(0..EVENTS / 2);
    let running = Running::start(&home, &[]);
    topic.until_done();
    away.stop();
    let begun = Instant::now();
    publish(EVENTS / 2..EVENTS);
    eventually("what does not reply goes on", || {
        (home.succeeded("default/audit").len() == EVENTS as usize).then_some(())
    });
    assert!(topic.lag() > 0, "what replies has not ended");
    eventually("it says so", || running.log().contains("KafkaSink default/replies").then_some(()));
    stay_down(begun);
    away.go_on();
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), EVENTS as usize);
    once_each(&home.succeeded("default/answer"), EVENTS as usize / 2);
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for reply in kafka::records(&away.address, &replies.name) {
        *there.entry(String::from_utf8(reply.headers["ce_id"].clone()).unwrap()).or_default() += 1;
    }
    once_each(&there, EVENTS as usize / 2);
}
