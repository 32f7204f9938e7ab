//! HTTP/1 as it is spoken, by old, odd and broken clients too.

use std::net::Shutdown;

use super::*;

fn request(version: &str, id: &str, more: &str) -> String {
    let body = event(id);
    let length = body.len();
    format!(
        "POST / {version}\r\nhost: x\r\ncontent-type: application/cloudevents+json\r\n{more}\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// The statuses of all answers in `text`.
fn statuses(text: &str) -> Vec<&str> {
    let heads = text.match_indices("HTTP/1.").map(|(at, _)| &text[at..]);
    heads.filter_map(|head| head.split(' ').nth(1)).collect()
}

#[test]
fn one_connection_serves_many_requests() {
    let (home, running) = worker(&[]);
    let mut connection = running.connect();
    for n in 0..20 {
        // A refusal does not end it.
        assert_eq!(connection.post("/", &[STRUCTURED], b"{}").unwrap().status, 400);
        let response = connection.post("/", &[STRUCTURED], event(&format!("{n}")).as_bytes()).unwrap();
        assert_eq!(response.status, 202);
    }
    eventually("all run", || (home.succeeded("default/all").len() == 20).then_some(()));
}

#[test]
fn a_chunked_body_and_one_that_is_waited_with() {
    let (home, running) = worker(&["http.max-body=4KiB"]);
    let mut connection = running.connect();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/cloudevents+json\r\n";
    connection.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    for byte in event("chunked").bytes() {
        connection.send(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).unwrap();
    }
    connection.send(b"0\r\nsome-trailer: 1\r\n\r\n").unwrap();
    assert_eq!(connection.response().unwrap().status, 202);

    let body = event("expected");
    let expect = format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.send(expect.as_bytes()).unwrap();
    assert_eq!(connection.response().unwrap().status, 100);
    connection.send(body.as_bytes()).unwrap();
    assert_eq!(connection.response().unwrap().status, 202);

    // What would be refused is not asked for.
    connection
        .send(format!("{head}expect: 100-continue\r\ncontent-length: 4097\r\n\r\n").as_bytes())
        .unwrap();
    assert_eq!(connection.response().unwrap().status, 413);
    ran(&home, "default/all", &["chunked", "expected"]);
}

#[test]
fn an_old_client_and_one_that_half_closes() {
    let (home, running) = worker(&[]);
    let answer = exchange(running.http(), request("HTTP/1.0", "old", "").as_bytes());
    assert_eq!(statuses(&answer), ["202"], "{answer}");

    let mut stream = TcpStream::connect(running.http()).unwrap();
    stream.write_all(request("HTTP/1.1", "half", "").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(statuses(&answer), ["202"], "{answer}");

    // No length and no chunks: no body, which an event in headers may lack.
    let bare = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nce-specversion: 1.0\r\nce-id: bare\r\n\
                ce-source: /s\r\nce-type: t\r\n\r\n";
    assert_eq!(statuses(&exchange(running.http(), bare.as_bytes())), ["202"]);
    ran(&home, "default/all", &["old", "half", "bare"]);
}

#[test]
fn requests_in_a_row_and_garbage_after_them() {
    let (home, running) = worker(&[]);
    let good = request("HTTP/1.1", "1", "") + &request("HTTP/1.1", "2", "connection: close\r\n");
    assert_eq!(statuses(&exchange(running.http(), good.as_bytes())), ["202", "202"]);
    let mut bad = request("HTTP/1.1", "3", "").into_bytes();
    bad.extend_from_slice(b"\x00\xff\x16\x03 not http at all\r\n\r\n");
    assert_eq!(statuses(&exchange(running.http(), &bad)), ["202", "400"]);
    ran(&home, "default/all", &["1", "2", "3"]);
}

#[test]
fn lengths_that_are_none() {
    let (home, running) = worker(&[]);
    for length in
        ["18446744073709551615", "9223372036854775807", "99999999999999999999", "-1", "+1", "1e3", "0x10"]
    {
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        let answer = exchange(running.http(), head.as_bytes());
        assert!(matches!(statuses(&answer)[..], ["400" | "413" | "431"]), "{length}: {answer}");
    }
    let two = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
    assert_eq!(statuses(&exchange(running.http(), two.as_bytes())), ["400"]);
    let chunk = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n";
    assert_eq!(statuses(&exchange(running.http(), chunk.as_bytes())), ["400"]);
    assert_eq!(post_event(&running, "after").status, 202);
    ran(&home, "default/all", &["after"]);
}

/// Half an event is none, whether its client ends in good order or just goes.
#[test]
fn a_body_that_breaks_off_is_not_an_event() {
    let (home, running) = worker(&[]);
    let whole = request("HTTP/1.1", "half", "");
    let mut stream = TcpStream::connect(running.http()).unwrap();
    stream.write_all(&whole.as_bytes()[..whole.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains(" 202 "), "{answer}");
    for _ in 0..20 {
        let mut stream = TcpStream::connect(running.http()).unwrap();
        stream.write_all(&whole.as_bytes()[..whole.len() - 1]).unwrap();
    }
    assert_eq!(post_event(&running, "after").status, 202);
    ran(&home, "default/all", &["after"]);
}

#[test]
fn probes_have_a_listener_of_their_own() {
    let (_home, running) = worker(&[]);
    let mut admin = Connection::open(running.admin()).unwrap();
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let response = admin.get(path).unwrap();
        assert!(response.status == 200 && response.text().starts_with(text), "{}", response.text());
        let head = format!("HEAD {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = exchange(running.admin(), head.as_bytes());
        assert!(statuses(&answer) == ["200"] && answer.ends_with("\r\n\r\n"), "{answer}");
        let response = admin.post(path, &[], b"").unwrap();
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
    }
    let ready = admin.get("/readyz").unwrap().text();
    assert!(ready.lines().nth(1).is_some_and(|line| line.starts_with("set ")), "{ready}");
    assert_eq!(admin.get("/").unwrap().status, 404);
    assert_eq!(admin.post("/", &[STRUCTURED], event("1").as_bytes()).unwrap().status, 404);
}
