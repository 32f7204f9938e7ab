//! HTTP subscribers: what each of their answers makes of an event, and what their slowness makes of others.

#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use server::{Server, certified};
use worker::{Home, Running, eventually, guests};

/// A trigger of the default broker for events of the type that it is called after.
fn trigger(name: &str, subscriber: &str, more: &str) -> String {
    format!(
        r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}}}
spec:
  broker: default
  filter: {{attributes: {{type: {name}}}}}
  subscriber: {subscriber}
  {more}
---
"#
    )
}

fn to(name: &str, url: &str, more: &str) -> String {
    trigger(name, &format!("{{uri: {url:?}}}"), more)
}

fn function(name: &str) -> String {
    let subscriber = format!("{{ref: {{kind: Function, name: {name}}}}}");
    let document = format!(
        "apiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    );
    trigger(name, &subscriber, "") + &document
}

/// With a function that takes events of the type `here` beside.
fn home(triggers: &[String]) -> Home {
    let home = Home::new(&(triggers.concat() + &function("here")));
    home.write("here.wasm", &guests::audit());
    home
}

/// Until so many events that triggers want have settled, and nothing is left to do: before they have come, nothing is, either.
fn idle(home: &Home, wanted: usize) {
    eventually("all has settled", || {
        let status = home.status();
        let settled = status.settled >= status.unrouted + wanted as u64;
        (settled && status.events_in_flight == 0 && status.parked == 0).then_some(())
    });
}

#[test]
fn every_answer_has_its_outcome_and_reason_and_an_entry_for_each_attempt() {
    // What is done, then how each attempt ends, and a part of what the dead letter says.
    let retried = ["404", "408", "409", "429", "500", "501", "502", "503", "504", "599"];
    let refused = ["300", "302", "304", "400", "401", "403", "405", "410", "412", "413", "415", "422", "451"];
    let mut cases: Vec<(String, &str, &str, String)> = Vec::new();
    let mut case =
        |path: &str, outcome, reason, said: &str| cases.push((path.into(), outcome, reason, said.into()));
    for status in retried {
        case(&format!("/status/{status}"), "retryable", "status", &format!("{status} "));
    }
    for status in refused {
        case(&format!("/status/{status}"), "permanent", "status", &format!("{status} "));
    }
    for path in ["/ok", "/status/200", "/status/201", "/status/204", "/accepted", "/reply", "/reply-json"] {
        let refuses = matches!(path, "/status/200" | "/status/201");
        match refuses {
            false => case(path, "succeeded", "none", ""),
            true => case(path, "permanent", "bad-output", "is no CloudEvent"),
        }
    }
    case("/bad-reply", "permanent", "bad-output", "is no CloudEvent: ");
    case("/garbage", "permanent", "bad-output", "the answer has 9 bytes");
    case("/redirect", "permanent", "status", "307 ");
    case("/large", "permanent", "output", "longer than 1048576 bytes");
    case("/endless", "permanent", "output", "longer than 1048576 bytes");
    case("/noise", "retryable", "connection", "the connection broke");
    case("/reset", "retryable", "connection", "the connection broke");
    case("/half", "retryable", "connection", "broke off");
    case("/huge-head", "retryable", "connection", "the connection broke");
    case("/many-headers", "retryable", "connection", "the connection broke");
    case("/hang", "timed-out", "deadline", "no answer within");
    case("/hang-body", "timed-out", "deadline", "took longer than");
    let server = Server::start();
    let name = |path: &str| path.trim_start_matches('/').replace('/', "-");
    let mut triggers = Vec::new();
    for (path, outcome, ..) in &cases {
        // Only who hangs is to be cut off, however busy the machine is.
        let timeout = if *outcome == "timed-out" { "PT3S" } else { "PT2M" };
        let delivery = format!("delivery: {{retry: 1, backoffDelay: PT0.01S, timeout: {timeout}}}");
        triggers.push(to(&name(path), &server.url(path), &delivery));
    }
    triggers.push(to("nobody", "http://127.0.0.1:1/", "delivery: {retry: 1, backoffDelay: PT0.01S}"));
    cases.push(("/nobody".into(), "retryable", "connection", "no connection: ".into()));
    let home = home(&triggers);
    let worker = Running::start(&home, &[]);
    for (path, ..) in &cases {
        worker.publish(&name(path), &format!("to-{}", name(path)), &[], r#"{"n":1}"#);
    }
    idle(&home, cases.len());
    assert!(home.status().limited.is_empty(), "nobody has limited them");
    let letters: BTreeMap<_, _> =
        home.dead_letters().into_iter().map(|letter| (letter.event_id.clone(), letter)).collect();
    for (path, outcome, reason, said) in &cases {
        let id = format!("to-{}", name(path));
        let entries = home.about(&id);
        let attempts = if matches!(*outcome, "retryable" | "timed-out") { 2 } else { 1 };
        let seen: Vec<_> = entries.iter().map(|e| (e.outcome.as_str(), e.reason.as_str())).collect();
        assert_eq!(seen, vec![(*outcome, *reason); attempts], "{path}");
        assert!(entries.iter().all(|entry| entry.fuel == 0 && entry.tenant == "default"), "{path}");
        match letters.get(&id) {
            None => assert_eq!(*outcome, "succeeded", "{path}"),
            Some(letter) => assert!(letter.message.contains(said.as_str()), "{path}: {}", letter.message),
        }
        if path != "/nobody" {
            assert_eq!(server.got(path).len(), attempts, "{path}");
            assert!(entries.iter().all(|entry| entry.wall_ns > 0 && entry.bytes_in > 0), "{path}");
        }
    }
    assert_eq!(server.got("/followed").len(), 0, "no redirect is followed");
    let replies: Vec<_> = home.journal().into_iter().flat_map(|entry| entry.replies).collect();
    let ids: BTreeSet<_> = replies.iter().map(|reply| reply.id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["reply", "json-reply"]), "what follows a 202 is none");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn an_event_is_sent_whole_in_the_form_that_was_asked_for() {
    let server = Server::start();
    let home = home(&[
        to("binary", &server.url("/ok?key=secret"), ""),
        to("json", &server.url("/ok"), "delivery: {format: json}"),
    ]);
    let worker = Running::start(&home, &[]);
    let more = [("ce-subject", "caf%C3%A9 %22x%22"), ("ce-region", "eu"), ("ce-partitionkey", "k")];
    for ty in ["binary", "json"] {
        worker.publish(ty, &format!("a-{ty}"), &more, r#"{"n": 1.50}"#);
    }
    idle(&home, 2);
    let got = &server.got("/ok?key=secret")[0];
    let header = |name: &str| got.headers.get(name).map(String::as_str);
    let expected = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a-binary"),
        ("ce-type", "binary"),
        ("ce-source", "/shop"),
        ("ce-subject", "caf%C3%A9%20%22x%22"),
        ("ce-region", "eu"),
        ("ce-partitionkey", "k"),
        ("content-type", "application/json"),
        ("prefer", "reply"),
        ("kn-namespace", "default"),
    ];
    for (name, value) in expected {
        assert_eq!(header(name), Some(value), "{name}");
    }
    assert_eq!(got.body, br#"{"n": 1.50}"#, "not a byte is changed");
    let got = &server.got("/ok")[0];
    assert_eq!(got.headers["content-type"], "application/cloudevents+json");
    let event: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(
        (&event["id"], &event["subject"], &event["data"]["n"]),
        (&"a-json".into(), &"café \"x\"".into(), &1.5.into())
    );
    let entry = &home.about("a-binary")[0];
    assert_eq!(entry.function, server.url("/ok"), "what stands behind a '?' may be nobody's business");
    assert_eq!((entry.bytes_in, entry.bytes_out), (11, 0));
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_reply_goes_on_as_an_event_of_its_broker() {
    let server = Server::start();
    let home = home(&[to("asked", &server.url("/reply"), ""), to("answered", &server.url("/took"), "")]);
    let worker = Running::start(&home, &[]);
    worker.publish("asked", "a", &[("ce-partitionkey", "k")], "{}");
    eventually("the reply is delivered", || (!server.got("/took").is_empty()).then_some(()));
    idle(&home, 2);
    let got = server.got("/took");
    assert_eq!((got.len(), got[0].id(), &got[0].body[..]), (1, "reply", &br#"{"n":1}"#[..]));
    let hops = |got: &server::Got| got.headers["ce-knativebrokerttl"].parse::<u32>().unwrap();
    assert!(hops(&got[0]) < hops(&server.got("/reply")[0]), "a loop would end");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn who_asks_for_time_is_given_it_unless_that_is_not_heeded() {
    let server = Server::start();
    let delivery = |more: &str| format!("delivery: {{retry: 3, backoffDelay: PT0.01S{more}}}");
    let home = home(&[
        to("heeded", &server.url("/after/503/3600"), &delivery("")),
        to("capped", &server.url("/after/429/3601"), &delivery(", retryAfterMax: PT0.02S")),
        to("not-heeded", &server.url("/after/503/3602"), &delivery(", retryAfterMax: PT0S")),
        to("not-asked", &server.url("/after/500/3603"), &delivery("")),
    ]);
    let worker = Running::start(&home, &[]);
    for ty in ["heeded", "capped", "not-heeded", "not-asked"] {
        worker.publish(ty, ty, &[], "{}");
    }
    for ty in ["capped", "not-heeded", "not-asked"] {
        eventually(ty, || (home.about(ty).len() == 2).then_some(()));
        assert_eq!(home.about(ty)[1].outcome, "succeeded", "{ty}");
    }
    // So long a wait is none for memory.
    eventually("the one that waits is parked", || (home.status().parked == 1).then_some(()));
    assert_eq!(home.about("heeded").len(), 1);
    worker.kill();
}

#[test]
fn ten_thousand_wait_at_one_subscriber_while_functions_go_on() {
    const MANY: usize = 10_000;
    let server = Server::start();
    let home = home(&[to("gate", &server.url("/gate"), "")]);
    let limits = ["--set", "deliver.max-in-flight-per-trigger=10000", "--set", "deliver.max-in-flight=10000"];
    let worker = Running::start(&home, &limits);
    let batch = |from: usize, ty: &str, count: usize| {
        let event = |n| format!(r#"{{"specversion":"1.0","id":"{ty}-{n}","source":"/s","type":"{ty}"}}"#);
        let events: Vec<_> = (from..from + count).map(event).collect();
        let headers = [("content-type", "application/cloudevents-batch+json")];
        let response =
            worker.connect().post("/", &headers, format!("[{}]", events.join(",")).as_bytes()).unwrap();
        assert_eq!(response.status, 202, "{}", response.text());
    };
    for n in 0..MANY / 500 {
        batch(n * 500, "gate", 500);
        batch(n * 500, "here", 500);
    }
    eventually("all of them wait", || (server.waiting() == MANY).then_some(()));
    eventually("the functions' events are done", || {
        (home.succeeded("default/here").len() == MANY).then_some(())
    });
    assert_eq!(home.succeeded("default/gate").len(), 0);
    // And more of them.
    batch(MANY, "here", 1);
    eventually("one more", || (!home.about(&format!("here-{MANY}")).is_empty()).then_some(()));
    server.open_gate();
    idle(&home, 2 * MANY + 1);
    let done = home.succeeded("default/gate");
    assert_eq!((done.len(), done.values().max()), (MANY, Some(&1)), "each once");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn a_key_keeps_its_order_while_its_events_fail() {
    let server = Server::start();
    let home = home(&[to("keyed", &server.url("/once/503"), "delivery: {retry: 5, backoffDelay: PT0.005S}")]);
    let worker = Running::start(&home, &[]);
    for n in 0..60 {
        worker.publish("keyed", &format!("{n:02}"), &[("ce-partitionkey", &format!("k{}", n % 3))], "1");
    }
    idle(&home, 60);
    for key in ["k0", "k1", "k2"] {
        let got = server.got("/once/503");
        let ids: Vec<_> =
            got.iter().filter(|got| got.headers["ce-partitionkey"] == key).map(|got| got.id()).collect();
        let once: Vec<_> = ids.chunks(2).map(|twice| (twice[0], twice[1])).collect();
        assert!(
            once.iter().all(|(first, second)| first == second),
            "{key}: a retry comes before what follows: {ids:?}"
        );
        assert!(once.is_sorted() && once.len() == 20, "{key}: {ids:?}");
    }
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn one_that_hangs_delays_nobody() {
    let server = Server::start();
    let home = home(&[to("hang", &server.url("/hang"), ""), to("well", &server.url("/ok"), "")]);
    let limits = ["--set", "deliver.max-in-flight-per-trigger=5", "--set", "dispatch.max-in-flight=50"];
    let worker = Running::start(&home, &limits);
    for n in 0..300 {
        worker.publish("hang", &format!("hang-{n}"), &[], "1");
        worker.publish("well", &format!("well-{n}"), &[], "1");
        worker.publish("here", &format!("here-{n}"), &[], "1");
    }
    eventually("the others are done", || {
        let (well, here) = (home.succeeded("default/well").len(), home.succeeded("default/here").len());
        ((well, here) == (300, 300)).then_some(())
    });
    assert_eq!(server.got("/hang").len(), 5, "as many as may");
    worker.kill();
}

#[test]
fn a_stop_waits_for_answers_and_repeats_nothing() {
    let server = Server::start();
    let home = home(&[to("gate", &server.url("/gate"), "")]);
    let worker = Running::start(&home, &[]);
    for n in 0..20 {
        worker.publish("gate", &n.to_string(), &[], "1");
    }
    eventually("they wait", || (server.waiting() == 20).then_some(()));
    worker.signal();
    eventually("it drains", || worker.said("stopping: no new events are taken"));
    server.open_gate();
    assert_eq!(worker.wait().code, Some(0));
    assert_eq!(server.got("/gate").len(), 20);
    let again = Running::start(&home, &[]);
    // Once what came last is delivered, all that was there before it has been read.
    again.publish("gate", "last", &[], "1");
    eventually("it goes on", || (server.got("/gate").len() >= 21).then_some(()));
    idle(&home, 0);
    assert_eq!(server.got("/gate").len(), 21);
    assert_eq!(again.terminate().code, Some(0));
}

#[test]
fn what_was_under_way_when_a_worker_was_killed_is_sent_again() {
    let server = Server::start();
    let home = home(&[to("gate", &server.url("/gate"), "")]);
    let worker = Running::start(&home, &[]);
    for n in 0..50 {
        worker.publish("gate", &n.to_string(), &[("ce-partitionkey", &n.to_string())], "1");
    }
    eventually("they wait", || (server.waiting() == 50).then_some(()));
    worker.kill();
    server.open_gate();
    let worker = Running::start(&home, &[]);
    eventually("all are done", || (home.succeeded("default/gate").len() == 50).then_some(()));
    idle(&home, 0);
    let done = home.succeeded("default/gate");
    assert_eq!((done.len(), done.values().max()), (50, Some(&1)));
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn https_is_believed_by_the_authorities_that_a_destination_brings() {
    let (pem, acceptor) = certified();
    let (other, _) = certified();
    let server = Server::with(Some(acceptor));
    let indented = |pem: &str| pem.replace('\n', "\n      ");
    let with = |name: &str, pem: &str| {
        let subscriber = format!(
            "\n    uri: https://localhost:{}/ok\n    CACerts: |\n      {}",
            server.port(),
            indented(pem)
        );
        trigger(name, &subscriber, "delivery: {retry: 0}")
    };
    let unknown = format!("{{uri: \"https://localhost:{}/ok\"}}", server.port());
    let home = home(&[
        with("right", &pem),
        with("both", &format!("{other}{pem}")),
        with("wrong", &other),
        trigger("none", &unknown, "delivery: {retry: 0}"),
    ]);
    let worker = Running::start(&home, &[]);
    for ty in ["right", "both", "wrong", "none"] {
        worker.publish(ty, ty, &[], "1");
    }
    idle(&home, 4);
    for (ty, reason) in [("right", "none"), ("both", "none"), ("wrong", "connection"), ("none", "connection")]
    {
        assert_eq!(home.about(ty)[0].reason, reason, "{ty}");
    }
    assert_eq!(server.got("/ok").len(), 2);
    let letters = home.dead_letters();
    assert!(letters.iter().all(|letter| letter.message.contains("certificate")), "{letters:?}");
    assert_eq!(worker.terminate().code, Some(0));
}

#[test]
fn what_is_not_to_be_reached_is_not_reached_and_says_so() {
    let server = Server::start();
    let home = home(&[
        to("metadata", "http://169.254.169.254/latest/meta-data/", ""),
        to("mapped", "http://[::ffff:169.254.169.254]/", ""),
        to("local", &server.url("/ok"), ""),
        to("named", &format!("http://localhost:{}/ok", server.port()), ""),
    ]);
    let worker = Running::start(&home, &["--set", "deliver.deny=169.254.0.0/16,127.0.0.0/8,::1"]);
    for ty in ["metadata", "mapped", "local", "named"] {
        worker.publish(ty, ty, &[], "1");
    }
    idle(&home, 4);
    for ty in ["metadata", "mapped", "local", "named"] {
        let entries = home.about(ty);
        assert_eq!(
            (entries.len(), entries[0].outcome.as_str(), entries[0].reason.as_str()),
            (1, "permanent", "denied")
        );
    }
    let letters = home.dead_letters();
    assert!(
        letters.iter().all(|letter| letter.message.contains("do not allow connections to")),
        "{letters:?}"
    );
    assert_eq!(server.connections(), 0);
    assert_eq!(worker.terminate().code, Some(0));

    let allowed = Running::start(&home, &["--set", "deliver.allow=localhost", "--set", "deliver.deny="]);
    allowed.publish("named", "again", &[], "1");
    allowed.publish("local", "not-by-address", &[], "1");
    idle(&home, 2);
    assert_eq!(home.about("again")[0].outcome, "succeeded");
    assert_eq!(home.about("not-by-address")[0].reason, "denied");
    assert_eq!(allowed.terminate().code, Some(0));
}

#[test]
fn a_service_is_what_the_settings_say_or_where_a_cluster_has_it() {
    let server = Server::start();
    let service =
        |name: &str, more: &str| format!("{{ref: {{apiVersion: v1, kind: Service, name: {name}}}{more}}}");
    let delivery = "delivery: {retry: 0}";
    let home = home(&[
        trigger("mapped", &service("orders", ", uri: /below?x=y"), delivery),
        trigger("local", &service("worked-here", ""), delivery),
        trigger("away", &service("nowhere", ", uri: /events"), delivery),
    ]);
    let base = server.url("/base/");
    home.write("weir.yaml", format!("services:\n  orders: {base}\n  worked-here: here\n").as_bytes());
    let checked = home.weir(&["check", "documents.yaml"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("http://nowhere.default.svc.cluster.local/events"), "{said}");
    let worker = Running::start(&home, &[]);
    for ty in ["mapped", "local", "away"] {
        worker.publish(ty, ty, &[], "1");
    }
    idle(&home, 3);
    assert_eq!(server.got("/base/below?x=y").len(), 1);
    assert_eq!(home.about("local")[0].function, "default/here");
    let away = &home.about("away")[0];
    assert_eq!(
        (away.function.as_str(), away.reason.as_str()),
        ("http://nowhere.default.svc.cluster.local/events", "connection")
    );
    assert_eq!(worker.terminate().code, Some(0));
}

/// A source in this worker's own name: what it sends comes back in, and a loop ends.
#[test]
fn a_worker_may_be_its_own_subscriber_and_a_loop_ends() {
    let home = home(&[]);
    home.write("documents.yaml", (function("here") + "---\n").as_bytes());
    let worker = Running::start(&home, &["--set", "reload.interval=0s"]);
    let other = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: other}\n---\n";
    let base = format!("http://{}", worker.http());
    let documents = [
        function("here"),
        other.to_owned(),
        to("onward", &format!("{base}/default/other"), ""),
        to("round", &base, ""),
        to("taken", "http://127.0.0.1:1/", "delivery: {retry: 0}")
            .replace("broker: default", "broker: other")
            .replace("type: taken", "type: onward"),
    ];
    home.write("documents.yaml", documents.concat().as_bytes());
    worker.hangup();
    eventually("the documents are in force", || worker.said("a change has taken effect"));
    worker.publish("onward", "o", &[], "1");
    worker.publish("round", "r", &[], "1");
    // Between two rounds nothing is in flight: what was sent is in the queue, and not read yet.
    let onward = eventually("both have ended", || Some(home.about("o")).filter(|all| all.len() == 2));
    let mut onward: Vec<_> = onward.into_iter().map(|entry| (entry.trigger, entry.outcome)).collect();
    onward.sort();
    let expected = [("default/onward", "succeeded"), ("default/taken", "retryable")];
    assert_eq!(onward, expected.map(|(trigger, outcome)| (trigger.to_owned(), outcome.to_owned())));
    let rounds = eventually("the loop ends", || Some(home.about("r")).filter(|all| all.len() >= 256));
    let cut_off = rounds
        .iter()
        .filter(|entry| (entry.reason.as_str(), entry.outcome.as_str()) == ("hops", "permanent"));
    assert_eq!((rounds.len(), cut_off.count()), (256, 1));
    assert_eq!(worker.terminate().code, Some(0));
}
