//! `weir dlq` over the stream of a NatsSink: what was replayed or dropped is gone there.

use std::process::Output;

use weir::worker::letters::DeadLetterLine;

use crate::nats::Stream;
use crate::worker::{Home, Running, eventually, guests};

fn weir(home: &Home, arguments: &[&str]) -> Output {
    let data = home.data();
    let of = ["--sink", "letters", "--in", "documents.yaml", "--data-dir", data.to_str().unwrap()];
    home.weir(&[&["dlq"], arguments, &of].concat())
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn list(home: &Home, filters: &[&str]) -> Vec<DeadLetterLine> {
    let text = said(&weir(home, &[&["list", "--format", "json"], filters].concat()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn letters_in_a_stream_are_found_shown_replayed_and_dropped() {
    let (stream, letters) = (Stream::new(), Stream::new());
    letters.publish("order.created", "foreign", "{}");
    let more = format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: letters}}\nspec:\n  servers: ['{}']\n  \
         subject: {name}.dead\n  stream: {name}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: brittle}}\nspec: {{module: brittle.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: brittle}}\nspec:\n  broker: default\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: brittle}}}}\n  delivery:\n    retry: 1\n    \
         backoffDelay: PT0.01S\n    \
         deadLetterSink: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: NatsSink, name: letters}}}}\n",
        letters.address,
        name = letters.name,
    );
    let home = Home::new(&stream.documents(&more));
    home.write("brittle.wasm", &guests::brittle());
    (0..12).for_each(|n| stream.publish("task", &format!("bad-{n}"), "\"!\""));
    let running = Running::start(&home, &["--set", "breaker.failures=0", "--set", "reload.interval=10ms"]);
    stream.until_done();

    let all = list(&home, &[]);
    assert_eq!(all.len(), 12, "and not what the stream has of other subjects");
    let first = &all[0];
    assert_eq!((first.trigger.as_str(), first.reason.as_str()), ("default/brittle", "unreachable"));
    assert_eq!((first.outcome.as_str(), first.attempts, first.id), ("trapped", 2, 2));
    assert_eq!(list(&home, &["--cesql", "id LIKE 'bad-1%'"]).len(), 3);
    assert_eq!(list(&home, &["--last", "5"]).len(), 5);
    let event: serde_json::Value =
        serde_json::from_str(&said(&weir(&home, &["show", "2", "--as-event"]))).unwrap();
    assert_eq!((&event["type"], &event["data"]), (&"task".into(), &"!".into()));
    let lost = weir(&home, &["show", "1"]);
    assert!(String::from_utf8_lossy(&lost.stderr).contains("there is no dead letter 1"), "{lost:?}");

    // It fails again: another letter, of the first replay.
    assert!(said(&weir(&home, &["replay", "2"])).contains("replayed 1 of 1"));
    let again = eventually("it has failed again", || {
        Some(list(&home, &[])).filter(|all| all.iter().any(|l| l.replay == 1))
    });
    assert_eq!(again.len(), 12, "the one that was replayed is gone");

    home.write("brittle.wasm", &guests::audit());
    running.hangup();
    eventually("the function is mended", || running.said("a change has taken effect"));
    let some = ["replay", "--cesql", "id IN ('bad-1', 'bad-10', 'bad-11')"];
    assert!(said(&weir(&home, &some)).contains("replayed 3 of 3"));
    eventually("they are done", || (home.succeeded("default/brittle").len() == 3).then_some(()));
    assert!(said(&weir(&home, &["drop", "--cesql", "id = 'bad-2'", "--yes"])).contains("dropped 1 of 1"));
    assert!(said(&weir(&home, &["replay", "--all"])).contains("replayed 8 of 8"));
    eventually("they are done", || (home.succeeded("default/brittle").len() == 11).then_some(()));
    let nothing = weir(&home, &["replay", "--all"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no dead letter"), "{nothing:?}");
    assert_eq!(running.terminate().code, Some(0));
    let counts = home.succeeded("default/brittle");
    assert!(counts.len() == 11 && counts.values().all(|times| *times == 1), "{counts:?}");
    assert_eq!(letters.messages(), 1, "what was done is gone, and nothing else");
}
