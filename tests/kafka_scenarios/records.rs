//! Records of every kind, to where they end.

use std::collections::BTreeMap;

use crate::kafka::{self, Topic, called};
use crate::server::{Got, Server};
use crate::worker::{Home, Running, eventually, guests};
use crate::{brokers, run, sink};

fn seen(server: &Server, path: &str) -> BTreeMap<String, Got> {
    server.got(path).into_iter().map(|got| (got.id().to_owned(), got)).collect()
}

/// Two megabytes: delivered over HTTP, also out of the parking; a dead letter where a function has no room for it, kept here
/// where the sink has none for that either.
#[test]
fn a_record_of_two_megabytes_is_treated_as_any_other() {
    let (topic, server) = (Topic::there(&brokers::unique("orders"), 1), Server::start());
    topic.create_with(&[("max.message.bytes", "8000000")]);
    let letters = Topic::named(&brokers::unique("letters"), 1);
    let to = "  delivery:\n    retry: 1\n    deadLetterSink: {ref: {apiVersion: eventing.knative.dev/v1alpha1, kind: KafkaSink, \
              name: letters}}\n";
    let documents = [
        called(server.port(), "large", "/large-ones", "unordered", "{retry: 3}"),
        called(server.port(), "later", "/once/503", "unordered", "{retry: 3, backoffDelay: PT0.2S}"),
        run("audit", "task", "unordered", to),
        sink("letters", &letters.address, &letters.name),
    ];
    let home = Home::new(&topic.documents(&documents.concat()));
    home.write("audit.wasm", &guests::audit());
    // Of which nothing is left to compress.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'#' + (state % 57) as u8)
    });
    let data = format!("\"{}\"", noise.take(2_000_000).collect::<String>());
    topic.publish(0, None, "task", "before", "{}");
    topic.publish(0, None, "task", "huge", &data);
    topic.publish(0, None, "task", "behind", "{}");
    topic.flush();
    let running = Running::start(&home, &["--set", "hold.time=0s"]);
    topic.until_done();
    eventually("all are delivered", || (home.succeeded("default/later").len() == 3).then_some(()));
    assert_eq!(running.terminate().code, Some(0));
    for path in ["/large-ones", "/once/503"] {
        let seen = seen(&server, path);
        assert_eq!(seen.len(), 3);
        assert!(seen["huge"].body == data.as_bytes(), "{path}: all of it");
    }
    assert!(kafka::records(&letters.address, &letters.name).is_empty());
    let kept = home.dead_letters();
    assert_eq!((kept.len(), kept[0].event_id.as_str(), kept[0].reason.as_str()), (1, "huge", "bad-buffer"));
}

#[test]
fn null_is_no_data_and_a_header_without_a_value_is_none() {
    let (topic, server) = (Topic::new(1), Server::start());
    let home = Home::new(&topic.documents(&called(server.port(), "all", "/all", "unordered", "{retry: 3}")));
    let event = [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some("tombstone")),
        ("ce_source", Some("/s")),
        ("ce_type", Some("t")),
    ];
    topic.produce(0, Some(b"k"), &event, None);
    let optional = [("ce_subject", None), ("ce_tenant", None), ("other", None)];
    let nulls = [&event[..1], &[("ce_id", Some("nulls"))], &event[2..], &optional].concat();
    topic.produce(0, None, &nulls, Some(b"x"));
    topic.produce(0, Some(b"k"), &[("null", None), ("text", Some("t"))], None);
    topic.produce(0, None, &[], Some(b""));
    topic.flush();
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let seen = seen(&server, "/all");
    assert_eq!(seen.len(), 4, "{:?}", seen.keys());
    let tombstone = &seen["tombstone"];
    assert_eq!((tombstone.body.as_slice(), tombstone.headers["ce-partitionkey"].as_str()), (&b""[..], "k"));
    let nulls = &seen["nulls"];
    assert_eq!(nulls.body, b"x");
    assert!(
        !nulls.headers.contains_key("ce-subject") && !nulls.headers.contains_key("ce-tenant"),
        "{nulls:?}"
    );
    let plain = &seen["partition:0/offset:2"];
    assert_eq!(plain.headers["ce-type"], "dev.knative.kafka.event");
    assert_eq!(plain.headers["ce-kafkaheadertext"], "t");
    assert!(!plain.headers.contains_key("ce-kafkaheadernull"), "{plain:?}");
    assert!(seen["partition:0/offset:3"].body.is_empty());
    assert!(home.dead_letters().is_empty());
}

#[test]
fn a_source_whose_first_events_meet_no_trigger_says_so_with_their_types() {
    let topic = Topic::new(2);
    let home = Home::new(&topic.documents(&run("audit", "Order.Created", "key", "")));
    home.write("audit.wasm", &guests::audit());
    (0..1200).for_each(|n| {
        topic.publish(n % 2, None, ["order.created", "order.paid"][n as usize / 2 % 2], &n.to_string(), "{}")
    });
    topic.flush();
    let running = Running::start(&home, &[]);
    let said = eventually("it says so", || {
        running
            .log()
            .lines()
            .find(|line| line.contains("none of the first events of a source met a trigger"))
            .map(str::to_owned)
    });
    assert!(said.contains("order.created, order.paid") && said.contains("default/orders"), "{said}");
    topic.until_done();
    let metrics =
        || crate::worker::Connection::open(running.admin()).unwrap().get("/metrics").unwrap().text();
    let of = |metrics: &str, name: &str, more: &str| {
        let labels = format!("source=\"default/orders\",partition=\"{}/0\"{more}", topic.name);
        let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(&labels));
        let line = line.unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    // The commit's answer is heard a little later.
    let text = eventually("what is committed is told", || {
        let text = metrics();
        let there =
            format!("weir_committed_offset{{source=\"default/orders\",partition=\"{}/0\"}}", topic.name);
        text.contains(&format!("{there} 600")).then_some(text)
    });
    assert_eq!(
        ["weir_watermark", "weir_lag_events", "weir_oldest_event_age_seconds"]
            .map(|name| of(&text, name, "")),
        [600.0, 0.0, 0.0]
    );
    assert!(of(&text, "weir_commits_total", ",result=\"acknowledged\"") >= 1.0);
    assert_eq!(of(&text, "weir_commits_total", ",result=\"failed\""), 0.0);
    assert_eq!(running.terminate().code, Some(0));
}

#[test]
fn each_type_of_key_is_the_text_that_knative_makes_of_it() {
    let server = Server::start();
    let (int, single, double) = ((-7_i32).to_be_bytes(), 1.5_f32.to_be_bytes(), 2.25_f64.to_be_bytes());
    let cases: [(&str, &[u8], &str); 6] = [
        ("string", b"customer-7", "customer-7"),
        ("int", &int, "-7"),
        ("float", &single, "1.5"),
        ("float", &double, "2.25"),
        ("byte-array", b"\x00\xff", "AP8="),
        // Bytes that are no number.
        ("int", b"seven", "seven"),
    ];
    for (key_type, key, text) in cases {
        let topic = Topic::new(1);
        let labels = format!(
            "metadata: {{name: orders, labels: {{kafkasources.sources.knative.dev/key-type: {key_type}}}}}"
        );
        let documents = topic.documents("").replace("metadata: {name: orders}", &labels);
        let home = Home::new(&(documents + &called(server.port(), "all", "/all", "unordered", "{retry: 3}")));
        topic.produce(0, Some(key), &[], Some(text.as_bytes()));
        topic.flush();
        let running = Running::start(&home, &[]);
        topic.until_done();
        assert_eq!(running.terminate().code, Some(0));
        let got = server.got("/all").pop().unwrap();
        assert_eq!(got.body, text.as_bytes());
        for extension in ["ce-partitionkey", "ce-key"] {
            assert_eq!(got.headers[extension], text, "{key_type} {key:?}");
        }
    }
}
