//! What /metrics says of partitions: of each whoever has it, and nobody else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::nats::Stream;
use crate::nats::keys::events;
use crate::server::Server;
use crate::worker::{Connection, Running, eventually};
use crate::{OPTIONS, PARTITIONS, alone, patient_homes, until_done};

/// Of each partition that the worker tells of. `more`: labels that stand after these.
fn of_partitions(worker: &Running, stream: &Stream, name: &str, more: &str) -> BTreeMap<u32, u64> {
    let text = Connection::open(worker.admin()).unwrap().get("/metrics").unwrap().text();
    let before = format!("{name}{{source=\"default/orders\",partition=\"{}/", stream.name);
    let values = text.lines().filter_map(|line| {
        let (number, value) = line.strip_prefix(&before)?.split_once(&format!("\"{more}}} "))?;
        Some((number.parse().unwrap(), value.parse::<f64>().unwrap() as u64))
    });
    values.collect()
}

#[test]
fn each_partition_is_measured_by_whoever_has_it() {
    let _alone = alone();
    let (stream, server) = (Stream::partitioned(PARTITIONS), Server::start());
    let homes = patient_homes(&stream, 2, &server, "/gate");
    let first = Running::start(&homes[0], &OPTIONS);
    let of = |worker: &Running, name: &str| of_partitions(worker, &stream, name, "");
    // One key: the third event and those behind it wait for the first of it.
    stream.publish_keyed(&events(0..8, 1));
    eventually("the first is under way", || (server.waiting() == 1).then_some(()));
    let (number, _) = eventually("it is told", || {
        of(&first, "weir_unacknowledged_events").into_iter().find(|(_, unacknowledged)| *unacknowledged == 8)
    });
    assert_eq!(of(&first, "weir_lag_events"), BTreeMap::from([(number, 8)]));
    assert_eq!(of(&first, "weir_watermark"), BTreeMap::from([(number, 1)]));
    eventually("it gets older", || (of(&first, "weir_oldest_event_age_seconds")[&number] > 0).then_some(()));
    let lag = |options: &[&str]| {
        let asked = homes[0].weir(&[&["lag", "orders", "--in", "documents.yaml"], options].concat());
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&lag(&["--format", "json"])).unwrap();
    let part = &json["partitions"][number as usize];
    assert_eq!((&json["lag"], &part["lag"], &part["unacknowledged"]), (&8.into(), &8.into(), &8.into()));
    assert!(json["partitions"].as_array().unwrap().len() == 6 && part["oldest_unix_ms"].is_i64(), "{json}");
    let rows = lag(&["--partitions"]);
    let row: Vec<&str> = rows.lines().nth(1 + number as usize).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["default/orders", &stream.name, &number.to_string(), "1", "9", "8", "0"], "{rows}");
    server.open_gate();
    until_done(&stream);
    eventually("nothing is left", || {
        (of(&first, "weir_lag_events")[&number] == 0 && of(&first, "weir_committed_offset")[&number] == 9)
            .then_some(())
    });
    assert_eq!(of(&first, "weir_unacknowledged_events")[&number], 0);
    assert_eq!(of(&first, "weir_watermark")[&number], 9);
    assert_eq!(of(&first, "weir_oldest_event_age_seconds")[&number], 0);
    let acknowledged = of_partitions(&first, &stream, "weir_commits_total", ",result=\"acknowledged\"");
    assert!(acknowledged[&number] >= 1, "{acknowledged:?}");

    let second = Running::start(&homes[1], &OPTIONS);
    let mut published = 8;
    eventually("each has its part, and no other", || {
        if stream.lag_of_partitions(PARTITIONS).is_some_and(|lag| lag.sum() < 200) {
            stream.publish_keyed(&events(published..published + 24, 24));
            published += 24;
        }
        let [first, second] = [&first, &second].map(|worker| of(worker, "weir_watermark"));
        let both: Vec<u32> = first.keys().chain(second.keys()).copied().collect();
        let is_one_s = |number| both.iter().filter(|other| **other == number).count() == 1;
        (!first.is_empty() && !second.is_empty() && (0..PARTITIONS).all(is_one_s)).then_some(())
    });
    until_done(&stream);
    for worker in [first, second] {
        assert_eq!(worker.terminate().code, Some(0));
    }
}
