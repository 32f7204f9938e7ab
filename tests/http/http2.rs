//! HTTP/2 without TLS, on the port that HTTP/1.1 has, by clients that know it beforehand (h2c).

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::header::{CONNECTION, RETRY_AFTER};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::frames::{self, Frames};
use super::*;

/// A client of HTTP/2: one connection, on a runtime of the test's thread.
struct Client {
    runtime: tokio::runtime::Runtime,
    sender: SendRequest<Full<Bytes>>,
}

struct Answer {
    status: StatusCode,
    headers: hyper::HeaderMap,
    body: String,
}

impl Client {
    fn open(address: SocketAddr) -> Client {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Client { runtime, sender }
    }

    /// Posts all of these at once.
    fn post(&self, path: &str, headers: &[(&str, &str)], bodies: Vec<String>) -> Vec<Answer> {
        let requests = bodies.into_iter().map(|body| {
            let mut request = Request::post(format!("http://worker{path}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            let mut sender = self.sender.clone();
            self.runtime.spawn(async move {
                sender.ready().await.unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
                let (parts, body) = response.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                Answer { status: parts.status, headers: parts.headers, body }
            })
        });
        let requests: Vec<_> = requests.collect();
        requests.into_iter().map(|request| self.runtime.block_on(request).unwrap()).collect()
    }
}

#[test]
fn events_in_every_mode_many_at_once_on_one_connection() {
    let (home, running) = worker(&[]);
    let client = Client::open(running.http());
    let structured: Vec<String> = (0..300).map(|n| event(&format!("s-{n}"))).collect();
    let batch = format!("[{},{}]", event("b-1"), event("b-2"));
    let binary =
        [("ce-specversion", "1.0"), ("ce-id", "x-1"), ("ce-source", "/shop"), ("ce-type", "order.created")];
    let answers = [
        client.post("/", &[STRUCTURED], structured),
        client.post("/default/default", &[BATCH], vec![batch]),
        client.post("/shop/orders", &binary, vec![String::new()]),
    ];
    assert!(answers.iter().flatten().all(|answer| answer.status == 202));
    assert_eq!(client.post("/", &[STRUCTURED], vec!["{}".into()])[0].status, 400);
    // Beside it, on the same port, somebody speaks HTTP/1.1.
    assert_eq!(post_event(&running, "one").status, 202);
    eventually("all run", || (home.succeeded("default/all").len() == 303).then_some(()));
    ran(&home, "shop/all", &["x-1"]);
}

#[test]
fn rate_and_requests_at_a_time_hold_for_all_streams_together() {
    let (_home, running) = worker(&["http.rate-limit.per-second=1", "http.rate-limit.burst=10"]);
    let bodies = || (0..100).map(|n| event(&format!("{n}"))).collect();
    let answers = Client::open(running.http()).post("/", &[STRUCTURED], bodies());
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 202).collect();
    // The burst, and one for each second that it may have taken.
    assert!((60..=90).contains(&refused.len()), "{}", refused.len());
    for answer in refused {
        assert_eq!(answer.status, 429);
        assert!(answer.headers.contains_key(RETRY_AFTER) && answer.body.contains("http.rate-limit"));
    }
    drop(running);

    // Two requests are held up in the middle of their bodies; all others of that connection find no room.
    let (_home, running) = worker(&["http.max-concurrent-requests=2"]);
    let mut slow = Frames::open(running.http(), &[]);
    let block = frames::block(&[STRUCTURED]);
    for stream in [1, 3, 5] {
        slow.send(frames::HEADERS, frames::END_HEADERS, stream, &block).unwrap();
    }
    let refused = slow.find(frames::HEADERS);
    let client = Client::open(running.http());
    let other = client.post("/", &[STRUCTURED], vec![event("other")]);
    assert_eq!((other[0].status.as_u16(), &other[0].headers[RETRY_AFTER]), (429, &"1".parse().unwrap()));
    assert!(other[0].body.contains("http.max-concurrent-requests"));
    for stream in [1, 3, 5].into_iter().filter(|stream| *stream != refused.stream) {
        slow.send(frames::DATA, frames::END_STREAM, stream, event("slow").as_bytes()).unwrap();
    }
    eventually("there is room again", || {
        let answers = client.post("/", &[STRUCTURED], vec![event("after")]);
        (answers[0].status == 202).then_some(())
    });
}

#[test]
fn a_refusal_that_closes_with_http_1_ends_one_stream_only() {
    let (_home, running) = worker(&["http.max-body=1KiB"]);
    let client = Client::open(running.http());
    let answers = client.post("/", &[STRUCTURED], vec!["x".repeat(2_000), event("1")]);
    assert_eq!(answers.iter().map(|a| a.status.as_u16()).collect::<Vec<_>>(), [413, 202]);
    assert!(!answers[0].headers.contains_key(CONNECTION), "{:?}", answers[0].headers);
    assert_eq!(client.post("/", &[STRUCTURED], vec![event("2")])[0].status, 202);
}

#[test]
fn too_many_and_too_long_headers_are_refused_and_the_connection_goes_on() {
    let (_home, running) = worker(&[]);
    let client = Client::open(running.http());
    let names: Vec<String> = (0..200).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(client.post("/", &many, vec![String::new()])[0].status, 431);
    let long = "a".repeat(80 << 10);
    assert_eq!(client.post("/", &[("x-long", &long)], vec![String::new()])[0].status, 431);
    assert_eq!(client.post("/", &[STRUCTURED], vec![event("1")])[0].status, 202);
}

/// What has begun when the worker stops is answered, and the client is told to go elsewhere with the rest.
#[test]
fn a_stop_answers_what_has_begun() {
    let (home, running) = worker(&[]);
    let mut client = Frames::open(running.http(), &[]);
    let block = frames::block(&[STRUCTURED]);
    client.send(frames::HEADERS, frames::END_HEADERS, 1, &block).unwrap();
    // The answer to a ping: the request has been seen.
    client.send(frames::PING, 0, 0, b"are you?").unwrap();
    client.find(frames::PING);
    running.signal();
    client.find(frames::GO_AWAY);
    client.send(frames::DATA, frames::END_STREAM, 1, event("late").as_bytes()).unwrap();
    let answer = client.find(frames::HEADERS);
    assert_eq!(answer.stream, 1);
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    // Taken or refused: what was taken is there.
    let running = start(&home, &[]);
    assert_eq!(post_event(&running, "after").status, 202);
    eventually("it runs", || home.succeeded("default/all").contains_key("after").then_some(()));
}
