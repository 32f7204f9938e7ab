//! Events over HTTP, to a worker as its users have it: what is taken is run, what is not is refused with the reason, and
//! no client, hostile or slow, takes more of the worker than it may.

mod worker;

#[path = "http/events.rs"]
mod events;
#[path = "http/frames.rs"]
mod frames;
#[path = "http/handshake.rs"]
mod handshake;
#[path = "http/hostile.rs"]
mod hostile;
#[path = "http/http2.rs"]
mod http2;
#[path = "http/keys.rs"]
mod keys;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/protocol.rs"]
mod protocol;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/room.rs"]
mod room;
#[path = "http/tls.rs"]
mod tls;
#[path = "http/tokens.rs"]
mod tokens;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use worker::{Connection, Home, Response, Running, eventually, guests};

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

/// A function that sees every event of the default broker and of `shop/orders`.
fn home() -> Home {
    let trigger = |namespace: &str, broker: &str| {
        format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\n\
             metadata: {{name: all, namespace: {namespace}}}\nspec:\n  broker: {broker}\n  subscriber:\n    \
             ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: audit, namespace: default}}\n"
        )
    };
    let documents = format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: audit}}\nspec: {{module: audit.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {{name: orders, namespace: shop}}\n{}{}",
        trigger("default", "default"),
        trigger("shop", "orders"),
    );
    let home = Home::new(&documents);
    home.write("audit.wasm", &guests::audit());
    home
}

/// A worker on a home of its own, with these settings: "http.max-body=2KiB".
fn worker(settings: &[&str]) -> (Home, Running) {
    let home = home();
    let running = start(&home, settings);
    (home, running)
}

#[track_caller]
fn start(home: &Home, settings: &[&str]) -> Running {
    let options: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Running::start(home, &options)
}

/// One event in the JSON format.
fn event(id: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.created","data":{{"n":1}}}}"#)
}

/// Posts on a connection of its own.
#[track_caller]
fn post(running: &Running, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
    running.connect().post("/", headers, body.as_ref()).unwrap()
}

#[track_caller]
fn post_event(running: &Running, id: &str) -> Response {
    post(running, &[STRUCTURED], event(id))
}

/// Others are served: sooner or later, where their own time is as short as that of who is cut off.
#[track_caller]
fn served(running: &Running, id: &str) {
    eventually("others are served", || {
        let response = running.connect().post("/", &[STRUCTURED], event(id).as_bytes()).ok()?;
        (response.status == 202).then_some(())
    });
}

/// A refusal's reason. It is a problem+json, whatever it is about.
#[track_caller]
fn detail(response: &Response) -> String {
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{response:?}");
    let problem: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(problem["status"], response.status, "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

/// How many seconds a client is asked to wait.
#[track_caller]
fn retry_after(response: &Response) -> u32 {
    let seconds = response.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {response:?}"));
    seconds.parse().unwrap()
}

/// Waits until exactly these have run, however often each.
#[track_caller]
fn ran(home: &Home, trigger: &str, ids: &[&str]) {
    let mut expected: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    expected.sort();
    eventually("the events run", || (home.succeeded(trigger).len() >= ids.len()).then_some(()));
    assert_eq!(home.succeeded(trigger).into_keys().collect::<Vec<_>>(), expected);
}

/// Sends these bytes and no more, and returns all that comes until the worker closes the connection.
#[track_caller]
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut answer = Vec::new();
    // Who is refused and sends on for longer than the worker waits sees a broken connection and no answer.
    eventually("it is answered", || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        stream.write_all(bytes).ok()?;
        answer.clear();
        stream.read_to_end(&mut answer).ok()
    });
    String::from_utf8(answer).unwrap()
}

fn ready(running: &Running) -> Response {
    Connection::open(running.admin()).unwrap().get("/readyz").unwrap()
}
