//! Workers that consume a real Kafka, seen from outside: what they did with its records, and what they committed.

#[path = "brokers/mod.rs"]
mod brokers;
mod kafka;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka::{Topic, called, once_each};
use server::Server;
use worker::{Home, Running, eventually};

#[test]
fn what_stands_in_a_topic_is_run_and_committed_and_a_restart_repeats_nothing() {
    let topic = Topic::new(3);
    (0..300).for_each(|n| topic.publish(n % 3, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 300);
    let offsets: Vec<i64> = topic.committed().values().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [100; 3]);

    (300..330).for_each(|n| topic.publish(n % 3, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 330);
}

#[test]
fn what_is_no_event_is_a_dead_letter_and_what_claims_nothing_is_an_event() {
    let topic = Topic::new(1);
    topic.produce(0, Some(b"k"), &[("ce_specversion", Some("1.0")), ("ce_id", Some(""))], Some(b"whole"));
    topic.produce(0, None, &[("tenant", None), ("x", Some("y"))], None);
    topic.publish(0, Some("k"), "order.created", "1", "{}");
    topic.flush();
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let succeeded = home.succeeded("default/audit");
    assert_eq!(succeeded.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "partition:0/offset:1"]);
    let letters = home.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].event_type.as_str()),
        ("undecodable", "dev.weir.kafka.undecodable")
    );
    assert!(letters[0].message.starts_with("id"), "{letters:?}");
}

/// Workers come and go cleanly while events come: none runs twice.
#[test]
fn partitions_change_hands_and_nothing_is_repeated() {
    let topic = Topic::new(6);
    let homes: Vec<Home> = (0..3).map(|_| topic.home("")).collect();
    let mut events = 0;
    let mut publish = |count: usize| {
        for n in events..events + count {
            topic.publish(n as i32 % 6, Some(&format!("k{}", n % 17)), "order.created", &n.to_string(), "{}");
        }
        topic.flush();
        events += count;
    };
    publish(600);
    let first = Running::start(&homes[0], &[]);
    eventually("the first begins", || (topic.lag() < 600).then_some(()));
    publish(600);
    let second = Running::start(&homes[1], &[]);
    eventually("the second has some", || second.said("partition taken: going on"));
    publish(600);
    let third = Running::start(&homes[2], &[]);
    eventually("the third has some", || third.said("partition taken: going on"));
    publish(600);
    assert_eq!(first.terminate().code, Some(0));
    publish(600);
    topic.until_done();
    assert_eq!(second.terminate().code, Some(0));
    publish(60);
    topic.until_done();
    assert_eq!(third.terminate().code, Some(0));
    let mut counts = BTreeMap::new();
    for home in &homes {
        for (id, times) in home.succeeded("default/audit") {
            *counts.entry(id).or_default() += times;
        }
    }
    once_each(&counts, 3060);
}

/// What it gave back, and is given again, and again.
#[test]
fn a_partition_that_comes_back_is_read_on() {
    let topic = Topic::new(4);
    let homes: Vec<Home> = (0..2).map(|_| topic.home("")).collect();
    let stays = Running::start(&homes[0], &[]);
    let mut events = 0;
    for _ in 0..3 {
        let comes = Running::start(&homes[1], &[]);
        eventually("it has some", || comes.log().contains("partition taken: ").then_some(()));
        assert_eq!(comes.terminate().code, Some(0));
        for n in events..events + 200 {
            topic.publish(n % 4, None, "order.created", &n.to_string(), "{}");
        }
        topic.flush();
        events += 200;
        topic.until_done();
    }
    assert_eq!(stays.terminate().code, Some(0));
    let mut counts = homes[0].succeeded("default/audit");
    for (id, times) in homes[1].succeeded("default/audit") {
        *counts.entry(id).or_default() += times;
    }
    once_each(&counts, 600);
}

/// A member that says nothing any more holds up the balance of its group for as long as its session lasts. Brokers take no
/// commit meanwhile, and afterwards none from before: a stop that falls into that has to make its last one again.
#[test]
fn a_stop_while_the_group_is_being_balanced_repeats_nothing() {
    const SESSION: [&str; 2] = ["--set", "kafka.session-timeout=15s"];
    let topic = Topic::new(4);
    let homes: Vec<Home> = (0..3).map(|_| topic.home("")).collect();
    let mut events = 0;
    let mut publish = |count: usize| {
        for n in events..events + count {
            topic.publish(n as i32 % 4, None, "order.created", &n.to_string(), "{}");
        }
        topic.flush();
        events += count;
        events
    };
    publish(400);
    let first = Running::start(&homes[0], &SESSION);
    topic.until_done();
    let silent = Running::start(&homes[1], &SESSION);
    eventually("the second has some", || silent.said("partition taken: going on"));
    topic.until_done();
    silent.freeze();
    // Its joining begins the balance.
    let third = Running::start(&homes[2], &SESSION);
    // As long as a heartbeat may take, by which the first hears of it, and is at work.
    let begun = Instant::now();
    let mut all = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        all = publish(20);
    }
    let ended = first.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("the last commit failed"), "{}", ended.log);
    silent.kill();
    topic.until_done();
    assert_eq!(third.terminate().code, Some(0));
    let mut counts = BTreeMap::new();
    for home in &homes {
        for (id, times) in home.succeeded("default/audit") {
            *counts.entry(id).or_default() += times;
        }
    }
    once_each(&counts, all);
}

/// All of it waits long: the offsets move on, and what waited is delivered once, also by another worker than the one that
/// parked it.
#[test]
fn what_waits_long_is_parked_in_its_topic_and_holds_up_no_offset() {
    const EVENTS: i32 = 400;
    let (topic, server) = (Topic::new(4), Server::start());
    let delivery = "{retry: 5, backoffDelay: PT20S, backoffPolicy: linear}";
    let trigger = called(server.port(), "later", "/once/503", "unordered", delivery);
    let homes = [(); 2].map(|()| Home::new(&topic.documents(&trigger)));
    (0..EVENTS).for_each(|n| topic.publish(n % 4, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    let first = Running::start(&homes[0], &["--set", "hold.time=0s", "--set", "breaker.failures=0"]);
    topic.until_done();
    let parked = format!("{}.parked", topic.name);
    assert_eq!(kafka::records(&topic.address, &parked).len(), EVENTS as usize, "each of them is parked");
    first.kill();
    // A kill that came late: after some were delivered and before that was committed.
    let twice = server.times("/once/503").values().filter(|times| **times > 1).count();
    let second = Running::start(&homes[1], &["--set", "hold.time=0s"]);
    eventually("all are delivered", || {
        let mut delivered = homes[0].succeeded("default/later");
        delivered.extend(homes[1].succeeded("default/later"));
        (delivered.len() == EVENTS as usize).then_some(())
    });
    assert_eq!(second.terminate().code, Some(0));
    let got = server.got("/once/503");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    got.iter().for_each(|got| *counts.entry(got.id().to_owned()).or_default() += 1);
    assert_eq!(counts.len(), EVENTS as usize);
    let again = counts.values().filter(|times| **times > 2).count();
    assert!(again <= twice, "{again} were delivered again, of {twice} that could");
    let left = Topic::parking_of(&topic);
    assert_eq!(left.lag_of(&topic.name), 0, "nothing is left in the parking");
}

/// Far more is in memory than could be done in the time of a drain: what has not begun is left to the next worker, and what
/// has is not repeated by it.
#[test]
fn a_stop_leaves_what_has_not_begun_to_the_next_worker() {
    const EVENTS: usize = 3000;
    let (topic, server) = (Topic::new(6), Server::start());
    let trigger = called(server.port(), "nap", "/nap/400", "unordered", "{retry: 3}");
    let home = Home::new(&topic.documents(&trigger));
    (0..EVENTS).for_each(|n| topic.publish(n as i32 % 6, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    let options = ["--set", "deliver.max-in-flight-per-trigger=40"];
    for more in [100, 200] {
        let running = Running::start(&home, &options);
        let before = server.got("/nap/400").len();
        eventually("some are delivered", || (server.got("/nap/400").len() > before + more).then_some(()));
        assert_eq!(running.terminate().code, Some(0), "it ends in time");
        assert!(server.got("/nap/400").len() < EVENTS, "it is stopped in the middle");
    }
    // Some may have been parked for its limit.
    let running = Running::start(&home, &["--set", "deliver.max-in-flight-per-trigger=1000"]);
    eventually("all are delivered", || (server.got("/nap/400").len() >= EVENTS).then_some(()));
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/nap"), EVENTS);
    assert_eq!(server.got("/nap/400").len(), EVENTS);
}

/// Of each key in order, whatever has to wait, and whoever has the partition.
#[test]
fn a_key_stays_in_order_through_the_parking_and_a_change_of_hands() {
    const EVENTS: i32 = 300;
    let (topic, server) = (Topic::new(3), Server::start());
    let trigger = called(server.port(), "ordered", "/once/503", "key", "{retry: 9, backoffDelay: PT0.1S}");
    let homes = [(); 2].map(|()| Home::new(&topic.documents(&trigger)));
    for n in 0..EVENTS {
        let key = n % 30;
        topic.publish(key % 3, Some(&format!("k{key}")), "order.created", &n.to_string(), "{}");
    }
    topic.flush();
    let options = ["--set", "hold.time=0s", "--set", "breaker.failures=0"];
    let first = Running::start(&homes[0], &options);
    eventually("some are delivered", || (server.got("/once/503").len() > 60).then_some(()));
    let second = Running::start(&homes[1], &options);
    eventually("the second has some", || second.said("partition taken: going on"));
    assert_eq!(first.terminate().code, Some(0));
    eventually("all are delivered", || {
        let of = |home: &Home| home.succeeded("default/ordered").len();
        (of(&homes[0]) + of(&homes[1]) >= EVENTS as usize).then_some(())
    });
    topic.until_done();
    assert_eq!(second.terminate().code, Some(0));
    let mut succeeded: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for got in server.got("/once/503") {
        let n: i32 = got.id().parse().unwrap();
        // The second time it answers 200.
        if !seen.insert(n) {
            succeeded.entry(n % 30).or_default().push(n);
        }
    }
    for (key, order) in &succeeded {
        assert!(order.is_sorted() && order.len() == 10, "key {key}: {order:?}");
    }
    assert_eq!(succeeded.len(), 30);
}

/// One bad event in an ordered partition is a dead letter after its retries; those before and after it are delivered in
/// their order.
#[test]
fn poison_in_an_ordered_partition_is_a_dead_letter_and_the_rest_goes_on() {
    let (topic, server) = (Topic::new(1), Server::start());
    let poison =
        called(server.port(), "poison", "/status/500", "ordered", "{retry: 2, backoffDelay: PT0.05S}")
            .replace("  subscriber:", "  filter: {attributes: {type: bad}}\n  subscriber:");
    let good = called(server.port(), "good", "/fine", "ordered", "{retry: 2}");
    let home = Home::new(&topic.documents(&(poison + &good)));
    for n in 0..40 {
        topic.publish(0, None, if n % 20 == 7 { "bad" } else { "order.created" }, &n.to_string(), "{}");
    }
    topic.flush();
    let running = Running::start(&home, &["--set", "breaker.failures=0"]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let ids: Vec<i32> = server.got("/fine").iter().map(|got| got.id().parse().unwrap()).collect();
    assert_eq!(ids, (0..40).collect::<Vec<i32>>());
    let letters: Vec<_> = home.dead_letters().into_iter().map(|l| (l.event_id, l.attempts)).collect();
    assert_eq!(letters, [("7".to_owned(), 3), ("27".to_owned(), 3)]);
    assert_eq!(server.got("/status/500").len(), 6);
}

/// Metadata of others is no map of ours; what they have committed counts.
#[test]
fn the_offset_map_of_others_is_ignored_and_said_so() {
    let topic = Topic::new(1);
    (0..20).for_each(|n| topic.publish(0, None, "order.created", &n.to_string(), "{}"));
    topic.flush();
    topic.commit(0, 5, "\u{fe}not ours");
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    topic.until_done();
    let ended = running.terminate();
    assert!(
        ended.log.contains("what others have written beside the committed offset is ignored"),
        "{}",
        ended.log
    );
    once_each(&home.succeeded("default/audit"), 15);
}

#[test]
fn a_topic_that_is_deleted_and_made_anew_is_read_from_its_beginning() {
    let topic = Topic::new(1);
    (0..50).for_each(|n| topic.publish(0, None, "order.created", &format!("old-{n}"), "{}"));
    topic.flush();
    let home = topic.home("");
    let running = Running::start(&home, &[]);
    topic.until_done();
    topic.delete();
    topic.recreate();
    (0..20).for_each(|n| topic.publish(0, None, "order.created", &format!("new-{n}"), "{}"));
    topic.flush();
    eventually("the new topic is read", || (home.succeeded("default/audit").len() == 70).then_some(()));
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 70);
}
