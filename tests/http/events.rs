//! What is taken: each mode, each broker, and that 202 means durable.

use super::*;

#[test]
fn all_three_modes_are_stored_and_run() {
    let (home, running) = worker(&[]);
    running.publish("order.created", "binary", &[], r#"{"n":1}"#);
    assert_eq!(post_event(&running, "structured").status, 202);
    let batch = format!("[{},{}]", event("batch-1"), event("batch-2"));
    assert_eq!(post(&running, &[BATCH], batch).status, 202);
    let parameters = ("content-type", "Application/CloudEvents+JSON; charset=utf-8");
    assert_eq!(post(&running, &[parameters], event("parameters")).status, 202);
    ran(&home, "default/all", &["binary", "structured", "batch-1", "batch-2", "parameters"]);
}

#[test]
fn a_path_names_a_broker_and_a_query_nothing() {
    let (home, running) = worker(&[]);
    let mut connection = running.connect();
    for (path, id) in [
        ("/", "root"),
        ("/default/default", "default"),
        ("/?a=b", "query"),
        ("/shop/orders", "shop"),
        ("/shop/orders/?x=/default/default", "shop-query"),
        ("http://anywhere.example/shop/orders", "absolute"),
    ] {
        let response = connection.post(path, &[STRUCTURED], event(id).as_bytes()).unwrap();
        assert_eq!(response.status, 202, "{path}: {}", response.text());
    }
    ran(&home, "default/all", &["root", "default", "query"]);
    ran(&home, "shop/all", &["shop", "shop-query", "absolute"]);
}

#[test]
fn headers_are_decoded_exactly_once() {
    let (home, running) = worker(&[]);
    for (id, decoded) in [
        ("%E2%82%AC%20and%20%22quotes%22", "€ and \"quotes\""),
        ("%2541", "%41"),
        ("plain+plus", "plain+plus"),
        (r#""quoted""#, "quoted"),
    ] {
        running.publish("order.created", id, &[], "{}");
        eventually("it runs", || home.succeeded("default/all").contains_key(decoded).then_some(()));
    }
}

#[test]
fn a_batch_stands_or_falls_as_a_whole() {
    let (home, running) = worker(&["http.max-batch=3"]);
    assert_eq!(post(&running, &[BATCH], "[]").status, 202);

    let four: Vec<String> = (0..4).map(|n| event(&format!("many-{n}"))).collect();
    let response = post(&running, &[BATCH], format!("[{}]", four.join(",")));
    assert_eq!(response.status, 400);
    assert!(detail(&response).contains('3'), "{}", response.text());

    let nameless = r#"{"specversion":"1.0","source":"/shop","type":"order.created"}"#;
    let response = post(&running, &[BATCH], format!("[{},{nameless},{}]", event("a"), event("b")));
    assert_eq!(response.status, 400);
    assert_eq!(detail(&response), "event 1 of the batch: id: missing; it is required");

    let response = post(&running, &[BATCH], event("no-array"));
    assert_eq!(response.status, 400, "{}", response.text());

    assert_eq!(post(&running, &[BATCH], format!("[{}]", event("after"))).status, 202);
    ran(&home, "default/all", &["after"]);
    assert_eq!(home.status().arrived, 1);
}

/// Whatever was answered 202 runs, though the worker is killed right after the answer.
#[test]
fn accepted_is_durable() {
    let home = home();
    let mut accepted = Vec::new();
    for round in 0..4 {
        let running = start(&home, &[]);
        let mut connection = running.connect();
        for n in 0..=round * 3 {
            let id = format!("{round}-{n}");
            assert_eq!(connection.post("/", &[STRUCTURED], event(&id).as_bytes()).unwrap().status, 202);
            accepted.push(id);
        }
        running.kill();
    }
    let _running = start(&home, &[]);
    let ids: Vec<&str> = accepted.iter().map(String::as_str).collect();
    ran(&home, "default/all", &ids);
}

#[test]
fn a_data_filter_decides_before_the_function_is_called() {
    let home = home();
    let documents = std::fs::read_to_string(home.documents()).unwrap();
    let large = "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: large\n  annotations:\n    \
                 weir.dev/data-filter: /n > 10000 and not /test\nspec:\n  broker: default\n  \
                 subscriber: {ref: {kind: Function, name: audit}}\n";
    home.write("documents.yaml", (documents + large).as_bytes());
    let running = start(&home, &[]);
    for (id, data) in [
        ("small", r#"{"n":10000,"test":false}"#),
        ("large", r#"{"test":false,"n":10000.01}"#),
        ("a-test", r#"{"n":20000,"test":true}"#),
        ("unknown", r#"{"n":20000}"#),
        ("a-text", r#"{"n":"20000","test":false}"#),
        ("twice", r#"{"n":20000,"n":20000,"test":false}"#),
        ("broken", r#"{"n":20000,"test":false"#),
        ("last", r#"{"n":1e5,"test":false}"#),
    ] {
        running.publish("order.created", id, &[], data);
    }
    ran(&home, "default/large", &["large", "last"]);
    let all = ["small", "large", "a-test", "unknown", "a-text", "twice", "broken", "last"];
    ran(&home, "default/all", &all);
    assert_eq!(home.succeeded("default/large").len(), 2);
}
