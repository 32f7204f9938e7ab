//! Subscribers that are written with the CloudEvents SDKs of Python and JavaScript take what is sent to them, in either form,
//! and what they answer is a reply. Without the SDKs, which scripts/setup gets, this is left out and one line says so.

mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use worker::{Home, Running, eventually};

/// A receiver's process. Killed when dropped.
struct Peer {
    child: Child,
    port: u16,
    events: Receiver<Value>,
}

impl Peer {
    fn start(command: &mut Command) -> Peer {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Peer { child, port, events }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where scripts/setup puts the SDKs.
fn sdks() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/sdks");
    let there = folder.join("python/bin/python").exists() && folder.join("node_modules/cloudevents").exists();
    assert!(there || std::env::var_os("CI").is_none(), "the CloudEvents SDKs are missing: run scripts/setup");
    if !there {
        println!(
            "left out: the CloudEvents SDKs of Python and JavaScript are not here (scripts/setup gets them)"
        );
    }
    there.then_some(folder)
}

#[test]
fn the_sdks_take_what_is_sent_and_their_answers_are_replies() {
    let Some(folder) = sdks() else { return };
    let receivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers");
    let python =
        Peer::start(Command::new(folder.join("python/bin/python")).arg(receivers.join("receiver.py")));
    let mut node = Command::new("node");
    node.arg(receivers.join("receiver.js")).env("NODE_PATH", folder.join("node_modules"));
    let javascript = Peer::start(&mut node);

    let mut documents = String::new();
    for (name, port) in [("python", python.port), ("javascript", javascript.port)] {
        for format in ["binary", "json"] {
            documents += &format!(
                "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}-{format}}}\nspec:\n  \
                 broker: default\n  filter: {{attributes: {{type: {name}-{format}}}}}\n  \
                 subscriber: {{uri: 'http://127.0.0.1:{port}/'}}\n  delivery: {{format: {format}, retry: 0}}\n---\n"
            );
        }
    }
    let home = Home::new(&documents);
    let worker = Running::start(&home, &[]);
    let more = [("ce-subject", "order-7"), ("ce-region", "eu")];
    for peer in [("python", &python), ("javascript", &javascript)] {
        for format in ["binary", "json"] {
            let (ty, id) = (format!("{}-{format}", peer.0), format!("{}-{format}-1", peer.0));
            worker.publish(&ty, &id, &more, r#"{"amount": 12.5, "items": ["a"]}"#);
            let held = peer.1.events.recv().unwrap();
            let expected = json!({"id": id, "source": "/shop", "type": ty, "subject": "order-7", "region": "eu",
                "data": {"amount": 12.5, "items": ["a"]}});
            assert_eq!(held, expected);
            let entries =
                eventually("its answer is taken", || Some(home.about(&id)).filter(|all| !all.is_empty()));
            assert_eq!(entries[0].outcome, "succeeded", "{entries:?}");
            let replies: Vec<_> = entries[0].replies.iter().map(|r| (r.id.as_str(), r.ty.as_str())).collect();
            assert_eq!(replies, [(format!("reply-to-{id}").as_str(), "received")]);
        }
    }
    assert_eq!(worker.terminate().code, Some(0));
}
