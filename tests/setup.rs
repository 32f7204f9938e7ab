//! `weir setup` against a real Kafka: what is needed is there afterwards, and what is wrong is named and left alone.

#[path = "brokers/mod.rs"]
mod brokers;
#[path = "setup/topics.rs"]
mod topics;
mod worker;

use std::process::Output;

use topics::Topics;
use worker::Home;

/// A source of these topics, whose group is called after the first, and a sink.
fn home(kafka: &Topics, read: &[&str], sink: &str) -> Home {
    let address = &kafka.address;
    let source = format!(
        "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {{name: orders}}\nspec:\n  \
         bootstrapServers: ['{address}']\n  topics: [{}]\n  consumerGroup: {}\n  \
         sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n",
        read.join(", "),
        group(read),
    );
    let sink = format!(
        "---\napiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {{name: out}}\nspec:\n  \
         bootstrapServers: ['{address}']\n  {sink}\n"
    );
    Home::new(&(source + &sink))
}

fn group(read: &[&str]) -> String {
    format!("{}-group", read[0])
}

/// Its exit code, what it found of each topic ("made"), and all that it said.
fn setup(home: &Home, arguments: &[&str]) -> (Option<i32>, Vec<(String, String)>, String) {
    let documents = home.documents();
    let Output { status, stdout, stderr } =
        home.weir(&[&["setup", documents.to_str().unwrap()], arguments].concat());
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    let found = out.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    (status.code(), found.collect(), out + &err)
}

fn states(found: &[(String, String)]) -> Vec<&str> {
    found.iter().map(|(state, _)| state.as_str()).collect()
}

#[test]
fn what_is_needed_is_made_once_and_grows_with_its_topics() {
    let kafka = Topics::of(brokers::kafka());
    let [one, two, out] = ["setup-a", "setup-b", "setup-out"].map(brokers::unique);
    let read = [&*one, &*two];
    let parked = format!("{}.parked", group(&read));
    kafka.make(&one, 3, &[]);
    kafka.make(&two, 2, &[]);
    let home = home(&kafka, &read, &format!("topic: {out}\n  numPartitions: 5\n  replicationFactor: 1"));

    let (code, found, said) = setup(&home, &["--check"]);
    assert_eq!((code, states(&found)), (Some(1), vec!["ok", "ok", "lacking", "lacking"]), "{said}");
    assert!(said.contains("2 topics not as needed"), "{said}");
    assert_eq!((kafka.partitions(&parked), kafka.partitions(&out)), (None, None), "nothing was made");

    let (code, found, said) = setup(&home, &[]);
    assert_eq!((code, states(&found)), (Some(0), vec!["ok", "ok", "made", "made"]), "{said}");
    let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, [&*one, &two, &parked, &out]);
    assert_eq!((kafka.partitions(&parked), kafka.partitions(&out)), (Some(6), Some(5)));
    let settings = kafka.settings(&parked);
    for (name, value) in weir::source::kafka::KEPT {
        assert_eq!(settings[name], value, "{name}");
    }

    let again = |arguments: &[&str]| {
        let (code, found, said) = setup(&home, arguments);
        assert_eq!((code, states(&found)), (Some(0), vec!["ok"; 4]), "{said}");
    };
    again(&[]);
    again(&["--check"]);

    kafka.grow(&two, 4);
    let (code, found, said) = setup(&home, &["--check"]);
    assert_eq!((code, states(&found)), (Some(1), vec!["ok", "ok", "lacking", "ok"]), "{said}");
    let (code, found, said) = setup(&home, &[]);
    assert_eq!((code, states(&found)), (Some(0), vec!["ok", "ok", "grown", "ok"]), "{said}");
    assert!(said.contains("from 6 to 8 partitions"), "{said}");
    assert_eq!(kafka.partitions(&parked), Some(8));
    again(&[]);
}

#[test]
fn what_is_wrong_is_named_and_stays_as_it_is() {
    let kafka = Topics::of(brokers::kafka());
    let [one, absent] = ["setup-c", "setup-absent"].map(brokers::unique);
    kafka.make(&one, 2, &[]);
    let parked = format!("{}-group.parked", one);
    kafka.make(&parked, 1, &[("cleanup.policy", "compact"), ("retention.ms", "60000")]);
    let compacted = home(&kafka, &[&one], &format!("topic: {one}"));
    let (code, found, said) = setup(&compacted, &[]);
    assert_eq!((code, states(&found)), (Some(1), vec!["ok", "wrong", "ok"]), "{said}");
    assert!(
        said.contains(
            "retention.ms is '60000', max.message.bytes is '1048588': what is parked could be lost"
        ) && said.contains("set cleanup.policy=delete retention.ms=-1 max.message.bytes=67108864\n"),
        "{said}"
    );
    assert_eq!(kafka.partitions(&parked), Some(1), "it has not grown");
    assert_eq!(kafka.settings(&parked)["cleanup.policy"], "compact");

    let lacking = home(&kafka, &[&absent, &one], &format!("topic: {absent}"));
    let (code, found, said) = setup(&lacking, &[]);
    assert_eq!((code, states(&found)), (Some(1), vec!["wrong", "ok", "wrong", "wrong"]), "{said}");
    assert!(said.contains("is not there") && said.contains("waits for its source's topics"), "{said}");
    for name in [&absent, &format!("{absent}-group.parked")] {
        assert_eq!(kafka.partitions(name), None, "{name}");
    }
}

#[test]
fn without_a_secret_or_a_broker_it_says_whose() {
    let home = Home::new(
        "apiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {name: out}\nspec:\n  \
         bootstrapServers: ['127.0.0.1:1']\n  topic: t\n  auth: {secret: {ref: {name: kafka}}}\n",
    );
    let (code, _, said) = setup(&home, &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("KafkaSink default/out at 127.0.0.1:1: the secret 'kafka/protocol' is neither in"),
        "{said}"
    );
    home.secret("kafka/protocol", "PLAINTEXT");
    let (code, _, said) = setup(&home, &[]);
    assert!(code == Some(1) && said.contains("127.0.0.1:1: Kafka does not answer"), "{said}");
}
