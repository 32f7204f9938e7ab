//! What Knative's users complain of: a subscriber that takes its time, and a group that is balanced anew again and again. Here no
//! event comes twice.
//!
//! `KAFKA_COMPLAINT_EVENTS`, `KAFKA_COMPLAINT_LEAST` and `KAFKA_COMPLAINT_MOST` (how long the subscriber takes, in milliseconds), and
//! `KAFKA_COMPLAINT_EVERY` (seconds between two rebalances) make it what it was: 5000, 3000, 10000, 30.

use std::time::{Duration, Instant};

use crate::kafka::{Topic, called, once_each};
use crate::of_environment;
use crate::server::Server;
use crate::worker::{Home, Running, eventually};

/// In each of them a worker comes and goes.
const ROUNDS: u64 = 8;
/// Published when the last of them has gone.
const AFTERWARDS: u64 = 60;

#[test]
fn a_slow_subscriber_and_rebalances_without_end_repeat_nothing() {
    let events = of_environment("KAFKA_COMPLAINT_EVENTS", 1000);
    let least = of_environment("KAFKA_COMPLAINT_LEAST", 30);
    let most = of_environment("KAFKA_COMPLAINT_MOST", 100);
    let every = Duration::from_secs(of_environment("KAFKA_COMPLAINT_EVERY", 0));
    let (topic, server) = (Topic::new(6), Server::start());
    let path = format!("/nap/{least}/{most}");
    let trigger = called(server.port(), "slow", &path, "unordered", "{retry: 3, timeout: PT60S}");
    let homes = [(); 2].map(|()| Home::new(&topic.documents(&trigger)));
    let publish = |events: std::ops::Range<u64>| {
        for n in events {
            topic.publish((n % 6) as i32, None, "order.created", &n.to_string(), "{}");
        }
        topic.flush();
    };
    // So that it takes longer than a rebalance does.
    let options = ["--set", "deliver.max-in-flight-per-trigger=40"];
    let stays = Running::start(&homes[0], &options);
    let delivered = || server.times(&path).len() as u64;
    // A rebalance is over long before the next one, and something runs at each.
    let wait = |begun: Instant| std::thread::sleep(every.saturating_sub(begun.elapsed()));
    for round in 0..ROUNDS {
        let (before, end) = (round * events / ROUNDS, (round + 1) * events / ROUNDS);
        publish(before..end);
        let begun = Instant::now();
        let comes = Running::start(&homes[1], &options);
        eventually("it has a part of the partitions", || {
            comes
                .said("partition taken: going on")
                .or_else(|| comes.said("partition taken: nothing is committed"))
        });
        eventually("some are delivered", || (delivered() > (before + end) / 2).then_some(()));
        wait(begun);
        let begun = Instant::now();
        assert_eq!(comes.terminate().code, Some(0), "it goes cleanly");
        wait(begun);
    }
    // In the partitions that have come back, too.
    let all = events + AFTERWARDS;
    publish(events..all);
    eventually("all are delivered", || (delivered() == all).then_some(()));
    topic.until_done();
    assert_eq!(stays.terminate().code, Some(0));
    once_each(&server.times(&path), all as usize);
}
