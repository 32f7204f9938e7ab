//! `weir dlq` over the topic of a KafkaSink: nothing is removed there, and nothing that was done comes again.

use std::process::Output;

use weir::worker::letters::DeadLetterLine;

use crate::kafka::{self, Topic};
use crate::worker::{Home, Running, eventually, guests};
use crate::{brokers, run, sink};

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
fn letters_in_a_topic_are_found_shown_replayed_and_dropped() {
    let (topic, letters) = (Topic::new(2), Topic::named(&brokers::unique("letters"), 2));
    let delivery = "  delivery:\n    retry: 1\n    backoffDelay: PT0.01S\n    deadLetterSink: {ref: {apiVersion: \
                    eventing.knative.dev/v1alpha1, kind: KafkaSink, name: letters}}\n";
    let documents =
        sink("letters", &letters.address, &letters.name) + &run("brittle", "task", "key", delivery);
    let home = Home::new(&topic.documents(&documents));
    home.write("brittle.wasm", &guests::brittle());
    (0..12).for_each(|n| topic.publish(n % 2, Some(&format!("k{n}")), "task", &format!("bad-{n}"), "\"!\""));
    topic.flush();
    let running = Running::start(&home, &["--set", "breaker.failures=0", "--set", "reload.interval=10ms"]);
    topic.until_done();

    let all = list(&home, &[]);
    assert_eq!(all.len(), 12);
    let first = &all[0];
    assert_eq!((first.trigger.as_str(), first.function.as_str()), ("default/brittle", "default/brittle"));
    assert_eq!(
        (first.outcome.as_str(), first.reason.as_str(), first.attempts),
        ("trapped", "unreachable", 2)
    );
    assert_eq!(list(&home, &["--cesql", "id LIKE 'bad-1%'"]).len(), 3);
    assert_eq!(list(&home, &["--last", "5"]).len(), 5);
    let table = said(&weir(&home, &["list"]));
    let id = table.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(id.contains('/'), "{table}");
    let event: serde_json::Value =
        serde_json::from_str(&said(&weir(&home, &["show", &id, "--as-event"]))).unwrap();
    assert_eq!((&event["type"], &event["data"]), (&"task".into(), &"!".into()));
    let left: Vec<_> = event
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.starts_with("weir") || name.starts_with("knativeerror"))
        .collect();
    assert!(left.is_empty(), "{event}");

    // It fails again: another letter, of the first replay.
    assert!(said(&weir(&home, &["replay", &id])).contains("replayed 1 of 1"));
    let again = eventually("it has failed again", || {
        Some(list(&home, &[])).filter(|all| all.iter().any(|l| l.replay == 1))
    });
    assert_eq!(again.len(), 12, "the one that was replayed is passed over");
    assert_eq!(list(&home, &["--max-replays", "0"]).len(), 11);

    home.write("brittle.wasm", &guests::audit());
    running.hangup();
    eventually("the function is mended", || running.said("a change has taken effect"));
    assert!(
        said(&weir(&home, &["replay", "--cesql", "id IN ('bad-1', 'bad-10', 'bad-11')"]))
            .contains("replayed 3 of 3")
    );
    eventually("they are done", || (home.succeeded("default/brittle").len() == 3).then_some(()));
    assert!(said(&weir(&home, &["replay", "--all", "--dry-run"])).contains("would replay 9 of 9"));
    assert!(said(&weir(&home, &["drop", "--cesql", "id = 'bad-2'", "--yes"])).contains("dropped 1 of 1"));
    assert_eq!(list(&home, &[]).len(), 8);
    assert!(said(&weir(&home, &["replay", "--all"])).contains("replayed 8 of 8"));
    eventually("they are done", || (home.succeeded("default/brittle").len() == 11).then_some(()));
    let nothing = weir(&home, &["replay", "--all"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no dead letter"));
    assert_eq!(running.terminate().code, Some(0));
    kafka::once_each(&home.succeeded("default/brittle"), 11);
    assert_eq!(letters.records().len(), 13, "a topic is only appended to");
    assert_eq!(letters.lag_of(&format!("{}.weir-dlq", letters.name)), 0);
}

/// Letters of nobody that is known, and a worker that is not there.
#[test]
fn what_can_t_be_replayed_stays() {
    let letters = Topic::named(&brokers::unique("letters"), 1);
    letters.publish(0, None, "order.created", "foreign", "{}");
    letters.flush();
    let home =
        Home::new(&(sink("letters", &letters.address, &letters.name) + &run("audit", "task", "key", "")));
    home.write("audit.wasm", &guests::audit());
    let all = list(&home, &[]);
    assert_eq!((all.len(), all[0].trigger.as_str(), all[0].event_id.as_str()), (1, "", "foreign"));
    let nobody = weir(&home, &["replay", "0/0"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no data directory"), "{nobody:?}");
    let running = Running::start(&home, &[]);
    let unknown = weir(&home, &["replay", "0/0"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unknown.stdout).contains("replayed 0 of 1 dead letter, 1 skipped"),
        "{unknown:?}"
    );
    assert_eq!(list(&home, &[]).len(), 1);
    assert!(said(&weir(&home, &["replay", "0/0", "--to", "audit"])).contains("replayed 1 of 1"));
    eventually("it is done", || (home.succeeded("default/audit").len() == 1).then_some(()));
    assert!(list(&home, &[]).is_empty());
    let lost = home.weir(&["dlq", "list", "--sink", "lost", "--in", "documents.yaml"]);
    assert!(
        String::from_utf8_lossy(&lost.stderr).contains("there is no KafkaSink or NatsSink default/lost"),
        "{lost:?}"
    );
    assert_eq!(running.terminate().code, Some(0));
}
