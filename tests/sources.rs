//! One semantics, whatever the source: each script is played over the embedded queue, over HTTP in direct mode, over Kafka and over
//! NATS, with partitions and without, and what became of its events is the same, attempt by attempt, key by key. docs/sources.md has
//! the table of scripts and sources, and why a cell can't apply; the table is what is played.

#[path = "brokers/mod.rs"]
mod brokers;
mod kafka;
mod nats;
#[path = "sources/played.rs"]
mod played;
#[path = "subscribers/server.rs"]
mod server;
#[path = "sources/table.rs"]
mod table;
#[path = "sources/way.rs"]
mod way;
mod worker;

use played::{Event, Played};
use table::{Cell, Source};
use worker::{eventually, guests};

/// Plays a script over each source that it applies to, and holds them to the same end.
#[track_caller]
fn same(script: &str, play: impl Fn(&mut Played)) {
    let mut ends = Vec::new();
    for (source, cell) in table::row(script) {
        match cell {
            Cell::Same => {
                println!("{script} over {source:?}");
                let mut played = Played::new(source);
                play(&mut played);
                ends.push((source, played.end()));
            }
            Cell::Not(why) => println!("{script} over {source:?} is not played: {why}"),
        }
    }
    let (first, expected) = &ends[0];
    for (source, became) in &ends[1..] {
        assert_eq!(became, expected, "{script}: {source:?}, and {first:?}");
    }
}

#[test]
fn what_fails_for_now_is_tried_again() {
    same("retry", |played| {
        played.called("flaky", "/once/503", "{retry: 3, backoffDelay: PT0.05S}");
        played.start();
        (0..12).for_each(|n| played.give(Event::new(n)));
        played.until("all are delivered", |played| played.done("flaky") == 12);
        let attempts = played.attempts("flaky", "e-7");
        assert_eq!(attempts, ["retryable (status)", "succeeded"]);
    });
}

#[test]
fn what_fails_for_good_is_kept_or_told_and_hinders_no_other() {
    same("dead letter", |played| {
        played.called_for("bad", "refused", "/status/400", "{retry: 3}");
        played.run("audit", &guests::audit());
        played.start();
        (0..12).for_each(|n| {
            played.give(Event { ty: if n % 3 == 0 { "bad" } else { "good" }, ..Event::new(n) })
        });
        played.until("all are done", |played| played.done("audit") == 12 && played.given_up().len() == 4);
        assert_eq!(played.attempts("refused", "e-3"), ["permanent (status)"]);
    });
}

#[test]
fn a_key_stays_in_order_though_each_of_its_events_fails_first() {
    same("order", |played| {
        played.ordered("flaky", "/once/503", "{retry: 3, backoffDelay: PT0.02S}");
        played.start();
        for n in 0..24 {
            played.give(Event { key: Some(format!("k{}", n % 4)), ..Event::new(n) });
        }
        played.until("all are delivered", |played| played.done("flaky") == 24);
        let lanes = played.lanes("/once/503");
        assert_eq!(
            lanes["k1"][..4],
            ["e-1", "e-1", "e-5", "e-5"],
            "nothing overtakes the one that is tried again"
        );
        played.note(lanes);
    });
}

#[test]
fn a_restart_in_the_middle_loses_nothing_and_repeats_nothing() {
    same("restart", |played| {
        played.called("nap", "/nap/20", "{retry: 3}");
        played.run("audit", &guests::audit());
        played.start();
        (0..60).for_each(|n| played.give(Event::new(n)));
        played.until("some are done", |played| played.done("nap") > 5);
        played.restart();
        (60..120).for_each(|n| played.give(Event::new(n)));
        played.until("all are done", |played| played.done("nap") == 120 && played.done("audit") == 120);
        let times = played.server.times("/nap/20");
        assert!(times.len() == 120 && times.values().all(|times| *times == 1), "{times:?}");
    });
}

#[test]
fn what_is_slow_keeps_no_other_waiting() {
    same("slow function", |played| {
        played.called_for("slow", "gate", "/gate", "{retry: 0}");
        played.called_for("quick", "quick", "/quick", "{retry: 0}");
        played.start();
        for n in 0..40 {
            let ty = if n < 4 { "slow" } else { "quick" };
            played.give(Event { ty, key: Some(format!("k{n}")), ..Event::new(n) });
        }
        played.until("the quick are done", |played| played.done("quick") == 36);
        played.until("the slow wait", |played| played.server.waiting() == 4);
        played.server.open_gate();
        played.until("the slow are done, too", |played| played.done("gate") == 4);
    });
}

#[test]
fn what_is_no_event_is_kept_or_refused_and_hinders_no_other() {
    same("undecodable input", |played| {
        played.run("audit", &guests::audit());
        played.start();
        for n in 0..9 {
            played.give(Event::new(n));
            if n % 3 == 0 {
                played.give_garbage();
            }
        }
        played.until("all are done", |played| played.done("audit") == 9 && played.given_up().len() == 3);
    });
}

#[test]
fn what_was_a_dead_letter_is_delivered_again_when_it_is_replayed() {
    same("replay", |played| {
        played.run("brittle", &guests::brittle());
        played.start();
        (0..8).for_each(|n| played.give(Event { data: if n < 3 { "\"!\"" } else { "1" }, ..Event::new(n) }));
        played.until("all have ended", |played| played.done("brittle") == 5 && played.given_up().len() == 3);
        played.replace("brittle", &guests::audit());
        played.replay();
        played.until("the replays are done", |played| played.done("brittle") == 8);
        assert!(played.given_up().is_empty());
    });
}

#[test]
fn a_drain_keeps_what_waits_for_a_retry_and_counts_on() {
    same("drain", |played| {
        played.called("ill", "/ill", "{retry: 9, backoffDelay: PT1S, backoffPolicy: linear}");
        played.start();
        (0..12).for_each(|n| {
            played.give(Event { id: format!("{}-{n}", if n < 4 { "bad" } else { "good" }), ..Event::new(n) })
        });
        played.until("what can be done is", |played| played.done("ill") == 8);
        played.until("the others have failed", |played| {
            let times = played.server.times("/ill");
            (0..4).all(|n| times.contains_key(&format!("bad-{n}")))
        });
        played.stop();
        played.server.open_gate();
        played.start();
        played.until("all are done", |played| played.done("ill") == 12);
        // How many have failed by then is a matter of time.
        played.forget_how_often();
    });
}

/// What a source can't keep it refuses, and says where it can be had.
#[test]
fn an_order_that_nats_can_t_keep_is_refused() {
    assert!(matches!(
        table::row("order").find(|(source, _)| *source == Source::Nats),
        Some((_, Cell::Not(_)))
    ));
    let mut played = Played::new(Source::Nats);
    played.ordered("flaky", "/once/503", "{retry: 3}");
    let refused = played.refused();
    assert!(
        refused.contains("asks for the order 'key'") && refused.contains("set 'partitions'"),
        "{refused}"
    );
}

#[test]
fn the_table_has_each_script_and_no_other() {
    let own = include_str!("sources.rs");
    let scripts = table::scripts();
    assert_eq!(own.matches("    same(\"").count(), scripts.len());
    assert!(scripts.iter().all(|script| own.contains(&format!("same(\"{script}\""))), "{scripts:?}");
}
