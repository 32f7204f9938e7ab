//! Usage in a stream: each charge once, whatever becomes of acknowledgements, of the server and of the worker.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_nats::ConnectOptions;
use serde_json::Value;

use crate::brokers::Own;
use crate::nats::Stream;
use crate::worker::{Connection, Home, Running, eventually, guests};

/// Stands between a client and its server, and may keep the acknowledgements to itself.
struct Between {
    address: String,
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    keeps: AtomicBool,
    kept: AtomicUsize,
}

impl Between {
    fn start(server: &str) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = Arc::new(Said::default());
        let (server, of) = (server.to_owned(), Arc::clone(&said));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // One that is away is away to whoever asks here, too.
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let pair = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || copy(pair.0, pair.1, None));
                let said = Arc::clone(&of);
                std::thread::spawn(move || copy(server, client, Some(&said)));
            }
        });
        Between { address, said }
    }

    /// From now on what acknowledges ends the connection, and does not arrive.
    fn keep(&self, keeps: bool) {
        self.said.keeps.store(keeps, Ordering::SeqCst);
    }

    fn kept(&self) -> usize {
        self.said.kept.load(Ordering::SeqCst)
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, said: Option<&Said>) {
    let mut piece = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let piece = &piece[..read];
        if let Some(said) = said
            && said.keeps.load(Ordering::SeqCst)
            && piece.windows(4).any(|bytes| bytes == b"MSG ")
        {
            said.kept.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// A trigger whose attempts cost 0.001, and go to the subject `usage` of the stream.
fn home(stream: &Stream, address: &str, sink: &str, billing: &str) -> Home {
    let home = Home::new(&format!(
        "apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {{name: audit}}
spec: {{module: audit.wasm, tenant: '$customer, acme', price: {{call: '0.001'}}}}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: audit}}
spec:
  broker: default
  subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}}}
---
apiVersion: weir.dev/v1alpha1
kind: NatsSink
metadata: {{name: usage}}
spec: {{servers: ['{address}'], subject: {name}.usage, stream: {name}{sink}}}
---
apiVersion: weir.dev/v1alpha1
kind: BillingSink
metadata: {{name: usage}}
spec: {{sink: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: NatsSink, name: usage}}}}, interval: PT0.05S{billing}}}
",
        name = stream.name,
    ));
    home.write("audit.wasm", &guests::audit());
    home
}

fn charges(home: &Home) -> Vec<String> {
    home.journal().into_iter().map(|entry| entry.charge).collect()
}

fn metric(running: &Running, name: &str) -> String {
    let text = Connection::open(running.admin()).unwrap().get("/metrics").unwrap().text();
    let sample = format!("{name}{{sink=\"default/usage\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap_or_default().to_owned()
}

fn all_are_there(stream: &Stream, count: u64) {
    eventually("all usage is there", || (stream.messages() == count).then_some(()));
}

#[test]
fn each_charge_is_in_the_stream_once_though_acknowledgements_are_lost_and_server_and_worker_go() {
    let server = Own::nats("billing", &[]);
    let stream = Stream::at(&server.address, ConnectOptions::new());
    let between = Between::start(&server.address);
    let home = home(&stream, &between.address, "", ", batch: 7");
    let running = Running::start(&home, &[]);
    let publish = |running: &Running, ids: std::ops::Range<usize>| {
        ids.for_each(|n| running.publish("t", &format!("e-{n}"), &[], "{}"));
    };
    publish(&running, 0..30);
    all_are_there(&stream, 30);
    assert_eq!(stream.headers("ce-id"), charges(&home), "in the order of the journal");
    assert_eq!(stream.headers("Nats-Msg-Id"), charges(&home));
    assert!(stream.headers("ce-type").iter().all(|ty| ty == "dev.weir.usage.invocation.v1"));

    between.keep(true);
    publish(&running, 30..50);
    eventually("some are written, and nobody is told", || {
        (between.kept() > 0 && stream.messages() > 30).then_some(())
    });
    between.keep(false);
    all_are_there(&stream, 50);

    server.stop();
    publish(&running, 50..70);
    eventually("it says so", || {
        running.said("billing does not take what is shipped: it waits in the journal")
    });
    server.go_on();
    all_are_there(&stream, 70);

    between.keep(true);
    let kept = between.kept();
    publish(&running, 70..90);
    eventually("again nobody is told", || (between.kept() > kept).then_some(()));
    running.kill();
    between.keep(false);
    let running = Running::start(&home, &[]);
    publish(&running, 90..100);
    all_are_there(&stream, 100);
    assert_eq!(running.terminate().code, Some(0));
    let (mut there, mut owed) = (stream.headers("ce-id"), charges(&home));
    for charges in [&mut there, &mut owed] {
        charges.sort();
    }
    // What a kill made run again stands in the journal twice.
    owed.dedup();
    assert_eq!(there, owed, "each once, though some were written again");

    let row = cost_of_acme(&home, &stream);
    assert_eq!((&row["attempts"], &row["price"], &row["repeats"]), (&100.into(), &"0.1".into(), &0.into()));
}

/// As `weir cost` has it of all that was shipped.
fn cost_of_acme(home: &Home, stream: &Stream) -> Value {
    let from = format!("nats://{}/{}.usage", stream.address, stream.name);
    let costs = home.weir(&["cost", "--from", &from, "--by", "tenant", "--format", "json"]);
    let costs: Value = serde_json::from_slice(&costs.stdout).unwrap_or_else(|_| panic!("{costs:?}"));
    costs["table"]["rows"]["acme"].clone()
}

/// What was there before the sink had partitions counts, too; what others write beside it does not.
#[test]
fn what_was_shipped_to_partitions_is_read_like_what_was_not() {
    let stream = Stream::new();
    for (sink, ids) in [("", 0..10), (", partitions: 3", 10..40)] {
        let home = home(&stream, &stream.address, sink, "");
        let running = Running::start(&home, &[]);
        ids.clone().for_each(|n| running.publish("t", &format!("e-{n}"), &[], "{}"));
        all_are_there(&stream, ids.end as u64);
        assert_eq!(cost_of_acme(&home, &stream)["attempts"], ids.end);
        assert_eq!(running.terminate().code, Some(0));
    }
    let events = stream.events();
    let is_in = |n| events.iter().any(|(subject, _)| subject.ends_with(&format!(".usage.{n}")));
    assert!((0..3).all(is_in), "{events:?}");
    stream.produce("usage.report", &[], b"none of ours");
    let home = home(&stream, &stream.address, "", "");
    assert_eq!(cost_of_acme(&home, &stream)["attempts"], 40);
}

/// One that the server takes none like, one that the stream takes none like, and a login.
#[test]
fn a_charge_that_is_too_large_is_put_aside_and_the_others_go_on() {
    let conf = "authorization { token: \"t0ps3cret\" }\nmax_payload: 16384\n";
    let server = Own::nats("billing-small", &[("more.conf", conf)]);
    let stream = Stream::at(&server.address, ConnectOptions::with_token("t0ps3cret".to_owned()));
    stream.limit_size(8192);
    let login = ", auth: {token: {secretKeyRef: {name: nats, key: token}}}";
    let home = home(&stream, &server.address, login, ", batch: 8");
    let refused = Running::try_start(&home, &[]).unwrap_err();
    assert!(refused.log.contains("NatsSink default/usage: the secret 'nats/token'"), "{}", refused.log);
    home.secret("nats/token", "t0ps3cret\n");
    let documents = home.documents();
    let documents = documents.to_str().unwrap();
    let setup = home.weir(&["setup", documents, "--check"]);
    let said = String::from_utf8_lossy(&setup.stdout).into_owned();
    assert!(setup.status.success() && said.contains(&format!("in the stream {}", stream.name)), "{setup:?}");
    let running = Running::start(&home, &[]);
    for n in 0..30 {
        let id = match n {
            11 => "w".repeat(10_000),
            17 => "x".repeat(17_000),
            n => format!("e-{n}"),
        };
        running.publish("t", &id, &[], "{}");
    }
    all_are_there(&stream, 28);
    eventually("two are put aside, and the others are counted as gone", || {
        let numbers = ["weir_quarantined_entries_total", "weir_waiting_entries"];
        (numbers.map(|name| metric(&running, name)) == ["2", "0"]).then_some(())
    });
    assert_eq!(running.terminate().code, Some(0));
    let kept = std::fs::read_to_string(home.data().join("shipments/default.usage.refused.jsonl")).unwrap();
    let ids = kept.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["event"]["data"]["event_id"].as_str().unwrap().to_owned()
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["w".repeat(10_000), "x".repeat(17_000)]);
    let journal = home.journal().into_iter();
    let expected: Vec<_> =
        journal.filter(|entry| entry.event_id.len() < 100).map(|entry| entry.charge).collect();
    assert_eq!(stream.headers("ce-id"), expected, "each once, in order");
}

#[test]
fn setup_says_which_stream_lacks_the_subject() {
    let (stream, other) = (Stream::new(), Stream::new());
    let home = home(&stream, &stream.address, "", "");
    let documents = home.documents();
    let documents = documents.to_str().unwrap();
    let run = |documents: &str, more: &str| {
        let done = home.weir(&["setup", documents, more]);
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, said) = run(documents, "--print");
    assert!(code == Some(0) && said.contains(&format!("have the subject {}.usage", stream.name)), "{said}");
    let wrong = std::fs::read_to_string(documents).unwrap();
    let elsewhere = wrong.replace(&format!("stream: {}", stream.name), &format!("stream: {}", other.name));
    home.write("documents.yaml", elsewhere.as_bytes());
    let (code, said) = run(documents, "--check");
    assert!(code == Some(1) && said.contains(&format!("has this subject, and not {}", other.name)), "{said}");
    home.write("documents.yaml", wrong.replace(".usage,", "-nowhere.usage,").as_bytes());
    let (code, said) = run(documents, "--check");
    assert!(code == Some(1) && said.contains("no stream has this subject"), "{said}");
}
