//! Brokers that want to know who comes, over TLS: by the fields of a KafkaSource and by the secret of a KafkaSink.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::brokers::unique;
use crate::kafka::{self, Topic, once_each};
use crate::run;
use crate::secured::{PASSWORD, secured};
use crate::worker::{Home, Running, eventually, guests};

/// A source and a sink of that broker, with their secrets' names.
fn home(topic: &Topic, letters: &Topic, secure: &str) -> Home {
    let secret = |key: &str| format!("{{secretKeyRef: {{name: kafka, key: {key}}}}}");
    let net = format!(
        "  net:\n    sasl: {{enable: true, user: {}, password: {}, type: {}}}\n    tls: {{enable: true, caCert: {}}}\n  sink: {{ref",
        secret("user"),
        secret("password"),
        secret("sasl.mechanism"),
        secret("ca.crt"),
    );
    let sink = format!(
        "---\napiVersion: eventing.knative.dev/v1alpha1\nkind: KafkaSink\nmetadata: {{name: letters}}\nspec: {{topic: {}, \
         bootstrapServers: ['{secure}'], auth: {{secret: {{ref: {{name: login}}}}}}}}\n",
        letters.name
    );
    let delivery = "  delivery:\n    retry: 1\n    backoffDelay: PT0.01S\n    deadLetterSink: {ref: {apiVersion: \
                    eventing.knative.dev/v1alpha1, kind: KafkaSink, name: letters}}\n";
    let source = topic.documents("").replace("  sink: {ref", &net).replace(&topic.address, secure);
    let home = Home::new(&(source + &sink + &run("brittle", "task", "unordered", delivery)));
    home.write("brittle.wasm", &guests::brittle());
    home
}

#[test]
fn a_source_and_a_sink_log_in_over_tls_and_a_wrong_password_is_said() {
    let (own, secure, authority) = secured("login");
    let topic = Topic::at(&own.address, &unique("orders"), 2);
    let letters = Topic::at(&own.address, &unique("letters"), 1);
    topic.create();
    letters.create();
    for n in 0..40 {
        topic.publish(n % 2, None, "task", &n.to_string(), if n % 4 == 0 { "\"!\"" } else { "{}" });
    }
    topic.flush();
    let home = home(&topic, &letters, &secure);
    for (name, value) in [
        ("kafka/user", "weir"),
        ("kafka/password", "battery staple"),
        ("kafka/sasl.mechanism", "SCRAM-SHA-512"),
        ("kafka/ca.crt", authority.as_str()),
        ("login/protocol", "SASL_SSL"),
        ("login/user", "weir"),
        ("login/password", PASSWORD),
        ("login/ca.crt", authority.as_str()),
    ] {
        home.secret(name, value);
    }
    let running = Running::start(&home, &[]);
    eventually("it says so", || running.log().contains("Authentication failed").then_some(()));
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.log.contains("battery"), "{}", ended.log);
    assert!(home.journal().is_empty());

    home.secret("kafka/password", PASSWORD);
    let running = Running::start(&home, &[]);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/brittle"), 30);
    assert_eq!(kafka::records(&own.address, &letters.name).len(), 10);
}

/// As a broker takes it that is told to check no signature.
fn token(good_for: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims =
        format!(r#"{{"sub":"weir","iat":{},"exp":{}}}"#, now.as_secs() - 1, (now + good_for).as_secs(),);
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
}

/// The broker cuts off who came with a token that has run out and shows no other.
#[test]
fn a_token_is_shown_and_the_next_one_when_there_is_another() {
    let (own, secure, authority) = secured("token");
    let topic = Topic::at(&own.address, &unique("orders"), 2);
    let letters = Topic::at(&own.address, &unique("letters"), 1);
    topic.create();
    letters.create();
    let home = home(&topic, &letters, &secure);
    let started = Instant::now();
    let short = Duration::from_secs(15);
    for (name, value) in [
        ("kafka/user", "weir"),
        ("kafka/password", token(short).as_str()),
        ("kafka/sasl.mechanism", "OAUTHBEARER"),
        ("kafka/ca.crt", &authority),
        ("login/protocol", "SASL_SSL"),
        ("login/user", "weir"),
        ("login/password", token(short).as_str()),
        ("login/sasl.mechanism", "OAUTHBEARER"),
        ("login/ca.crt", &authority),
    ] {
        home.secret(name, value);
    }
    let publish = |numbers: std::ops::Range<i32>| {
        for n in numbers {
            topic.publish(n % 2, None, "task", &n.to_string(), if n % 4 == 0 { "\"!\"" } else { "{}" });
        }
        topic.flush();
    };
    publish(0..20);
    let running = Running::start(&home, &[]);
    home.secret("kafka/password", &token(Duration::from_secs(600)));
    home.secret("login/password", &token(Duration::from_secs(600)));
    topic.until_done();
    // What is wanted is that time goes by: the first has run out, and whoever came with it is cut off.
    std::thread::sleep((short + Duration::from_secs(2)).saturating_sub(started.elapsed()));
    publish(20..40);
    topic.until_done();
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.log.contains("eyJ"), "no token is told: {}", ended.log);
    once_each(&home.succeeded("default/brittle"), 30);
    assert_eq!(kafka::records(&own.address, &letters.name).len(), 10);
}
