//! Dead letters that go to a URL, a Service or a Function: written first, then delivered for as long as it takes.

#[path = "subscribers/server.rs"]
mod server;
mod worker;

use base64::Engine;
use server::{Server, certified};
use worker::{Home, Running, eventually, guests};

const BROKER: &str = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: default}\nspec: {delivery: DELIVERY}\n---\n";

fn trigger(name: &str, subscriber: &str, delivery: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: {name}}}}}\n  subscriber: {subscriber}\n  delivery: {delivery}\n---\n"
    )
}

fn function(name: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

fn idle(home: &Home) {
    eventually("all has settled", || {
        let status = home.status();
        (status.events_in_flight == 0 && status.parked == 0).then_some(())
    });
}

fn plain(text: &str) -> String {
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_dead_letter_goes_to_a_url_with_what_it_failed_of() {
    let server = Server::start();
    let (grave, all) = (server.url("/grave?key=x"), server.url("/all"));
    let own = format!("{{retry: 0, deadLetterSink: {{uri: {grave:?}}}}}");
    let documents = [
        BROKER.replace("DELIVERY", &format!("{{retry: 0, deadLetterSink: {{uri: {all:?}}}}}")),
        trigger("refused", &format!("{{uri: {:?}}}", server.url("/status/422")), &own),
        trigger("unreachable", "{uri: 'http://127.0.0.1:1/x'}", &own),
        trigger("trapped", "{ref: {kind: Function, name: brittle}}", "{retry: 0}"),
        function("brittle"),
    ];
    let home = Home::new(&documents.concat());
    home.write("brittle.wasm", &guests::brittle());
    let worker = Running::start(&home, &[]);
    for ty in ["refused", "unreachable", "trapped"] {
        worker.publish(ty, ty, &[("ce-region", "eu")], r#""!""#);
    }
    // What is written to the queue is read from there a moment later.
    eventually("they are delivered", || {
        (server.got("/grave?key=x").len() == 2 && server.got("/all").len() == 1).then_some(())
    });
    idle(&home);
    let graves = server.got("/grave?key=x");
    let of = |id: &str| graves.iter().find(|got| got.id() == id).unwrap();
    let header =
        |got: &server::Got, name: &str| got.headers.get(&format!("ce-{name}")).cloned().unwrap_or_default();
    let refused = of("refused");
    assert_eq!((graves.len(), header(refused, "region").as_str()), (2, "eu"));
    assert_eq!(header(refused, "knativeerrordest"), server.url("/status/422"));
    assert_eq!(header(refused, "knativeerrorcode"), "422");
    assert_eq!(plain(&header(refused, "knativeerrordata")), "not so");
    assert_eq!(header(refused, "because"), "", "the header was kne-reason");
    assert_eq!(header(refused, "reason"), "because");
    assert_eq!(refused.body, br#""!""#);
    let unreachable = of("unreachable");
    assert_eq!(header(unreachable, "knativeerrordest"), "http://127.0.0.1:1/x");
    assert!(!unreachable.headers.contains_key("ce-knativeerrorcode"), "who was not reached said nothing");
    let trapped = &server.got("/all")[0];
    assert_eq!(header(trapped, "knativeerrordest"), "default/brittle");
    assert_eq!(header(trapped, "knativeerrorcode"), "unreachable");
    assert!(home.dead_letters().is_empty(), "they are where they were to go");
    // Costed as any delivery, under a name of its own.
    let entry = home.about("refused").into_iter().find(|entry| entry.trigger.contains(':')).unwrap();
    assert_eq!(
        (entry.trigger.as_str(), entry.function.as_str()),
        (format!("default/dead-letters:{grave}").as_str(), server.url("/grave").as_str())
    );
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn one_that_the_sink_refuses_is_kept_with_the_reason_and_can_be_sent_again() {
    let server = Server::start();
    let documents = trigger(
        "task",
        "{ref: {kind: Function, name: brittle}}",
        &format!("{{retry: 0, deadLetterSink: {{uri: {:?}}}}}", server.url("/status/400")),
    ) + &function("brittle");
    let home = Home::new(&documents);
    home.write("brittle.wasm", &guests::brittle());
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], r#""!""#);
    let letters =
        eventually("it is kept", || Some(home.dead_letters()).filter(|letters| !letters.is_empty()));
    assert_eq!((letters.len(), letters[0].reason.as_str(), letters[0].attempts), (1, "status", 1));
    assert!(letters[0].message.starts_with("400 "), "{}", letters[0].message);
    let replayed = home.weir(&["dlq", "replay", "--reason", "status", "--data-dir", "data"]);
    let said = String::from_utf8_lossy(&replayed.stderr).into_owned();
    assert!(replayed.status.success(), "{said}");
    eventually("it is sent again", || (server.got("/status/400").len() == 2).then_some(()));
    idle(&home);
    assert_eq!(worker.terminate().code, Some(0));
}

/// Whatever keeps it from being delivered: it waits, over restarts too, and is never dropped.
#[test]
fn one_whose_sink_is_down_waits_until_it_is_there() {
    let server = Server::start();
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sink = |url: &str| {
        trigger(
            "task",
            "{ref: {kind: Function, name: brittle}}",
            &format!(
                "{{retry: 0, deadLetterSink: {{ref: {{kind: Service, name: grave, apiVersion: v1}}}}}} # {url}"
            ),
        ) + &function("brittle")
    };
    let home = Home::new(&sink("x"));
    home.write("brittle.wasm", &guests::brittle());
    home.write("weir.yaml", format!("services: {{grave: \"http://{down}\"}}\n").as_bytes());
    let worker = Running::start(&home, &["--set", "hold.time=0s"]);
    for n in 0..30 {
        worker.publish("task", &format!("bad-{n}"), &[], r#""!""#);
    }
    eventually("they are parked", || (home.status().parked == 30).then_some(()));
    worker.kill();
    home.write("weir.yaml", format!("services: {{grave: {:?}}}\n", server.url("/grave")).as_bytes());
    let worker = Running::start(&home, &[]);
    eventually("they are delivered", || (server.got("/grave").len() >= 30).then_some(()));
    idle(&home);
    let mut got: Vec<_> = server.got("/grave").iter().map(|got| got.id().to_owned()).collect();
    got.sort();
    got.dedup();
    assert_eq!(got.len(), 30);
    assert!(home.dead_letters().is_empty());
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn authorities_are_honoured_and_what_a_sink_answers_is_nobody_s() {
    let (pem, acceptor) = certified();
    let server = Server::with(Some(acceptor));
    let url = format!("https://localhost:{}/reply", server.port());
    let sink = format!(
        "\n    retry: 0\n    deadLetterSink:\n      uri: {url}\n      CACerts: |\n        {}",
        pem.replace('\n', "\n        ")
    );
    let documents = trigger("task", "{ref: {kind: Function, name: brittle}}", &sink) + &function("brittle");
    let home = Home::new(&documents);
    home.write("brittle.wasm", &guests::brittle());
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], r#""!""#);
    eventually("it is delivered", || (!server.got("/reply").is_empty()).then_some(()));
    eventually("and settled", || {
        (home.journal().len() == 2 && home.status().events_in_flight == 0).then_some(())
    });
    assert_eq!(server.got("/reply").len(), 1);
    assert!(home.journal().iter().all(|entry| entry.replies.is_empty() && entry.event_id == "bad"));
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_function_may_take_dead_letters() {
    let documents = [
        trigger(
            "task",
            "{ref: {kind: Function, name: brittle}}",
            "{retry: 0, deadLetterSink: {ref: {kind: Function, name: audit}}}",
        ),
        function("brittle"),
        function("audit"),
    ];
    let home = Home::new(&documents.concat());
    home.write("brittle.wasm", &guests::brittle());
    home.write("audit.wasm", &guests::audit());
    let worker = Running::start(&home, &[]);
    worker.publish("task", "bad", &[], r#""!""#);
    eventually("both have run", || (home.journal().len() == 2).then_some(()));
    let ran: Vec<_> = home.about("bad").into_iter().map(|entry| (entry.function, entry.outcome)).collect();
    let expected = [("default/brittle", "trapped"), ("default/audit", "succeeded")];
    assert_eq!(ran, expected.map(|(function, outcome)| (function.to_owned(), outcome.to_owned())));
    assert_eq!(worker.terminate().code, Some(0));
}
