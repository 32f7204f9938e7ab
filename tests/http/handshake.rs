//! What senders say beside their events: the web hooks' handshake, and the headers of Knative's KafkaSource.

use super::*;

const TOKEN: &str = "http.token=secret:http/token";

#[test]
fn a_delivery_service_is_allowed_by_its_name() {
    let home = home();
    home.secret("http/token", "open sesame");
    let settings =
        ["http.allowed-origins=events.example.com,other.example.com", "http.rate-limit.per-second=50", TOKEN];
    let running = start(&home, &settings);
    let mut connection = running.connect();
    let mut ask = |headers: &[(&str, &str)]| connection.request("OPTIONS", "/", headers, b"").unwrap();
    let allowed = ask(&[
        ("webhook-request-origin", "events.example.com"),
        ("webhook-request-rate", "120"),
        ("webhook-request-callback", "http://127.0.0.1:1/never-called"),
    ]);
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    assert_eq!(allowed.header("webhook-allowed-origin"), Some("events.example.com"));
    assert_eq!(allowed.header("webhook-allowed-rate"), Some("3000"));
    assert_eq!(allowed.header("allow"), Some("POST, OPTIONS"));
    let refused = ask(&[("webhook-request-origin", "elsewhere.example.com")]);
    assert_eq!((refused.status, refused.header("webhook-allowed-origin")), (403, None));
    assert!(detail(&refused).contains("http.allowed-origins"));
    // It is no authentication, and without it nothing is told.
    assert_eq!(ask(&[]).status, 401);
}

#[test]
fn nobody_is_allowed_until_somebody_is_named() {
    let (_home, running) = worker(&[]);
    let ask = |origin| {
        let headers = [("webhook-request-origin", origin)];
        running.connect().request("OPTIONS", "/no/such/broker", &headers, b"").unwrap()
    };
    assert_eq!(ask("events.example.com").status, 403);
    drop(running);
    let (_home, running) = worker(&["http.allowed-origins=*"]);
    let answer =
        running.connect().request("OPTIONS", "/", &[("webhook-request-origin", "any.one")], b"").unwrap();
    assert_eq!((answer.status, answer.header("webhook-allowed-origin")), (200, Some("any.one")));
    assert_eq!(answer.header("webhook-allowed-rate"), Some("*"));
}

/// A record that is no CloudEvent, as KafkaSource posts it: <https://knative.dev/docs/eventing/sources/kafka-source/>.
#[test]
fn what_a_kafka_source_posts_is_taken() {
    let (home, running) = worker(&[]);
    let response = post(
        &running,
        &[
            ("ce-specversion", "1.0"),
            ("ce-id", "partition:3/offset:17"),
            ("ce-source", "/apis/v1/namespaces/shop/kafkasources/orders#orders"),
            ("ce-type", "dev.knative.kafka.event"),
            ("ce-subject", "partition:3#17"),
            ("ce-time", "2024-05-01T12:00:00.123Z"),
            ("ce-partitionkey", "A7"),
            ("ce-key", "A7"),
            ("ce-kafkaheaderorigin", "warehouse"),
            ("content-type", "application/json"),
            ("prefer", "reply"),
            ("kn-namespace", "shop"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
        r#"{"order_id": "7"}"#,
    );
    assert_eq!(response.status, 202, "{}", response.text());
    ran(&home, "default/all", &["partition:3/offset:17"]);
}
