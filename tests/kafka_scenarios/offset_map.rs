//! So much is done beyond a position that is not that the commit has no room to say it: then no more is read, until it has.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use weir::dispatch::Progress;

use crate::kafka::{Topic, called, once_each};
use crate::run;
use crate::server::Server;
use crate::worker::{Home, Running, eventually, guests};

/// Every twentieth waits at the gate: each of them is a gap in the map.
const EVENTS: u64 = 60_000;
const EVERY: u64 = 20;
const OPTIONS: [&str; 6] = [
    "--set",
    "deliver.max-in-flight-per-trigger=10000",
    "--set",
    "dispatch.max-in-flight=1000",
    "--set",
    "drain.timeout=1s",
];

fn begin(topic: &Topic, server: &Server) -> (Home, Running) {
    let waits = called(server.port(), "waits", "/gate", "unordered", "{retry: 3}")
        .replace("  subscriber:", "  filter: {attributes: {type: waits}}\n  subscriber:");
    let home = Home::new(&topic.documents(&(waits + &run("audit", "task", "unordered", ""))));
    home.write("audit.wasm", &guests::audit());
    for n in 0..EVENTS {
        topic.publish(0, None, if n % EVERY == 0 { "waits" } else { "task" }, &n.to_string(), "{}");
    }
    topic.flush();
    let running = Running::start(&home, &OPTIONS);
    let held =
        "a partition is read no further for now: what is done ahead of what is not has no room in its commit";
    eventually("it is read no further", || running.said(held));
    (home, running)
}

/// What is committed as done. `None`: nothing has been committed, or no map with it.
fn committed(topic: &Topic) -> Option<Progress> {
    let (offset, metadata) = topic.committed().remove(&0)?;
    assert!(metadata.len() <= 4096, "{}", metadata.len());
    let map = STANDARD_NO_PAD.decode(metadata.strip_prefix("weir:")?).unwrap();
    let progress = Progress::decode(&map).unwrap();
    assert_eq!(progress.watermark, offset as u64);
    Some(progress)
}

#[test]
fn a_map_that_has_no_room_stops_the_reading_and_not_the_rest() {
    let (topic, server) = (Topic::new(1), Server::start());
    let (home, running) = begin(&topic, &server);
    eventually("what was read is done", || {
        let status = home.status();
        (status.events_in_flight == server.waiting() as u64 && server.waiting() > 0).then_some(())
    });
    let status = home.status();
    assert!(status.arrived < EVENTS, "all of it was read");
    let map = eventually("a map is committed", || committed(&topic));
    assert_eq!(map.watermark, 0);
    server.open_gate();
    topic.until_done();
    assert!(running.said("a partition is read on").is_some());
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), (EVENTS - EVENTS / EVERY) as usize);
    once_each(&home.succeeded("default/waits"), (EVENTS / EVERY) as usize);
}

#[test]
fn what_the_map_has_is_not_repeated_after_a_kill() {
    let (topic, server) = (Topic::new(1), Server::start());
    let (home, running) = begin(&topic, &server);
    let done = |progress: &Progress| progress.runs.iter().map(|(_, count)| count).sum::<u64>();
    eventually("most of it is committed", || committed(&topic).filter(|map| done(map) > 20_000));
    running.kill();
    let (before, committed) = (home.succeeded("default/audit"), committed(&topic).unwrap());
    server.open_gate();
    let running = Running::start(&home, &OPTIONS);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let after = home.succeeded("default/audit");
    assert_eq!(after.len() as u64, EVENTS - EVENTS / EVERY, "some were lost");
    let twice: BTreeSet<u64> =
        after.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id.parse().unwrap()).collect();
    assert!(twice.iter().all(|n| !committed.is_complete(*n)), "they were committed as done");
    assert!(twice.len() < before.len() / 2, "{} of {} are repeated", twice.len(), before.len());
}
