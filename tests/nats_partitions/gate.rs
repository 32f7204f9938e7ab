//! Whoever gets a pin while its predecessor's messages are unacknowledged begins nothing before these have come to it, or are
//! answered for: NATS itself hands out what follows them at once.

use crate::nats::Stream;
use crate::nats::keys::{events, in_order};
use crate::server::Server;
use crate::worker::{Running, eventually};
use crate::{OPTIONS, PARTITIONS, alone, homes, ids, patient_homes, until_done};

#[test]
fn what_a_worker_had_that_fell_comes_first_though_its_pin_is_another_s_at_once() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = homes(&stream, 2, &server, "/gate", "{retry: 3}");
    let first = Running::start(&homes[0], &OPTIONS);
    stream.publish_keyed(&events(0..1, 1));
    eventually("it is under way", || (server.count("/gate") == 1).then_some(()));
    first.kill();
    // With its pin the first message would go by itself, before anything else is handed out.
    stream.unpin(PARTITIONS);
    stream.publish_keyed(&events(1..20, 1));
    server.open_gate();
    let second = Running::start(&homes[1], &OPTIONS);
    until_done(&stream);
    assert_eq!(second.terminate().code, Some(0));
    let expected: Vec<String> = (0..20).map(|n| format!("{n:05}")).collect();
    assert_eq!(ids(&server, "/gate")[1..], expected, "the first one again, and then what follows it");
}

#[test]
fn what_a_worker_still_has_under_way_is_waited_for_by_the_next() {
    const KEYS: usize = 24;
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = patient_homes(&stream, 2, &server, "/gate");
    let first = Running::start(&homes[0], &OPTIONS);
    stream.publish_keyed(&events(0..KEYS, KEYS));
    eventually("one of each key is under way", || (server.waiting() == KEYS).then_some(()));
    let before = stream.pins(PARTITIONS);
    assert!(before.iter().all(Option::is_some), "each partition has a key");
    let second = Running::start(&homes[1], &OPTIONS);
    eventually("some are to be the second one's", || {
        first.said("giving a partition back")?;
        second.said("partitions shared out")
    });
    // It would keep the pins until that is done.
    stream.unpin(PARTITIONS);
    let mut published = KEYS;
    let mut more = || {
        // What was asked for before may still have it: then another message is needed.
        if stream.lag_of_partitions(PARTITIONS).is_some_and(|lag| lag.pending == 0) {
            stream.publish_keyed(&events(published..published + KEYS, KEYS));
            published += KEYS;
        }
    };
    eventually("NATS gives it the pin of one", || {
        more();
        let now = stream.pins(PARTITIONS);
        now.iter().zip(&before).any(|(now, before)| now.is_some() && now != before).then_some(())
    });
    for _ in 0..20 {
        more();
        assert_eq!(server.count("/gate"), KEYS, "nothing goes beside what is under way");
    }
    server.open_gate();
    until_done(&stream);
    for worker in [first, second] {
        assert_eq!(worker.terminate().code, Some(0));
    }
    let got = ids(&server, "/gate");
    in_order(&got, KEYS);
    assert_eq!(got.len(), published, "lost or repeated");
}
