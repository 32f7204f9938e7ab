//! Rate, requests, connections, time and memory: what a listener gives to all its clients together.

use std::io::ErrorKind;
use std::time::Duration;

use super::*;

#[test]
fn above_the_rate_is_429() {
    let (_home, running) = worker(&["http.rate-limit.per-second=1", "http.rate-limit.burst=2"]);
    let mut connection = running.connect();
    let mut taken = 0;
    let refused = eventually("the limit is met", || {
        let response = connection.post("/", &[STRUCTURED], event("1").as_bytes()).unwrap();
        taken += u32::from(response.status == 202);
        (response.status != 202).then_some(response)
    });
    assert_eq!((refused.status, retry_after(&refused)), (429, 1));
    assert!(taken >= 2 && detail(&refused).contains("http.rate-limit"), "{taken}: {}", refused.text());
    eventually("a second later there is room", || (post_event(&running, "2").status == 202).then_some(()));
}

#[test]
fn more_requests_at_once_are_429() {
    let (home, running) = worker(&["http.max-concurrent-requests=2"]);
    let body = event("slow");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/cloudevents+json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut slow: Vec<Connection> = (0..2).map(|_| running.connect()).collect();
    for connection in &mut slow {
        connection.send(head.as_bytes()).unwrap();
        // It is asked for its body: it has its slot.
        assert_eq!(connection.response().unwrap().status, 100);
    }
    let refused = post_event(&running, "beside");
    assert_eq!((refused.status, retry_after(&refused)), (429, 1));
    assert!(detail(&refused).contains("http.max-concurrent-requests"));
    for connection in &mut slow {
        connection.send(body.as_bytes()).unwrap();
        assert_eq!(connection.response().unwrap().status, 202);
    }
    eventually("there is room again", || (post_event(&running, "after").status == 202).then_some(()));
    eventually("it runs", || home.succeeded("default/all").contains_key("after").then_some(()));
}

/// A request that no one waits for any more gives its slot back.
#[test]
fn clients_that_go_away_free_their_slots() {
    let (_home, running) = worker(&["http.max-concurrent-requests=1"]);
    for _ in 0..10 {
        let mut gone = running.connect();
        gone.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc").unwrap();
        drop(gone);
        eventually("the slot is free", || (post_event(&running, "1").status == 202).then_some(()));
    }
}

/// A request of which the last byte is missing.
fn unfinished(running: &Running) -> Connection {
    let body = event("unfinished");
    let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/cloudevents+json\r\n";
    let mut connection = running.connect();
    connection.send(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    assert_eq!(connection.response().unwrap().status, 100);
    connection.send(&body.as_bytes()[..body.len() - 1]).unwrap();
    connection
}

#[test]
fn one_connection_more_waits_while_all_are_busy() {
    let (_home, running) = worker(&["http.max-connections=2"]);
    let mut busy = [unfinished(&running), unfinished(&running)];
    let mut third = TcpStream::connect(running.http()).unwrap();
    let body = event("third");
    let head =
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/cloudevents+json\r\n";
    write!(third, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let early = third.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(early, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{early:?}");
    // One that has its answer is idle, and makes room though its client stays.
    busy[0].send(b"}").unwrap();
    assert_eq!(busy[0].response().unwrap().status, 202);
    third.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    // The other was never disturbed.
    busy[1].send(b"}").unwrap();
    assert_eq!(busy[1].response().unwrap().status, 202);
}

#[test]
fn the_connection_that_is_idle_for_longest_makes_room() {
    let (_home, running) = worker(&["http.max-connections=3", "http.header-timeout=10m"]);
    let mut busy = unfinished(&running);
    let mut idle: Vec<Connection> = (0..2).map(|_| running.connect()).collect();
    for at in [0, 1, 0] {
        assert_eq!(idle[at].post("/", &[STRUCTURED], event("1").as_bytes()).unwrap().status, 202);
    }
    let mut more = running.connect();
    assert_eq!(more.post("/", &[STRUCTURED], event("2").as_bytes()).unwrap().status, 202);
    assert!(idle[1].post("/", &[STRUCTURED], event("3").as_bytes()).is_err(), "it was idle for longest");
    assert_eq!(idle[0].post("/", &[STRUCTURED], event("4").as_bytes()).unwrap().status, 202);
    busy.send(b"}").unwrap();
    assert_eq!(busy.response().unwrap().status, 202);
}

/// The only connection there may be is taken by one who never ends a head; then by one who never begins.
#[test]
fn slow_heads_are_cut_off() {
    let (_home, running) = worker(&["http.max-connections=1", "http.header-timeout=200ms"]);
    let mut slow = running.connect();
    slow.send(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    eventually("the slow one is cut off", || slow.send(b"a").is_err().then_some(()));
    let _idle = running.connect();
    served(&running, "1");
    let _used = eventually("it is served", || {
        let mut used = running.connect();
        let response = used.post("/", &[STRUCTURED], event("2").as_bytes()).ok()?;
        (response.status == 202).then_some(used)
    });
    served(&running, "3");
}

#[test]
fn a_slow_body_is_408() {
    let (_home, running) = worker(&["http.max-connections=1", "http.request-timeout=200ms"]);
    let mut slow = running.connect();
    slow.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc").unwrap();
    let response = slow.response().unwrap();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    assert!(detail(&response).contains("http.request-timeout"));
    eventually("others are served", || {
        (running.connect().post("/", &[], b"").ok()?.status == 400).then_some(())
    });
}

/// It sends requests for ever and never reads an answer: the kernel's buffers fill, and nothing moves any more.
#[test]
fn who_never_reads_is_cut_off() {
    let (_home, running) =
        worker(&["http.max-connections=1", "http.header-timeout=300ms", "http.request-timeout=300ms"]);
    let mut deaf = running.connect();
    let many = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let error = eventually("it is cut off", || deaf.send(&many).err());
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error:?}");
    served(&running, "1");
}

#[test]
fn too_many_and_too_long_headers() {
    let (_home, running) = worker(&[]);
    let many: String = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "a".repeat(1 << 20));
    let path = "a".repeat(1 << 20);
    for request in [
        format!("POST / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("POST / HTTP/1.1\r\nhost: x\r\n{long}\r\n"),
        format!("POST /{path} HTTP/1.1\r\nhost: x\r\n\r\n"),
    ] {
        let answer = exchange(running.http(), request.as_bytes());
        let status = answer.split(' ').nth(1);
        assert!(matches!(status, Some("400" | "414" | "431")), "{answer}");
    }
    assert_eq!(post_event(&running, "after").status, 202);
}

/// The most memory that the process has had at a time, in KiB.
fn peak(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_flood_of_large_bodies_leaves_memory_flat() {
    let (_home, running) = worker(&["http.max-body=1MiB", "http.max-concurrent-requests=8"]);
    assert_eq!(post_event(&running, "before").status, 202);
    let before = peak(&running);
    let chunk = [&b"10000\r\n"[..], &[b' '; 0x10000], b"\r\n"].concat();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let mut connection = running.connect();
                    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
                    connection.send(head).unwrap();
                    // 4 MiB, or until the worker has had enough.
                    let _ = (0..64).try_for_each(|_| connection.send(&chunk));
                    if let Ok(response) = connection.response() {
                        assert!(matches!(response.status, 413 | 429), "{}", response.text());
                    }
                }
            });
        }
    });
    let grown = peak(&running) - before;
    // Eight bodies of 1 MiB, each perhaps copied, and what the allocator keeps; half a gigabyte was sent.
    assert!(grown < 100 << 10, "{before} KiB before, {grown} KiB more at the peak");
    assert_eq!(post_event(&running, "after").status, 202);
}
