//! Written to a real NATS server: replies and what is posted to a broker that lives there, dead letters, usage, and what a stream
//! that is full or away means for them.

#[path = "nats_sink/billing.rs"]
mod billing;
#[path = "brokers/mod.rs"]
mod brokers;
#[path = "nats_sink/dlq.rs"]
mod dlq;
mod nats;
mod worker;

use std::process::Output;

use nats::Stream;
use worker::{Home, Running, eventually, guests};

/// A sink of this subject of the stream, and a broker that it backs.
fn sink(stream: &Stream, more: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: out}}\nspec:\n  servers: ['{}']\n  \
         subject: {}.out\n  stream: {}\n---\napiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata:\n  name: orders\n  \
         annotations: {{weir.dev/backing: NatsSink/out}}\n{more}",
        stream.address, stream.name, stream.name
    )
}

#[test]
fn what_is_posted_to_a_broker_that_lives_in_nats_is_there_when_it_is_answered() {
    let stream = Stream::new();
    let home = Home::new(&sink(&stream, ""));
    let running = Running::start(&home, &[]);
    for n in 0..20 {
        let target = format!("http://{}/default/orders", running.http());
        let Output { status, stderr, .. } = home.weir(&[
            "publish",
            "--target",
            &target,
            "--type",
            "order.created",
            "--id",
            &n.to_string(),
            "--data",
            "{}",
        ]);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        assert_eq!(stream.messages(), n + 1, "it is there as soon as that is said");
    }
    assert_eq!(running.terminate().code, Some(0));
    let events = stream.events();
    assert_eq!(events.len(), 20);
    assert!(
        events.iter().all(|(subject, ty)| subject.ends_with(".out") && ty == "order.created"),
        "{events:?}"
    );
}

/// By way of NATS: posted, brought back by a source, run; what fails for good goes to another sink.
#[test]
fn a_broker_s_events_go_round_by_nats_and_dead_letters_go_there() {
    let (stream, letters) = (Stream::new(), Stream::new());
    let more = format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: NatsSource\nmetadata: {{name: orders}}\nspec:\n  servers: ['{address}']\n  \
         stream: {name}\n  consumer: weir\n  sink: {{ref: {{kind: Broker, name: orders}}}}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: letters}}\nspec:\n  servers: ['{address}']\n  \
         subject: {letters}.dead\n  contentMode: structured\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: trap}}\nspec: {{module: trap.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: trap}}\nspec:\n  broker: orders\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: trap}}}}\n  delivery:\n    retry: 0\n    \
         deadLetterSink: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: NatsSink, name: letters}}}}\n",
        address = stream.address,
        name = stream.name,
        letters = letters.name,
    );
    let home = Home::new(&sink(&stream, &more));
    home.write("trap.wasm", &guests::guest("unreachable", ""));
    let running = Running::start(&home, &[]);
    for n in 0..10 {
        let target = format!("http://{}/default/orders", running.http());
        let published = home.weir(&[
            "publish",
            "--target",
            &target,
            "--type",
            "order.created",
            "--id",
            &n.to_string(),
            "--data",
            "{}",
        ]);
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    }
    eventually("all are dead letters", || (letters.messages() == 10).then_some(()));
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert!(home.dead_letters().is_empty(), "none is kept here");
}

#[test]
fn publish_and_lag_and_setup_know_nats() {
    let stream = Stream::new();
    let home = stream.home("");
    let documents = home.documents();
    let documents = documents.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let Output { status, stdout, stderr } = home.weir(arguments);
        (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    };
    let (code, said) = run(&["setup", documents, "--check"]);
    assert!(code != Some(0) && said.contains("lacking"), "{said}");
    let (code, said) = run(&["setup", documents, "--print"]);
    assert!(code == Some(0) && said.contains(&format!("$JS.ACK.{}.weir.>", stream.name)), "{said}");
    let (code, said) = run(&["setup", documents]);
    assert!(code == Some(0) && said.lines().filter(|line| line.starts_with("made")).count() == 2, "{said}");
    let (code, said) = run(&["setup", documents, "--check"]);
    assert!(code == Some(0) && !said.contains("made"), "{said}");
    let target = format!("nats://{}/{}.created", stream.address, stream.name);
    let (code, said) =
        run(&["publish", "--to", &target, "--type", "order.created", "--data", "{}", "--count", "30"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stream.messages(), 30);
    let lag = || {
        let (code, said) = run(&["lag", "orders", "--in", documents, "--format", "json"]);
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    let before = lag();
    assert_eq!((before["lag"].as_u64(), before["parked"].as_u64()), (Some(30), Some(0)), "{before}");
    assert!(before["oldest_unix_ms"].is_i64());
    let running = Running::start(&home, &[]);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(lag()["lag"].as_u64(), Some(0));
    let (code, said) = run(&["publish", "--to", "nats://127.0.0.1:1/x", "--type", "t"]);
    assert!(code != Some(0) && said.contains("can't be reached"), "{said}");
}
