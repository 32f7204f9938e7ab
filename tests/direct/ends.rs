//! Requests that are under way when the worker stops, is killed, or their trigger goes; senders that go away.

use super::*;

/// Runs until its deadline, and is the sender's again then.
fn begun(running: &Running, home: &Home) -> worker::Connection {
    let mut connection = running.connect();
    connection
        .send(
            b"POST / HTTP/1.1\r\nhost: x\r\nce-specversion: 1.0\r\nce-id: long\r\nce-source: /s\r\nce-type: endless\r\n\
              content-length: 0\r\n\r\n",
        )
        .unwrap();
    // It may have been the sender's again before anybody looked.
    eventually("it has begun", || (home.status().arrived == 1).then_some(()));
    connection
}

#[test]
fn what_is_under_way_when_the_worker_stops_is_answered() {
    let home = home();
    // Longer than a stop waits for connections where events are stored.
    let running = start(&home, &["function.timeout=7s"]);
    let mut waiting = begun(&running, &home);
    running.signal();
    assert_eq!(waiting.response().unwrap().status, 504);
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(home.about("long").len(), 1);
}

#[test]
fn what_is_under_way_when_the_worker_is_killed_is_the_sender_s_alone() {
    let home = home();
    let running = start(&home, &["function.timeout=1h"]);
    let mut waiting = begun(&running, &home);
    running.kill();
    waiting.response().unwrap_err();
    let running = start(&home, &[]);
    let status = home.status();
    assert_eq!((status.arrived, status.events_in_flight), (0, 0), "nothing of it was kept");
    assert!(home.about("long").is_empty());
    assert_eq!(post(&running, "nothing", "1").status, 202);
}

#[test]
fn a_sender_that_goes_away_leaves_its_place_when_its_event_has_run() {
    let home = home();
    let running = start(&home, &["function.timeout=500ms", "http.max-concurrent-requests=1"]);
    drop(begun(&running, &home));
    eventually("there is room again", || (post(&running, "nothing", "1").status == 202).then_some(()));
    assert_eq!(home.about("long").len(), 1, "it ran to its end, and cost what it cost");
}

#[test]
fn one_that_takes_too_long_is_told_so_and_its_cost_is_noted_all_the_same() {
    let home = home();
    let running = start(&home, &["function.timeout=2s", "http.request-timeout=200ms"]);
    let response = begun(&running, &home).response().unwrap();
    assert_eq!(response.status, 503);
    assert!(detail(&response).contains("http.request-timeout"), "{}", response.text());
    eventually("it has ended", || (home.about("long").len() == 1).then_some(()));
}

#[test]
fn what_was_stored_before_is_run_beside_it() {
    let home = home();
    let running = Running::start(&home, &["--set", "function.timeout=1h", "--executors", "1"]);
    for n in 0..3 {
        running.publish("nothing", &format!("stored-{n}"), &[], "{}");
    }
    running.kill();
    let running = start(&home, &[]);
    assert_eq!(post(&running, "reply", "direct").status, 200);
    eventually("all is run", || (home.succeeded("default/nothing-nothing").len() == 3).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
}
