//! Workers that share the partitions of a stream on a real NATS server: each key in its order, whoever falls, stops or joins.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "nats_partitions/deleted.rs"]
mod deleted;
#[path = "nats_partitions/gate.rs"]
mod gate;
#[path = "nats_partitions/measures.rs"]
mod measures;
mod nats;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use nats::Stream;
use nats::keys::{events, in_order};
use server::Server;
use worker::home::lines;
use worker::{Home, Running, eventually};

const PARTITIONS: u32 = 6;
const OPTIONS: [&str; 4] = ["--set", "breaker.failures=0", "--set", "executors=1"];

/// One of them stops the server that all of them use.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Homes of workers that all call the server at this path, key by key.
fn homes(stream: &Stream, count: usize, server: &Server, path: &str, delivery: &str) -> Vec<Home> {
    let documents = documents(stream, server, path, delivery);
    (0..count).map(|_| Home::new(&documents)).collect()
}

/// The same, where nobody is killed and nothing may be done twice.
fn patient_homes(stream: &Stream, count: usize, server: &Server, path: &str) -> Vec<Home> {
    let documents = nats::patient(&documents(stream, server, path, "{retry: 3}"));
    (0..count).map(|_| Home::new(&documents)).collect()
}

fn documents(stream: &Stream, server: &Server, path: &str, delivery: &str) -> String {
    let trigger = format!(
        "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: called\n  annotations: \
         {{weir.dev/delivery.order: key}}\nspec:\n  broker: default\n  subscriber: {{uri: '{}'}}\n  delivery: {delivery}\n",
        server.url(path)
    );
    let spec = format!("partitions: {PARTITIONS}\n  subjects: ['{}.*']", stream.name);
    stream.documents_with(&spec, &trigger)
}

fn until_acknowledged(stream: &Stream) {
    eventually("all is acknowledged", || stream.lag_of_partitions(PARTITIONS).filter(|lag| lag.sum() == 0));
}

fn until_done(stream: &Stream) {
    stream.until_partitions_are_done(PARTITIONS);
}

fn ids(server: &Server, path: &str) -> Vec<String> {
    server.got(path).iter().map(|got| got.id().to_owned()).collect()
}

#[test]
fn the_server_counts_partitions_as_we_do() {
    let stream = Stream::partitioned(7);
    let keys: Vec<String> = (0..60).map(|n| format!("customer-{}", n * n)).collect();
    let sent: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    stream.publish_keyed(&sent);
    let stored: Vec<String> = stream.events().into_iter().map(|(subject, _)| subject).collect();
    let own = |key: &String| format!("{}.{key}.{}", stream.name, weir::sink::nats::partition_of(key, 7));
    assert_eq!(stored, keys.iter().map(own).collect::<Vec<_>>());
}

#[test]
fn workers_join_and_stop_and_nothing_is_repeated_nor_out_of_order() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = patient_homes(&stream, 3, &server, "/nap/5");
    stream.publish_keyed(&events(0..300, 10));
    let first = Running::start(&homes[0], &OPTIONS);
    eventually("the first has begun", || (server.count("/nap/5") > 30).then_some(()));
    let second = Running::start(&homes[1], &OPTIONS);
    let third = Running::start(&homes[2], &OPTIONS);
    let mut published = 300;
    for worker in [&second, &third] {
        eventually("each has a partition", || {
            if stream.lag_of_partitions(PARTITIONS).is_some_and(|lag| lag.sum() < 200) {
                stream.publish_keyed(&events(published..published + 20, 10));
                published += 20;
            }
            worker.said("partition taken")
        });
    }
    assert_eq!(first.terminate().code, Some(0));
    stream.publish_keyed(&events(published..published + 100, 10));
    published += 100;
    // Of what has piled up by then as much as `hold.deliveries` may wait for a server in memory; the others are parked, and done from there.
    until_done(&stream);
    let got = ids(&server, "/nap/5");
    for worker in [second, third] {
        assert_eq!(worker.terminate().code, Some(0));
    }
    in_order(&got, 10);
    let different: BTreeSet<_> = got.iter().collect();
    assert_eq!((different.len(), got.len()), (published, published), "lost or repeated");
}

#[test]
fn whoever_falls_the_next_waits_for_what_it_had() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = homes(&stream, 2, &server, "/gate", "{retry: 3}");
    let first = Running::start(&homes[0], &OPTIONS);
    stream.publish_keyed(&events(0..1, 1));
    eventually("it is under way", || (server.count("/gate") == 1).then_some(()));
    first.kill();
    // These would be handed out at once, and the one before them only after its time.
    stream.publish_keyed(&events(1..20, 1));
    server.open_gate();
    let second = Running::start(&homes[1], &OPTIONS);
    until_done(&stream);
    assert_eq!(second.terminate().code, Some(0));
    let expected: Vec<String> = (0..20).map(|n| format!("{n:05}")).collect();
    assert_eq!(ids(&server, "/gate")[1..], expected, "the first one again, and then what follows it");
}

#[test]
fn a_key_that_is_parked_keeps_its_place_whoever_has_its_partition() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes =
        homes(&stream, 2, &server, "/ill", "{retry: 90, backoffPolicy: linear, backoffDelay: PT0.2S}");
    let options = [&OPTIONS[..], &["--set", "hold.time=100ms"]].concat();
    let first = Running::start(&homes[0], &options);
    let sent = ["bad-0", "1", "2"].map(|id| ("k".to_owned(), id.to_owned()));
    stream.publish_keyed(&sent);
    eventually("all are parked", || stream.lag_of_parking().filter(|lag| lag.sum() == 3));
    until_acknowledged(&stream);
    first.kill();
    stream.publish_keyed(&["3", "4"].map(|id| ("k".to_owned(), id.to_owned())));
    let second = Running::start(&homes[1], &options);
    let taken = eventually("it has what is parked", || {
        second.said("partition taken")?;
        lines(&second.log()).into_iter().find(|line| line["parked"].as_u64() == Some(3))
    });
    assert!(taken["from"].as_u64() > Some(3), "{taken}");
    let tries = server.count("/ill");
    eventually("it is tried again", || (server.count("/ill") > tries).then_some(()));
    assert!(ids(&server, "/ill").iter().all(|id| id == "bad-0"), "nothing of its key goes before it");
    server.open_gate();
    until_done(&stream);
    assert_eq!(second.terminate().code, Some(0));
    let mut got = ids(&server, "/ill");
    got.dedup();
    assert_eq!(got, ["bad-0", "1", "2", "3", "4"]);
}

/// NATS gives nobody a pin while there is no message: what is parked is due all the same.
#[test]
fn what_is_parked_of_a_partition_that_nothing_comes_of_is_done_by_whoever_is_left() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes =
        homes(&stream, 3, &server, "/ill", "{retry: 90, backoffPolicy: linear, backoffDelay: PT0.2S}");
    let options = [&OPTIONS[..], &["--set", "hold.time=100ms"]].concat();
    let first = Running::start(&homes[0], &options);
    stream.publish_keyed(&["bad-0", "1", "2"].map(|id| ("k".to_owned(), id.to_owned())));
    eventually("all are parked", || stream.lag_of_parking().filter(|lag| lag.sum() == 3));
    until_acknowledged(&stream);
    first.kill();
    for home in &homes[1..] {
        let next = Running::start(home, &options);
        eventually("it has what is parked", || {
            lines(&next.log()).into_iter().find(|line| line["parked"].as_u64() == Some(3))
        });
        let tries = server.count("/ill");
        eventually("it is tried again", || (server.count("/ill") > tries).then_some(()));
        assert_eq!(next.terminate().code, Some(0));
    }
    server.open_gate();
    let last = Running::start(&homes[0], &options);
    until_done(&stream);
    // The next message finds who has it.
    stream.publish_keyed(&["3", "4"].map(|id| ("k".to_owned(), id.to_owned())));
    eventually("all are delivered", || {
        (ids(&server, "/ill").len() > 4 && ids(&server, "/ill").last()? == "4").then_some(())
    });
    until_done(&stream);
    let taken = lines(&last.log()).iter().filter(|line| line["message"] == "partition taken").count();
    assert_eq!((taken, last.terminate().code), (1, Some(0)));
    let mut got = ids(&server, "/ill");
    got.dedup();
    assert_eq!(got, ["bad-0", "1", "2", "3", "4"]);
}

#[test]
fn kills_stops_joins_and_a_restart_of_the_server_leave_each_key_in_order() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = homes(&stream, 3, &server, "/nap/10", "{retry: 9, backoffDelay: PT0.1S}");
    let start = |home: usize| (home, Running::start(&homes[home], &OPTIONS));
    let mut running: Vec<(usize, Running)> = (0..homes.len()).map(start).collect();
    let (mut published, mut kills) = (0, 0);
    for turn in 0..5 {
        stream.publish_keyed(&events(published..published + 200, 12));
        published += 200;
        let enough = published - 150;
        eventually("something is delivered", || (server.count("/nap/10") > enough).then_some(()));
        if turn == 1 {
            brokers::restart_nats();
            continue;
        }
        let (home, worker) = running.remove(0);
        if turn == 3 {
            assert_eq!(worker.terminate().code, Some(0), "a stop is clean");
        } else {
            worker.kill();
            kills += 1;
        }
        running.push(start(home));
    }
    let got = || ids(&server, "/nap/10");
    eventually("all are delivered", || {
        (got().into_iter().collect::<BTreeSet<_>>().len() == published).then_some(())
    });
    until_done(&stream);
    for (_, worker) in running {
        assert_eq!(worker.terminate().code, Some(0));
    }
    let got = got();
    in_order(&got, 12);
    println!("{published} events, {kills} kills, {} repeats", got.len() - published);
}
