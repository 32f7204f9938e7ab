//! What a rehearsal plays: the worker's own rules, in a time of its own.

use std::time::Duration;

use weir::config::{load_settings, load_text};
use weir::dispatch::{Outcome, Reason};
use weir::worker::rehearsal::{Difference, History, Rehearsal, Stopped, judge};

use super::worker::guests;
use super::{function, test, trigger};

/// Plays all cases of these documents.
fn play(
    documents: &str,
    modules: &[(&str, Vec<u8>)],
    settings: &[(&str, &str)],
) -> Vec<(History, Vec<Difference>)> {
    let home = tempfile::tempdir().unwrap();
    for (name, module) in modules {
        std::fs::write(home.path().join(format!("{name}.wasm")), module).unwrap();
    }
    let loaded = load_text(&home.path().join("documents.yaml").to_string_lossy(), documents);
    assert_eq!(loaded.diagnostics.to_string(), "");
    let cache = format!("{}/native", env!("CARGO_TARGET_TMPDIR"));
    let mut flags = vec![("function.cache".to_owned(), cache)];
    flags.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let (settings, wrong) = load_settings(None, &|_| None, &flags);
    assert_eq!(wrong.to_string(), "");
    let rehearsal = Rehearsal::prepare(&loaded.config.unwrap(), &settings, Box::new(|_, _| {})).unwrap();
    let cases = loaded.tests.iter().flat_map(|test| &test.cases);
    cases
        .map(|case| {
            let history = rehearsal.play(case);
            let differences = judge(case, &history);
            (history, differences)
        })
        .collect()
}

/// The only case, and how it went.
fn play_one(documents: &str, modules: &[(&str, Vec<u8>)]) -> (History, Vec<Difference>) {
    let mut played = play(documents, modules, &[]);
    assert_eq!(played.len(), 1);
    played.remove(0)
}

fn whats(differences: &[Difference]) -> Vec<&str> {
    differences.iter().map(|difference| &*difference.what).collect()
}

/// Ten minutes of backoff each time, far beyond `hold.time`: it is parked, fetched and tried again, a day long.
#[test]
fn a_day_of_retries_takes_no_time() {
    let delivery = "  delivery: {retry: 5, backoffPolicy: linear, backoffDelay: PT10M}\n";
    let cases = "- name: one\n  given: {type: t, subject: \"!\"}\n  expect:\n    attempts: 6\n    deadLetters:\n    \
                 - {outcome: trapped, reason: unreachable, attempts: 6}\n";
    let documents = trigger("fragile", "t", "brittle", delivery) + &function("brittle") + &test("t", cases);
    let (history, differences) = play_one(&documents, &[("brittle", guests::brittle())]);
    assert_eq!(whats(&differences), Vec::<&str>::new());
    let waits: Vec<Duration> = history.attempts.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert_eq!(waits.len(), 5);
    // Its cap, and a tenth of jitter at most.
    let bounds = Duration::from_secs(600)..=Duration::from_secs(660);
    assert!(waits.iter().all(|wait| bounds.contains(wait)), "{waits:?}");
}

/// One that retries holds back its key and nothing else.
#[test]
fn order_by_key_is_kept() {
    let cases = "- name: one\n  given:\n  - {type: t, id: a1, subject: \"!\", partitionkey: a}\n  \
                 - {type: t, id: a2, partitionkey: a}\n  - {type: t, id: b1, partitionkey: b}\n  \
                 expect:\n    attempts: 5\n    deadLetters: [{event: {id: a1}}]\n";
    let delivery = "  delivery: {retry: 2}\n";
    let documents = trigger("fragile", "t", "brittle", delivery) + &function("brittle") + &test("t", cases);
    let (history, differences) = play_one(&documents, &[("brittle", guests::brittle())]);
    assert_eq!(whats(&differences), Vec::<&str>::new());
    let order: Vec<_> = history
        .attempts
        .iter()
        .map(|attempt| (&*history.events[attempt.event].id, attempt.attempt, attempt.at.is_zero()))
        .collect();
    let expected = [("a1", 1, true), ("b1", 1, true), ("a1", 2, false), ("a1", 3, false), ("a2", 1, false)];
    assert_eq!(order, expected);
}

#[test]
fn replies_are_followed_to_the_end() {
    let documents = [
        trigger("first", "a", "to-b", ""),
        trigger("second", "b", "to-c", ""),
        trigger("third", "c", "audit", ""),
        trigger("other", "d", "audit", ""),
        ["to-b", "to-c", "audit"].map(function).concat(),
        test(
            "t",
            "- name: one\n  given: {type: a}\n  expect:\n    routes: [third, second, first]\n    \
             replies: [{type: b}, {type: c, source: /functions/to-c}]\n    attempts: {first: 1, other: 0}\n",
        ),
    ];
    let modules =
        [("to-b", guests::answering("b")), ("to-c", guests::answering("c")), ("audit", guests::audit())];
    let (history, differences) = play_one(&documents.concat(), &modules);
    assert_eq!(whats(&differences), Vec::<&str>::new());
    let events: Vec<_> = history.events.iter().map(|event| (&*event.ty, event.met)).collect();
    assert_eq!(events, [("a", true), ("b", true), ("c", true)]);
}

/// A trigger that feeds itself ends where it does in a worker; what is left then is a dead letter.
#[test]
fn a_loop_ends_at_the_hop_limit() {
    let cases = "- name: whole\n  given: {type: a}\n  expect:\n    attempts: 255\n    deadLetters: [{reason: hops}]\n\
                 - name: nearly over\n  given: {type: a, knativebrokerttl: 3}\n  expect:\n    attempts: 3\n    \
                 replies: [{type: a}, {type: a}]\n    deadLetters: [{reason: hops, event: {type: a}}]\n";
    let documents = trigger("echo", "a", "to-a", "") + &function("to-a") + &test("t", cases);
    let played = play(&documents, &[("to-a", guests::answering("a"))], &[]);
    for (history, differences) in &played {
        assert_eq!(whats(differences), Vec::<&str>::new(), "{:?}", history.stopped);
    }
    assert_eq!(played[1].0.attempts.len(), 3);
}

/// Each answer is two of its own kind: it would be 2 to the 255th.
#[test]
fn one_that_multiplies_is_stopped() {
    let reply = r#"{\"specversion\":\"1.0\",\"type\":\"a\"}"#;
    let length = 2 * (reply.len() - reply.matches('\\').count()) + 3;
    let twice = guests::guest(
        &format!("(i64.const {})", (16_u64 << 32) | length as u64),
        &format!(r#"(data (i32.const 16) "[{reply},{reply}]")"#),
    );
    let cases = "- name: one\n  given: {type: a}\n  expect: {}\n";
    let documents = trigger("echo", "a", "twice", "") + &function("twice") + &test("t", cases);
    let (history, differences) = play_one(&documents, &[("twice", twice)]);
    assert_eq!(history.stopped, Some(Stopped::Events(10_000)));
    assert_eq!(whats(&differences), ["stopped at 10000 events: do triggers feed each other?"]);
}

/// What a case leaves in an instance, the next one does not find.
#[test]
fn no_case_knows_of_another() {
    let once = guests::guest(
        "(if (global.get $used) (then unreachable)) (global.set $used (i32.const 1)) (i64.const 0)",
        "(global $used (mut i32) (i32.const 0))",
    );
    let cases = "- name: one\n  given: {type: a}\n  expect: {}\n- name: two\n  given: {type: a}\n  expect: {}\n\
                 - name: both\n  given: [{type: a}, {type: a}]\n  expect: {attempts: 3}\n";
    let documents = trigger("once", "a", "once", "") + &function("once") + &test("t", cases);
    for (_, differences) in play(&documents, &[("once", once)], &[]) {
        assert_eq!(whats(&differences), Vec::<&str>::new());
    }
}

/// A dead letter is one wherever it goes; as an event of another broker it meets that one's triggers.
#[test]
fn a_dead_letter_goes_to_its_broker() {
    let broker = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: failed}\n---\n";
    let watch = trigger("watch", "t", "audit", "").replace("broker: default", "broker: failed");
    let sink = "  delivery: {retry: 0, deadLetterSink: {ref: {kind: Broker, name: failed}}}\n";
    let cases = "- name: one\n  given: {type: t, subject: \"!\"}\n  expect:\n    routes: [fragile, watch]\n    \
                 replies: []\n    deadLetters: [{trigger: fragile, reason: unreachable, event: {subject: \"!\"}}]\n\
                 - name: of the other broker\n  broker: failed\n  given: {type: t, subject: \"!\"}\n  \
                 expect: {routes: [watch]}\n";
    let documents = [
        broker.to_owned(),
        watch,
        trigger("fragile", "t", "brittle", sink),
        ["brittle", "audit"].map(function).concat(),
        test("t", cases),
    ];
    let modules = [("brittle", guests::brittle()), ("audit", guests::audit())];
    for (_, differences) in play(&documents.concat(), &modules, &[]) {
        assert_eq!(whats(&differences), Vec::<&str>::new());
    }
}

/// The settings that decide what a worker does decide here, too: fifty failures in a row pause a route, or two.
#[test]
fn a_route_pauses_as_it_does_in_a_worker() {
    let given: String = (0..4).map(|n| format!("  - {{type: t, id: e{n}, subject: \"!\"}}\n")).collect();
    let cases = format!("- name: one\n  given:\n{given}  expect: {{attempts: 4}}\n");
    let delivery = "  delivery: {retry: 0}\n";
    let documents = trigger("fragile", "t", "brittle", delivery) + &function("brittle") + &test("t", &cases);
    let modules = [("brittle", guests::brittle())];
    let last = |settings: &[(&str, &str)]| {
        let played = play(&documents, &modules, settings);
        let (history, _) = &played[0];
        assert!(
            history.attempts.iter().all(|a| (a.outcome, a.reason) == (Outcome::Trapped, Reason::Unreachable))
        );
        history.attempts.last().unwrap().at
    };
    assert_eq!(last(&[]), Duration::ZERO);
    assert!(last(&[("breaker.failures", "2"), ("dispatch.max-in-flight", "10")]) >= Duration::from_secs(1));
}
