//! `weir tap` on a stream: messages of every kind are shown as the events that they are, and nobody notices.

use std::process::Output;

use serde_json::Value;

use crate::nats::Stream;
use crate::worker::Home;

fn tap(home: &Home, arguments: &[&str]) -> (String, String) {
    let documents = home.documents();
    let Output { status, stdout, stderr } =
        home.weir(&[&["tap", "orders", documents.to_str().unwrap()], arguments].concat());
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The ids, or errors, of what is shown.
fn ids(home: &Home, arguments: &[&str]) -> Vec<String> {
    let (text, _) = tap(home, &[&["--format", "json"], arguments].concat());
    let shown = |line: &str| -> String {
        let line: Value = serde_json::from_str(line).unwrap();
        line["event"]["id"].as_str().or(line["error"].as_str()).unwrap().to_owned()
    };
    text.lines().map(shown).collect()
}

#[test]
fn messages_are_shown_with_the_triggers_that_they_meet_and_nobody_notices() {
    let _alone = crate::alone();
    let stream = Stream::new();
    stream.publish("order.created", "1", "{}");
    stream.produce("odd", &[("tenant", "acme")], b"x");
    stream.produce("odd", &[("ce-specversion", "1.0"), ("ce-id", "")], b"whole");
    let home = stream.home("");
    let (text, _) = tap(&home, &[]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], format!("{}@1  order.created  id=1 source=/shop  -> default/audit", stream.name));
    assert!(lines[1].contains("@2  dev.weir.nats.event  id=sequence:2 "), "{text}");
    assert!(lines[2].contains("@3  no event: "), "{text}");
    let (json, _) = tap(&home, &["--limit", "1", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["sequence"], &json["stream"]), (&1.into(), &stream.name.as_str().into()));
    assert_eq!(json["subject"], format!("{}.created", stream.name));
    assert!(stream.lag().is_none() && stream.consumers() == 0, "nobody has made a consumer");
    assert_eq!(stream.messages(), 3);
}

#[test]
fn it_begins_where_it_is_told_to_and_ends_where_the_stream_did() {
    let _alone = crate::alone();
    let stream = Stream::new();
    let home = stream.home("");
    assert!(tap(&home, &[]).1.contains("no record stands there"));
    stream.publish_all(0..5);
    let home_of = |subjects: &str| Home::new(&stream.documents_with(subjects, ""));
    // Between others that are not the source's.
    (0..40).for_each(|_| stream.produce("other", &[], b"x"));
    stream.publish_all(5..8);
    let time = stream.written(46);
    stream.delete_message(47);
    let created = home_of(&format!("subjects: ['{}.created']", stream.name));
    assert_eq!(ids(&created, &[]), ["0", "1", "2", "3", "4", "5", "7"], "however far apart");
    assert_eq!(ids(&created, &["--last", "3"]), ["4", "5", "7"]);
    assert_eq!(ids(&created, &["--last", "0"]).len(), 0);
    assert_eq!(ids(&created, &["--from", "earliest", "--limit", "2"]), ["0", "1"]);
    assert_eq!(ids(&created, &["--from", "4"]), ["3", "4", "5", "7"]);
    assert_eq!(ids(&created, &["--from", &time]), ["5", "7"]);
    assert_eq!(ids(&created, &["--from", "2100-01-01T00:00:00Z"]).len(), 0);
    let both = home_of(&format!("subjects: ['{0}.other', '{0}.created']", stream.name));
    assert_eq!(
        ids(&both, &["--from", "4", "--limit", "3"]),
        ["3", "4", "sequence:6"],
        "in the stream's order"
    );
}
