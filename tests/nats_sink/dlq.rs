//! `weir dlq` over the stream of a NatsSink: what was replayed or dropped is gone there.

use std::collections::BTreeSet;
use std::process::Output;

use weir::sink::nats::partition_of;
use weir::worker::letters::DeadLetterLine;

use crate::nats::Stream;
use crate::nats::keys::events;
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

/// A source that has partitions, and a sink that has others.
#[test]
fn letters_of_partitions_are_found_shown_replayed_and_dropped() {
    const SOURCE: u32 = 3;
    const SINK: u32 = 4;
    let (stream, letters) = (Stream::partitioned(SOURCE), Stream::new());
    letters.publish("order.created", "foreign", "{}");
    let trigger = |name: &str, sink: &str| {
        format!(
            "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: {name}\n  annotations: \
             {{weir.dev/delivery.order: key}}\nspec:\n  broker: default\n  \
             subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: trap}}}}\n  \
             delivery: {{retry: 1, backoffDelay: PT0.01S{sink}}}\n"
        )
    };
    let more = format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: NatsSink\nmetadata: {{name: letters}}\nspec:\n  servers: ['{}']\n  \
         subject: {}.dead\n  partitions: {SINK}\n\
         ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: trap}}\nspec: {{module: trap.wasm}}\n{}{}",
        letters.address,
        letters.name,
        trigger(
            "sunk",
            ", deadLetterSink: {ref: {apiVersion: weir.dev/v1alpha1, kind: NatsSink, name: letters}}"
        ),
        trigger("kept", ""),
    );
    let spec = format!("partitions: {SOURCE}\n  subjects: ['{}.*']", stream.name);
    let home = Home::new(&stream.documents_with(&spec, &more));
    home.write("trap.wasm", &guests::guest("unreachable", ""));
    stream.publish_keyed(&events(0..20, 5));
    let running = Running::start(&home, &["--set", "breaker.failures=0", "--set", "reload.interval=10ms"]);
    stream.until_partitions_are_done(SOURCE);
    let key = |n: usize| format!("{}.k{n}", stream.name);
    let subjects: BTreeSet<String> =
        letters.events().into_iter().skip(1).map(|(subject, _)| subject).collect();
    let of_keys = (0..5).map(|n| format!("{}.dead.{}", letters.name, partition_of(&key(n), SINK)));
    assert_eq!(subjects, of_keys.collect(), "each key's letters are in one partition");
    let setup = home.weir(&["setup", "documents.yaml", "--check"]);
    assert!(setup.status.success(), "{}", String::from_utf8_lossy(&setup.stdout));

    let all = list(&home, &[]);
    assert!(all.len() == 20 && all.iter().all(|letter| letter.trigger == "default/sunk"), "{all:?}");
    let of_a_key = format!("partitionkey = '{}'", key(2));
    assert_eq!(list(&home, &["--cesql", &of_a_key]).len(), 4);
    let shown = said(&weir(&home, &["show", &all[7].id.to_string(), "--as-event"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    // Which is the eighth is not said: partitions are dealt with side by side.
    let number: usize = all[7].event_id.parse().unwrap();
    assert_eq!(
        (&shown["id"], &shown["partitionkey"]),
        (&all[7].event_id.as_str().into(), &key(number % 5).into())
    );

    home.write("trap.wasm", &guests::audit());
    running.hangup();
    eventually("the function is mended", || running.said("a change has taken effect"));
    assert!(said(&weir(&home, &["replay", "--cesql", &of_a_key])).contains("replayed 4 of 4"));
    eventually("they are done", || (home.succeeded("default/sunk").len() == 4).then_some(()));
    let dropped = weir(&home, &["drop", "--cesql", &format!("partitionkey = '{}'", key(3)), "--yes"]);
    assert!(said(&dropped).contains("dropped 4 of 4"));
    assert!(said(&weir(&home, &["replay", "--all"])).contains("replayed 12 of 12"));
    eventually("they are done", || (home.succeeded("default/sunk").len() == 16).then_some(()));
    assert_eq!(letters.messages(), 1, "what was done is gone, and nothing else");

    // The others are the worker's own.
    let data = home.data();
    let own = |arguments: &[&str]| {
        said(&home.weir(&[&["dlq"], arguments, &["--data-dir", data.to_str().unwrap()]].concat()))
    };
    assert_eq!(own(&["list", "--format", "json", "--cesql", &of_a_key]).lines().count(), 4);
    assert!(own(&["replay", "--cesql", &of_a_key]).contains("replayed 4 of 4"));
    eventually("they are done", || (home.succeeded("default/kept").len() == 4).then_some(()));
    assert_eq!(home.dead_letters().len(), 16);
    assert_eq!(running.terminate().code, Some(0));
    for trigger in ["default/sunk", "default/kept"] {
        assert!(home.succeeded(trigger).values().all(|times| *times == 1), "none twice");
        let mut ids: Vec<_> =
            home.journal().into_iter().filter(|e| e.trigger == trigger && e.outcome == "succeeded").collect();
        ids.retain(|entry| entry.event_id.parse::<usize>().unwrap() % 5 == 2);
        let ids: Vec<_> = ids.into_iter().map(|entry| entry.event_id).collect();
        assert_eq!(ids, ["00002", "00007", "00012", "00017"], "a key's replays keep their order");
    }
    let stands = stream.lag_of_partitions(SOURCE).unwrap();
    assert_eq!((stands.sum(), stream.messages()), (0, 20), "the stream is as it was");
}
