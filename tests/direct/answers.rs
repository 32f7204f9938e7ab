//! What is answered: the reply, or the worst of what failed; and that nothing of it stays in the worker but its cost.

use super::*;

#[test]
fn one_reply_is_the_answer_in_the_mode_of_the_request() {
    let home = home();
    let running = start(&home, &[]);
    let binary = post(&running, "reply", "b");
    assert_eq!((binary.status, binary.header("ce-type")), (200, Some("replied")), "{}", binary.text());
    assert_eq!(binary.header("ce-source"), Some("/functions/reply"));
    assert!(binary.body.is_empty());
    let event = r#"{"specversion":"1.0","id":"s","source":"/shop","type":"both"}"#;
    let structured = ("content-type", "application/cloudevents+json");
    let whole = running.connect().post("/", &[structured], event.as_bytes()).unwrap();
    assert_eq!((whole.status, whole.header("content-type")), (200, Some(structured.1)));
    let reply: serde_json::Value = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!(reply["type"], "replied");
    // Its id is of this delivery alone; a cost stands behind it.
    let entries = home.about("s");
    assert_eq!(entries.len(), 2);
    let made = entries.iter().flat_map(|entry| &entry.replies).map(|made| made.id.as_str());
    assert_eq!(made.collect::<Vec<_>>(), [reply["id"].as_str().unwrap()]);
}

#[test]
fn no_reply_no_trigger_and_no_events_are_accepted() {
    let home = home();
    let running = start(&home, &[]);
    assert_eq!(post(&running, "nothing", "1").status, 202);
    assert_eq!(post(&running, "unheard-of", "2").status, 202);
    let batch = ("content-type", "application/cloudevents-batch+json");
    assert_eq!(running.connect().post("/", &[batch], b"[]").unwrap().status, 202);
    let status = home.status();
    assert_eq!((status.arrived, status.settled, status.unrouted), (2, 2, 1));
}

#[test]
fn several_replies_go_to_the_broker() {
    let home = home();
    let running = start(&home, &[]);
    let response = post(&running, "two", "t");
    assert_eq!(response.status, 202, "{}", response.text());
    // They are events like any other there: stored before the answer, run by whom they concern.
    eventually("both are run", || (home.succeeded("default/replies").len() == 2).then_some(()));
    let batch = ("content-type", "application/cloudevents-batch+json");
    let event = |id: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"reply"}}"#);
    let body = format!("[{},{}]", event("a"), event("b"));
    assert_eq!(running.connect().post("/", &[batch], body.as_bytes()).unwrap().status, 202);
    eventually("these too", || (home.succeeded("default/replies").len() == 4).then_some(()));
}

#[test]
fn a_failure_is_told_by_its_status_and_is_the_sender_s() {
    let home = home();
    let running = start(&home, &["function.timeout=200ms", "breaker.failures=0"]);
    for (ty, data, status, says) in [
        ("busy", "{}", 503, "default/busy-busy: retryable (guest): busy: later"),
        ("never", "{}", 422, "default/never-never: permanent (guest): bad: no such thing"),
        ("trap", "\"!\"", 500, "default/trap-brittle: trapped (unreachable): "),
        ("endless", "{}", 504, "default/endless-endless: timed-out (deadline): "),
        // What may be tried again outweighs what can't: else the sender would give up.
        ("mixed", "{}", 503, "default/mixed-busy: retryable (guest): busy: later"),
    ] {
        let response = worker::running::post(&mut running.connect(), ty, ty, &[], data).unwrap();
        assert_eq!(response.status, status, "{ty}: {}", response.text());
        let detail = detail(&response);
        assert!(detail.starts_with(says), "{ty}: {detail}");
        let entries = home.about(ty);
        assert!(entries.iter().all(|entry| entry.attempt == 1), "{ty}: one attempt each");
        assert_eq!(entries.len(), if ty == "mixed" { 3 } else { 1 });
        let failed = entries.iter().any(|entry| Some(&*entry.outcome) == response.header("kne-weiroutcome"));
        assert!(failed, "{:?}", response.headers);
    }
    assert!(home.dead_letters().is_empty());
    let status = home.status();
    assert_eq!((status.dead_lettered, status.parked, status.returned), (0, 0, 6));
    assert!(home.succeeded("default/replies").is_empty(), "no reply of what failed counts");
}

/// Answers all that it is asked with that, and nothing else.
fn server(answer: &'static str) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The events of these tests come in one piece.
            let _ = stream.read(&mut [0; 16_384]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_remote_subscriber_answers_through_the_worker() {
    let reply = server(
        "HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: far\r\nce-source: /far\r\nce-type: replied\r\n\
         content-length: 2\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{}",
    );
    let busy = server(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    let home = home();
    let mut documents = std::fs::read_to_string(home.documents()).unwrap();
    for (ty, address) in [("far", reply), ("far-busy", busy)] {
        documents += &format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {ty}}}\nspec:\n  broker: default\n  \
             filter: {{attributes: {{type: {ty}}}}}\n  subscriber: {{uri: 'http://{address}/'}}\n"
        );
    }
    home.write("documents.yaml", documents.as_bytes());
    let running = start(&home, &[]);
    let response = post(&running, "far", "1");
    assert_eq!((response.status, response.header("ce-id")), (200, Some("far")), "{}", response.text());
    assert_eq!(response.text(), "{}");
    let response = post(&running, "far-busy", "2");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("7")), "{}", response.text());
}

#[test]
fn a_request_that_comes_again_is_another_one() {
    let home = home();
    let running = start(&home, &[]);
    for _ in 0..3 {
        assert_eq!(post(&running, "busy", "again").status, 503);
    }
    let charges: std::collections::BTreeSet<_> =
        home.about("again").into_iter().map(|entry| entry.charge).collect();
    assert_eq!(charges.len(), 3, "it was run three times, at its sender's wish");
}

#[test]
fn while_a_trigger_pauses_its_senders_are_told_when_to_come_again() {
    let home = home();
    let running = start(&home, &["breaker.failures=3", "breaker.wait=1h"]);
    for n in 0..3 {
        assert_eq!(post(&running, "busy", &format!("{n}")).status, 503);
    }
    let response = post(&running, "busy", "paused");
    assert_eq!(response.status, 503);
    assert!(detail(&response).starts_with("default/busy-busy pauses"), "{}", response.text());
    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 1, "{wait}");
    assert!(home.about("paused").is_empty(), "it was not attempted");
    assert_eq!(post(&running, "nothing", "other").status, 202);
}

#[test]
fn an_invalid_event_is_refused_as_ever() {
    let home = home();
    let running = start(&home, &[]);
    let response = running.connect().post("/", &[("ce-id", "1")], b"{}").unwrap();
    assert_eq!(response.status, 400, "{}", response.text());
    let response = running.connect().post("/no/where", &[], b"{}").unwrap();
    assert_eq!(response.status, 404, "{}", response.text());
}
