//! Workers that consume a real NATS server, seen from outside: what they did with its messages, and what they acknowledged.

#[path = "brokers/mod.rs"]
mod brokers;
mod nats;
#[path = "subscribers/server.rs"]
mod server;
#[path = "nats_source/start.rs"]
mod start;
#[path = "nats_source/tap.rs"]
mod tap;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use nats::Stream;
use server::Server;
use worker::home::lines;
use worker::{Home, Running, eventually, guests};

/// One of them stops the server that all of them use.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn once_each(counts: &BTreeMap<String, usize>, events: usize) {
    assert_eq!(counts.len(), events, "some were lost");
    let twice: Vec<_> = counts.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "some ran more than once: {twice:?}");
}

fn succeeded(homes: &[Home], trigger: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for home in homes {
        for (id, times) in home.succeeded(trigger) {
            *counts.entry(id).or_default() += times;
        }
    }
    counts
}

/// A trigger that calls the server at this path.
fn called(server: &Server, name: &str, path: &str, delivery: &str) -> String {
    format!(
        "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n  broker: default\n  \
         subscriber: {{uri: '{}'}}\n  delivery: {delivery}\n",
        server.url(path)
    )
}

#[test]
fn what_stands_in_a_stream_is_run_and_acknowledged_and_a_restart_repeats_nothing() {
    let _alone = alone();
    let stream = Stream::new();
    stream.publish_all(0..300);
    let home = stream.home("");
    let running = Running::start(&home, &[]);
    stream.until_done();
    let taken = running.said("consumer taken: going on").expect("it says where it begins");
    assert_eq!((taken["to_read"].as_u64(), taken["from"].as_u64()), (Some(300), Some(1)), "{taken}");
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 300);

    stream.publish_all(300..330);
    let running = Running::start(&home, &[]);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 330);
}

#[test]
fn what_is_no_event_is_a_dead_letter_and_what_claims_nothing_is_an_event() {
    let _alone = alone();
    let stream = Stream::new();
    stream.produce("odd", &[("ce-specversion", "1.0"), ("ce-id", "")], b"whole");
    stream.produce("odd", &[("tenant", "acme")], b"");
    stream.publish("order.created", "1", "{}");
    let whole = br#"{"specversion":"1.0","id":"2","source":"/s","type":"t"}"#;
    stream.produce("odd", &[("Content-Type", "application/cloudevents+json")], whole);
    let home = stream.home("");
    let running = Running::start(&home, &[]);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    let succeeded = home.succeeded("default/audit");
    assert_eq!(succeeded.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "2", "sequence:2"]);
    let letters = home.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].event_type.as_str()),
        ("undecodable", "dev.weir.nats.undecodable")
    );
}

/// NATS's own advisories tell of each dead letter; and neither these nor what is parked is anything that KEDA would scale by.
#[test]
fn what_became_a_dead_letter_is_terminated_and_counts_no_more() {
    let _alone = alone();
    let (stream, server) = (Stream::new(), Server::start());
    let mut terms = stream.listen_for_terms();
    let later = called(&server, "later", "/ill", "{retry: 90, backoffDelay: PT0.5S, backoffPolicy: linear}");
    let home = Home::new(&stream.documents(&format!(
        "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {{name: trap}}\nspec: {{module: trap.wasm}}\n\
         ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: trap}}\nspec:\n  broker: default\n  \
         filter: {{attributes: {{type: wrong}}}}\n  \
         subscriber: {{ref: {{apiVersion: weir.dev/v1alpha1, kind: Function, name: trap}}}}\n  delivery: {{retry: 0}}\n{later}"
    )));
    home.write("trap.wasm", &guests::guest("unreachable", ""));
    for n in 0..3 {
        stream.publish("right", &format!("r-{n}"), "{}");
        stream.publish("wrong", &format!("w-{n}"), "{}");
        stream.produce("odd", &[("ce-specversion", "1.0"), ("ce-id", "")], b"no event");
    }
    stream.publish("right", "bad-0", "{}");
    let running = Running::start(&home, &["--set", "hold.time=0s", "--set", "breaker.failures=0"]);
    stream.until_done();
    assert_eq!(
        stream.terms(&mut terms, 6),
        [2, 3, 5, 6, 8, 9].into(),
        "and not those that are done or parked"
    );
    assert_eq!(home.dead_letters().len(), 6);
    // Tried again in vain, it is parked anew before the one from before is answered for.
    eventually("KEDA sees what waits where it is parked", || {
        (stream.lag()?.sum() == 0 && stream.lag_of_parking()?.sum() == 1).then_some(())
    });
    server.open_gate();
    eventually("nothing is parked", || stream.lag_of_parking().filter(|lag| lag.sum() == 0));
    assert_eq!(running.terminate().code, Some(0));
}

/// Workers come and go cleanly while events come: none runs twice.
#[test]
fn workers_share_a_durable_and_come_and_go_and_nothing_is_repeated() {
    let _alone = alone();
    let stream = Stream::new();
    let home = || {
        let home = Home::new(&nats::patient(&stream.documents(nats::AUDIT)));
        home.write("audit.wasm", &guests::audit());
        home
    };
    let homes: Vec<Home> = (0..3).map(|_| home()).collect();
    stream.publish_all(0..600);
    let first = Running::start(&homes[0], &[]);
    stream.publish_all(600..1200);
    let second = Running::start(&homes[1], &[]);
    stream.publish_all(1200..1800);
    // Whoever asks first is given what there is.
    let mut events = 1800;
    eventually("the second has some", || {
        if stream.lag().is_some_and(|lag| lag.sum() < 200) {
            stream.publish_all(events..events + 100);
            events += 100;
        }
        (!homes[1].succeeded("default/audit").is_empty()).then_some(())
    });
    assert_eq!(first.terminate().code, Some(0));
    let third = Running::start(&homes[2], &[]);
    stream.publish_all(events..events + 600);
    assert_eq!(second.terminate().code, Some(0));
    stream.until_done();
    assert_eq!(third.terminate().code, Some(0));
    once_each(&succeeded(&homes, "default/audit"), events + 600);
}

/// What a killed worker had is another's after the wait for its answers, and only that is repeated.
#[test]
fn what_a_killed_worker_had_is_done_by_another() {
    let _alone = alone();
    const EVENTS: usize = 400;
    let (stream, server) = (Stream::new(), Server::start());
    let trigger = called(&server, "nap", "/nap/20", "{retry: 3}");
    let homes = [(); 2].map(|()| Home::new(&stream.documents(&trigger)));
    stream.publish_all(0..EVENTS);
    let options = ["--set", "deliver.max-in-flight-per-trigger=20"];
    let first = Running::start(&homes[0], &options);
    eventually("some are delivered", || (server.got("/nap/20").len() > 100).then_some(()));
    let before = stream.lag().unwrap();
    first.kill();
    let seen = server.got("/nap/20").len();
    let second = Running::start(&homes[1], &options);
    eventually("all are delivered", || {
        let got = server.got("/nap/20");
        let ids: std::collections::BTreeSet<_> = got.iter().map(|got| got.id().to_owned()).collect();
        (ids.len() == EVENTS).then_some(())
    });
    stream.until_done();
    assert_eq!(second.terminate().code, Some(0));
    let repeats = server.got("/nap/20").len() - EVENTS;
    let unanswered = before.unacknowledged as usize;
    assert!(repeats <= unanswered, "{repeats} of {unanswered} that were not answered for ({seen} seen)");
}

/// Longer than NATS waits for an answer: it is told that the work goes on, and hands nothing out again.
#[test]
fn what_takes_long_is_not_handed_out_again() {
    let _alone = alone();
    let (stream, server) = (Stream::new(), Server::start());
    let home = Home::new(&stream.documents(&called(&server, "slow", "/nap/8000/8500", "{retry: 3}")));
    stream.publish_all(0..5);
    let running = Running::start(&home, &[]);
    stream.until_done();
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(server.got("/nap/8000/8500").len(), 5);
    once_each(&home.succeeded("default/slow"), 5);
}

/// All of it waits long: the durable is done with it, and what waited is delivered once, also by another worker than the one
/// that parked it.
#[test]
fn what_waits_long_is_parked_in_its_stream_and_is_anybodys() {
    let _alone = alone();
    const EVENTS: usize = 200;
    let (stream, server) = (Stream::new(), Server::start());
    let trigger =
        called(&server, "later", "/once/503", "{retry: 5, backoffDelay: PT2S, backoffPolicy: linear}");
    let homes = [(); 2].map(|()| Home::new(&stream.documents(&trigger)));
    stream.publish_all(0..EVENTS);
    let options = ["--set", "hold.time=0s", "--set", "breaker.failures=0"];
    let first = Running::start(&homes[0], &options);
    eventually("all of it is parked or done", || stream.lag().filter(|lag| lag.sum() == 0));
    first.kill();
    let second = Running::start(&homes[1], &options);
    eventually("nothing is parked any more", || stream.lag_of_parking().filter(|lag| lag.sum() == 0));
    assert_eq!(second.terminate().code, Some(0));
    let delivered = succeeded(&homes, "default/later");
    assert_eq!(delivered.len(), EVENTS, "some were lost");
    let before: usize = homes[0].succeeded("default/later").len();
    let again = server.got("/once/503").len() - 2 * EVENTS;
    assert!(again <= before, "{again} again, where {before} could have been done and not answered for");
    assert_eq!(stream.lag().unwrap().sum(), 0, "the durable never saw them again");
}

/// Far more is in memory than could be done in the time of a drain: what has not begun is left to the next worker.
#[test]
fn a_stop_leaves_what_has_not_begun_to_the_next_worker() {
    let _alone = alone();
    const EVENTS: usize = 1500;
    let (stream, server) = (Stream::new(), Server::start());
    let home = Home::new(&stream.documents(&called(&server, "nap", "/nap/200", "{retry: 3}")));
    stream.publish_all(0..EVENTS);
    let options = ["--set", "deliver.max-in-flight-per-trigger=10"];
    for more in [100, 200] {
        let running = Running::start(&home, &options);
        let before = server.got("/nap/200").len();
        eventually("some are delivered", || (server.got("/nap/200").len() > before + more).then_some(()));
        assert_eq!(running.terminate().code, Some(0), "it ends in time");
        assert!(server.got("/nap/200").len() < EVENTS, "it is stopped in the middle");
    }
    let running = Running::start(&home, &["--set", "deliver.max-in-flight-per-trigger=1000"]);
    eventually("all are delivered", || (server.got("/nap/200").len() >= EVENTS).then_some(()));
    stream.until_done();
    eventually("nothing is parked any more", || stream.lag_of_parking().filter(|lag| lag.sum() == 0));
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/nap"), EVENTS);
    assert_eq!(server.got("/nap/200").len(), EVENTS);
}

/// The server stops and comes back while events are under way: what was done is answered for then, and nothing is repeated.
#[test]
fn a_server_that_restarts_loses_nothing_and_has_nothing_repeated() {
    let _alone = alone();
    const EVENTS: usize = 600;
    let (stream, server) = (Stream::new(), Server::start());
    let home = Home::new(&stream.documents(&called(&server, "nap", "/nap/20", "{retry: 3}")));
    let running = Running::start(&home, &["--set", "deliver.max-in-flight-per-trigger=20"]);
    for round in 0..3 {
        stream.publish_all(round * EVENTS / 3..(round + 1) * EVENTS / 3);
        eventually("some are delivered", || {
            (server.got("/nap/20").len() > round * EVENTS / 3 + 50).then_some(())
        });
        brokers::restart_nats();
        eventually("the stream is there again", || stream.lag());
    }
    eventually("all are delivered", || (server.got("/nap/20").len() >= EVENTS).then_some(()));
    stream.until_done();
    let ended = running.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    once_each(&home.succeeded("default/nap"), EVENTS);
    assert_eq!(server.got("/nap/20").len(), EVENTS);
}

/// Its durable is deleted and made anew, the stream too: it waits for them, says so, and goes on.
#[test]
fn a_durable_or_stream_that_is_deleted_is_waited_for() {
    let _alone = alone();
    let stream = Stream::new();
    let home = stream.home("");
    let running = Running::start(&home, &[]);
    stream.publish_all(0..50);
    stream.until_done();
    let said = |what: &str| {
        let needle = what.to_owned();
        eventually("it says what is missing", || running.log().contains(&needle).then_some(()));
    };
    stream.delete_durable();
    said("is gone: it is waited for");
    stream.publish_all(50..100);
    stream.make_durable(pull::Config {
        ack_policy: AckPolicy::Explicit,
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: 51 },
        ..pull::Config::default()
    });
    eventually("it goes on", || (home.succeeded("default/audit").len() == 100).then_some(()));
    stream.until_done();

    stream.delete();
    said("is not there");
    stream.create();
    stream.make_durable(pull::Config { ack_policy: AckPolicy::Explicit, ..pull::Config::default() });
    stream.publish_all(100..150);
    eventually("it goes on", || (home.succeeded("default/audit").len() == 150).then_some(()));
    stream.until_done();
    assert!(running.said("consumer taken: it was another stream").is_some());
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 150);
}

#[test]
fn a_durable_that_would_break_a_guarantee_is_refused_by_its_setting() {
    let _alone = alone();
    let stream = Stream::new();
    stream.make_durable(pull::Config {
        ack_policy: AckPolicy::Explicit,
        max_deliver: 3,
        memory_storage: true,
        filter_subject: format!("{}.created", stream.name),
        ..pull::Config::default()
    });
    stream.publish_all(0..10);
    let home = stream.home("");
    let running = Running::start(&home, &[]);
    let why = eventually("it says what is wrong", || {
        let why =
            lines(&running.log()).into_iter().filter_map(|line| line["why"].as_str().map(str::to_owned));
        why.into_iter().find(|why| why.contains("would break"))
    });
    for part in ["max_deliver is set", "set it to -1", "mem_storage", "subjects"] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(running.terminate().code, Some(0));
    assert!(home.succeeded("default/audit").is_empty());
    assert_eq!(stream.lag().unwrap().pending, 10, "nothing was taken");
}
