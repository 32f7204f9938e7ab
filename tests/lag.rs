//! `weir lag` against a real Kafka: as KEDA counts, beside what a worker finds to do; and nobody notices.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "setup/topics.rs"]
mod topics;
mod worker;

use serde_json::{Value, json};
use topics::Topics;
use worker::Home;

fn home(kafka: &Topics, topic: &str, more: &str) -> Home {
    Home::new(&format!(
        "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {{name: orders}}\nspec:\n  \
         bootstrapServers: ['{}']\n  topics: [{topic}]\n  consumerGroup: {topic}-group\n  {more}\n  \
         sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n",
        kafka.address
    ))
}

#[track_caller]
fn lag(home: &Home) -> Value {
    let output = home.weir(&["lag", "orders", "--in", "documents.yaml", "--format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Lag, backlog and what is parked.
#[track_caller]
fn counts(home: &Home) -> (u64, u64, Option<u64>) {
    let lag = lag(home);
    (lag["lag"].as_u64().unwrap(), lag["backlog"].as_u64().unwrap(), lag["parked"].as_u64())
}

/// In milliseconds since 1970.
const THEN: i64 = 1_760_000_000_000;

#[test]
fn it_is_what_keda_counts_and_beside_it_what_there_is_to_do() {
    let kafka = Topics::of(brokers::kafka());
    let topic = brokers::unique("lag");
    let group = format!("{topic}-group");
    // As long as they are old.
    kafka.make(&topic, 2, &[("retention.ms", "-1")]);
    for n in 0..5 {
        kafka.produce(&topic, n % 2, THEN + i64::from(n) * 1000);
    }
    let earliest = home(&kafka, &topic, "initialOffset: earliest");
    let latest = home(&kafka, &topic, "initialOffset: latest");
    assert_eq!(counts(&earliest), (5, 5, None));
    assert_eq!(lag(&earliest)["oldest_unix_ms"], THEN);
    assert_eq!(counts(&latest), (2, 0, None), "one a partition");
    assert_eq!(lag(&latest)["oldest_unix_ms"], Value::Null);
    kafka.delete_before(&topic, 0, 2);
    assert_eq!(counts(&earliest), (5, 3, None), "what is deleted counts for KEDA alone");
    assert_eq!(kafka.members(&group), None, "there is no group for having been asked about");

    kafka.commit(&group, &topic, 0, 3);
    kafka.commit(&group, &topic, 1, 1);
    for home in [&earliest, &latest] {
        assert_eq!(
            counts(home),
            (1, 1, None),
            "what is committed counts, whatever was said of the beginning"
        );
        assert_eq!(lag(home)["oldest_unix_ms"], THEN + 3000);
    }
    let parked = format!("{group}.parked");
    kafka.make(&parked, 2, &[("retention.ms", "-1")]);
    (0..3).for_each(|n| kafka.produce(&parked, 1, THEN + n));
    assert_eq!(counts(&latest), (1, 1, Some(3)));
    kafka.commit(&group, &parked, 1, 2);
    assert_eq!(counts(&latest), (1, 1, Some(1)));
    assert_eq!(kafka.members(&group), Some(0), "it is not joined");

    let all = lag(&latest);
    assert_eq!((&all["source"], &all["group"]), (&json!("default/orders"), &json!(group)));
    let of = |topic: &str, partition: i64| {
        let all = all["partitions"].as_array().unwrap();
        all.iter().find(|of| of["topic"] == topic && of["partition"] == partition).unwrap().clone()
    };
    assert_eq!(
        of(&topic, 1),
        json!({"topic": topic, "partition": 1, "committed": 1, "begin": 0, "end": 2, "lag": 1, "backlog": 1,
               "oldest_unix_ms": THEN + 3000})
    );
    assert_eq!((&of(&parked, 0)["committed"], &of(&parked, 1)["lag"]), (&Value::Null, &json!(1)));

    let text = |arguments: &[&str]| {
        let output = latest.weir(&[&["lag", "--in", "documents.yaml"], arguments].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let rows = |text: String| {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(words).collect::<Vec<_>>()
    };
    let table = rows(text(&[]));
    assert_eq!(table[0], ["SOURCE", "GROUP", "LAG", "BACKLOG", "PARKED", "OLDEST"]);
    assert_eq!(table[1][..5], ["default/orders", &*group, "1", "1", "1"]);
    let table = rows(text(&["--partitions"]));
    assert_eq!(table.len(), 1 + 2 + 2, "{table:?}");
    assert_eq!(table[1], ["default/orders", &*topic, "0", "3", "3", "0", "0", "-"]);
}

/// KEDA knows earliest and latest alone; a worker that begins at a time is scaled as with earliest.
#[test]
fn with_a_time_to_begin_at_the_backlog_begins_there() {
    let kafka = Topics::of(brokers::kafka());
    let topic = brokers::unique("lag");
    kafka.make(&topic, 1, &[("retention.ms", "-1")]);
    (0..6).for_each(|n| kafka.produce(&topic, 0, THEN + n * 1000));
    let at = |time: &str| {
        let home = home(&kafka, &topic, "initialOffset: latest");
        let text = std::fs::read_to_string(home.documents()).unwrap();
        let annotated = format!("{{name: orders, annotations: {{weir.dev/initial-offset: \"{time}\"}}}}");
        std::fs::write(home.documents(), text.replace("{name: orders}", &annotated)).unwrap();
        counts(&home)
    };
    assert_eq!(at("2025-10-09T08:53:24Z"), (6, 2, None));
    assert_eq!(at("2025-10-09T08:53:24.001Z"), (6, 1, None));
    assert_eq!(at("2000-01-01T00:00:00Z"), (6, 6, None));
    assert_eq!(at("2030-01-01T00:00:00Z"), (6, 0, None));
}

#[test]
fn what_can_not_be_asked_is_named_and_the_others_are_shown() {
    let kafka = Topics::of(brokers::kafka());
    let topic = brokers::unique("lag");
    kafka.make(&topic, 1, &[]);
    let home = home(&kafka, &topic, "");
    let text = std::fs::read_to_string(home.documents()).unwrap();
    let other = text.replace("name: orders", "name: others").replace(&topic, "not-there");
    std::fs::write(home.documents(), format!("{text}---\n{other}")).unwrap();
    let output = home.weir(&["lag", "--in", "documents.yaml"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
    assert!(out.contains("default/orders") && !out.contains("default/others"), "{out}");
    assert!(
        err.contains("KafkaSource default/others at ") && err.contains("there is no topic not-there"),
        "{err}"
    );
    let unknown = home.weir(&["lag", "nothing", "--in", "documents.yaml"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        unknown.status.code() == Some(64) && said.contains("there is default/orders, default/others"),
        "{said}"
    );
}
