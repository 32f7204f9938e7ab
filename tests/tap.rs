//! `weir tap` against a real Kafka: records of every kind are shown as the events that they are, and nobody notices.

#[path = "brokers/mod.rs"]
mod brokers;
mod worker;

use std::process::Output;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use worker::Home;

const PATIENCE: Duration = Duration::from_secs(60);

struct Topic {
    address: String,
    name: String,
    producer: BaseProducer,
}

impl Topic {
    fn new(partitions: i32) -> Topic {
        let (address, name) = (brokers::kafka(), brokers::unique("tap"));
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        // A broker that has made it may not know of it yet.
        worker::eventually("it is there", || {
            let metadata = admin.inner().fetch_metadata(Some(&name), PATIENCE).unwrap();
            (metadata.topics()[0].partitions().len() == partitions as usize).then_some(())
        });
        Topic { address, name, producer: config.create().unwrap() }
    }

    fn produce(&self, partition: i32, key: Option<&str>, headers: &[(&str, &str)], value: Option<&str>) {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let mut record = BaseRecord::<str, str>::to(&self.name).partition(partition).headers(headers);
        record.key = key;
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(PATIENCE).unwrap();
    }

    fn home(&self) -> Home {
        self.home_with("{}")
    }

    fn home_with(&self, annotations: &str) -> Home {
        let home = Home::new(&format!(
            "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\n\
             metadata: {{name: orders, annotations: {annotations}}}\nspec:\n  \
             bootstrapServers: ['{}']\n  topics: [{}]\n  consumerGroup: {}\n  \
             sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n\
             ---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: audit}}\nspec: {{module: audit.wasm}}\n\
             ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: created}}\nspec:\n  \
             broker: default\n  filter: {{attributes: {{type: order.created}}}}\n  \
             subscriber: {{ref: {{kind: Function, name: audit}}}}\n",
            self.address, self.name, self.name
        ));
        home.write("audit.wasm", &worker::guests::audit());
        home
    }
}

/// What it printed, which must be a success.
#[track_caller]
fn tap(home: &Home, arguments: &[&str]) -> String {
    let documents = home.documents();
    let Output { status, stdout, stderr } =
        home.weir(&[&["tap", "orders", documents.to_str().unwrap()], arguments].concat());
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn every_record_is_shown_as_the_event_that_it_is() {
    let topic = Topic::new(2);
    let binary =
        [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/shop"), ("ce_type", "order.created")];
    topic.produce(0, Some("customer-7"), &binary, Some("{}"));
    let structured = r#"{"specversion":"1.0","id":"2","source":"/shop","type":"order.paid"}"#;
    topic.produce(0, None, &[("content-type", "application/cloudevents+json")], Some(structured));
    topic.produce(0, Some("k"), &[("Tenant", "acme")], Some("plain"));
    topic.produce(0, None, &[("ce_specversion", "1.0"), ("ce_id", "")], Some("x"));
    topic.produce(1, None, &[], None);
    let home = topic.home();

    let text = tap(&home, &["--from", "earliest"]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let at = |partition, offset| format!("{}[{partition}]@{offset}  ", topic.name);
    let source = format!("/apis/v1/namespaces/default/kafkasources/orders#{}", topic.name);
    let plain = "dev.knative.kafka.event  id=partition";
    let expected = [
        at(0, 0) + "order.created  id=1 source=/shop key=customer-7  -> default/created",
        at(0, 1) + "order.paid  id=2 source=/shop  -> no trigger",
        at(0, 2) + &format!("{plain}:0/offset:2 source={source} key=k  -> no trigger"),
        at(0, 3) + "no event: id: ",
        at(1, 0) + &format!("{plain}:1/offset:0 source={source}  -> no trigger"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected.as_str()), "{line}\n{expected}");
    }

    let json = tap(&home, &["--from", "earliest", "--format", "json"]);
    let records: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |partition: i64, offset: i64| {
        records.iter().find(|r| r["partition"] == partition && r["offset"] == offset).unwrap()
    };
    assert_eq!(of(0, 0)["triggers"], serde_json::json!(["default/created"]));
    assert_eq!(of(0, 2)["event"]["kafkaheadertenant"], "acme");
    assert_eq!(of(0, 3)["event"], Value::Null);
    assert!(of(1, 0)["event"].get("data").is_none(), "a tombstone is no data");
}

/// What is no CloudEvent has its attributes where the document says.
#[test]
fn a_map_says_where_records_have_their_attributes() {
    let topic = Topic::new(1);
    topic.produce(0, Some("k"), &[("kind", "order.created")], Some(r#"{"order": {"id": 7}}"#));
    topic.produce(0, None, &[("kind", "order.created")], Some("plain"));
    topic.produce(0, None, &[], Some(r#"{"order": {"id": 8}}"#));
    let home = topic.home_with("{weir.dev/map: 'type=header:kind, id=/order/id, source=\"/shop\"'}");
    let text = tap(&home, &["--from", "earliest"]);
    let at = |offset| format!("{}[0]@{offset}  ", topic.name);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            at(0) + "order.created  id=7 source=/shop key=k  -> default/created",
            at(1) + "no event: id: weir.dev/map looks for it in /order/id: the record's value is no JSON",
            at(2) + "no event: type: weir.dev/map looks for it in header:kind: there is no such header",
        ]
    );
}

#[test]
fn it_begins_where_it_is_told_to_and_leaves_no_group() {
    let topic = Topic::new(1);
    for n in 0..20 {
        topic.produce(0, None, &[], Some(&n.to_string()));
    }
    let home = topic.home();
    let first = |arguments: &[&str]| {
        let text = tap(&home, arguments);
        let offset = text.lines().next().map(|line| line.split(['@', ' ']).nth(1).unwrap().to_owned());
        (offset, text.lines().count())
    };
    let from = |offset: &str, count| (Some(offset.to_owned()), count);
    assert_eq!(first(&[]), from("10", 10));
    assert_eq!(first(&["--last", "3"]), from("17", 3));
    assert_eq!(first(&["--last", "0"]), (None, 0));
    assert_eq!(first(&["--from", "earliest", "--limit", "4"]), from("0", 4));
    assert_eq!(first(&["--from", "15"]), from("15", 5));
    assert_eq!(first(&["--from", "1999"]), (None, 0));
    assert_eq!(first(&["--from", "2020-01-01T00:00:00Z"]), from("0", 20));
    assert_eq!(first(&["--from", "2100-01-01T00:00:00Z"]), (None, 0));

    let mut config = ClientConfig::new();
    let client: rdkafka::consumer::BaseConsumer =
        config.set("bootstrap.servers", &topic.address).create().unwrap();
    let groups = rdkafka::consumer::Consumer::fetch_group_list(&client, None, PATIENCE).unwrap();
    let left: Vec<_> = groups.groups().iter().map(|group| group.name().to_owned()).collect();
    assert!(left.iter().all(|name| !name.starts_with("weir-tap") && *name != topic.name), "{left:?}");
}

#[test]
fn what_is_published_to_a_topic_is_there_in_its_order() {
    let topic = Topic::new(1);
    let home = topic.home();
    let to = format!("kafka://{}/{}", topic.address, topic.name);
    let publish =
        |more: &[&str]| home.weir(&[&["publish", "--type", "order.created", "--to", &to], more].concat());
    let output = publish(&["--count", "500", "--id", "o", "--key", "customer-7", "--data", "{\"n\": {n}}"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = tap(&home, &["--from", "earliest", "--format", "json"]);
    let records: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 500);
    for (n, record) in (1..).zip(&records) {
        let event = &record["event"];
        assert_eq!((&event["id"], &event["data"]["n"]), (&Value::from(format!("o-{n}")), &Value::from(n)));
        assert_eq!(event["partitionkey"], "customer-7");
        assert_eq!(record["triggers"][0], "default/created");
    }
    let absent = home.weir(&["publish", "-t", "x", "--to", &format!("kafka://{}/not-there", topic.address)]);
    let said = String::from_utf8(absent.stderr).unwrap();
    assert!(said.contains("there is no topic not-there") && said.contains("0 of 1 event"), "{said}");
}

#[test]
fn what_is_not_there_is_named() {
    let topic = Topic::new(1);
    let home = topic.home();
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    let fails = |arguments: &[&str]| {
        let output = home.weir(&[&["tap"], arguments, &[home.documents().to_str().unwrap()]].concat());
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = fails(&["order"]);
    assert!(unknown.contains("there is no KafkaSource or NatsSource default/order"), "{unknown}");
    assert!(unknown.contains("default/orders"), "{unknown}");
    home.write(
        "documents.yaml",
        documents.replace(&format!("[{}]", topic.name), "[tap-not-there]").as_bytes(),
    );
    let absent = fails(&["orders"]);
    assert!(absent.contains("tap-not-there"), "{absent}");
    home.write("documents.yaml", documents.replace(&topic.address, "127.0.0.1:1").as_bytes());
    let unreachable = fails(&["orders"]);
    assert!(unreachable.contains("127.0.0.1:1"), "{unreachable}");
}
