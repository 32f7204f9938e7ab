//! Limits of triggers, and workers that run some triggers only: with the real worker.

mod worker;

use std::collections::{BTreeMap, BTreeSet};

use worker::{Connection, Ended, Home, Running, eventually, guests, running};

/// A trigger of the example's kind: what it is called is the type that it wants, too.
fn trigger(name: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: {name}\n{metadata}spec:\n  broker: default\n  \
         filters:\n  - any:\n    - exact: {{type: {name}}}\n    - exact: {{type: all}}\n  subscriber:\n    ref: {{apiVersion: \
         weir.dev/v1alpha1, kind: Function, name: {name}}}\n{spec}---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: \
         {{name: {name}}}\nspec: {{module: {name}.wasm}}\n---\n"
    )
}

fn annotated(name: &str, annotations: &[(&str, &str)]) -> String {
    let lines = annotations.iter().map(|(key, value)| format!("    weir.dev/{key}: \"{value}\"\n"));
    trigger(name, &format!("  annotations:\n{}", lines.collect::<String>()), "")
}

fn labelled(name: &str, team: &str) -> String {
    trigger(name, &format!("  labels: {{team: {team}}}\n"), "")
}

fn home(documents: &[String], functions: &[&str]) -> Home {
    let home = Home::new(&documents.concat());
    functions.iter().for_each(|name| home.write(&format!("{name}.wasm"), &guests::audit()));
    home
}

fn stopped(worker: Running) -> Ended {
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    ended
}

#[test]
fn what_is_above_a_rate_waits_and_hinders_nobody_also_over_a_restart() {
    let slow = annotated("slow", &[("rate-limit-per-worker", "1/h burst 3")]);
    let home = home(&[slow, trigger("free", "", "")], &["slow", "free"]);
    let worker = Running::start(&home, &["--set", "hold.deliveries=2"]);
    (0..10).for_each(|n| worker.publish("all", &format!("e-{n}"), &[], "1"));
    eventually("all that may have run has", || {
        let status = home.status();
        let limited = status.limited.first().unwrap();
        (status.delivered == 10 + 3 && limited.running == 0 && limited.waiting + limited.parked == 7)
            .then_some(())
    });
    let status = home.status();
    let limited = &status.limited[0];
    assert_eq!(
        (limited.trigger.as_str(), limited.rate_limit.as_deref()),
        ("default/slow", Some("1/h burst 3"))
    );
    assert!(limited.parked >= 5, "{limited:?}");
    let table = String::from_utf8(home.weir(&["status", "--data-dir", "data"]).stdout).unwrap();
    assert!(table.contains("default/slow") && table.contains("1/h burst 3"), "{table}");
    let ended = stopped(worker);
    assert!(ended.said("stopped: all that was in flight has settled").is_some(), "{}", ended.log);

    // A new worker's bucket is full: so many more, and not those again.
    let worker = Running::start(&home, &[]);
    eventually("three more have run", || (home.status().delivered == 3).then_some(()));
    assert_eq!(home.status().parked + home.status().limited[0].waiting, 4);
    stopped(worker);

    home.write("documents.yaml", (trigger("slow", "", "") + &trigger("free", "", "")).as_bytes());
    let worker = Running::start(&home, &[]);
    let done = eventually("all have run", || {
        let done = home.succeeded("default/slow");
        (done.len() == 10).then_some(done)
    });
    assert!(done.values().all(|&count| count == 1), "{done:?}");
    assert_eq!(home.succeeded("default/free").len(), 10);
    assert!(home.dead_letters().is_empty());
    stopped(worker);
}

/// What was in flight at a kill ran again, and costs nothing.
fn charges(home: &Home) -> usize {
    home.journal().into_iter().map(|entry| entry.charge).collect::<BTreeSet<_>>().len()
}

/// A limit lets one through in an hour. What it may keep back, in memory and parked, is little, and so is the queue.
#[test]
fn what_nobody_may_run_is_refused_at_the_source_and_nothing_taken_in_is_lost() {
    const LITTLE: [&str; 8] = [
        "--set",
        "queue.max-bytes=1MiB",
        "--set",
        "parking.max-deliveries=5",
        "--set",
        "dispatch.max-in-flight=10",
        "--set",
        "dispatch.max-held=10",
    ];
    let body = format!(r#""{}""#, "x".repeat(24 << 10));
    let home = home(&[annotated("slow", &[("rate-limit-per-worker", "1/h")])], &["slow"]);
    let worker = Running::start(&home, &LITTLE);
    let mut taken = Vec::new();
    let mut publish = |worker: &Running, id: String| {
        let response = running::post(&mut worker.connect(), "slow", &id, &[], &body).unwrap();
        if response.status == 202 {
            taken.push(id);
        }
        response
    };
    let mut numbers = 0..;
    let refused = eventually("the queue is full", || {
        let response = publish(&worker, format!("e-{}", numbers.next()?));
        (response.status != 202).then_some(response)
    });
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    assert!(refused.text().contains("queue.max-bytes"), "{}", refused.text());
    let status = eventually("the one has run", || Some(home.status()).filter(|status| status.delivered == 1));
    let limited = &status.limited[0];
    assert!(limited.parked <= 5 && limited.waiting + limited.parked < status.arrived, "{status:?}");
    let ready = || Connection::open(worker.admin()).unwrap().get("/readyz").unwrap().status;
    eventually("it says that it takes nothing", || (ready() == 503).then_some(()));

    // Its next life is as full, and the one after it has no limit.
    worker.kill();
    let worker = Running::start(&home, &LITTLE);
    eventually("another has run", || (home.status().delivered == 1).then_some(()));
    worker.kill();
    home.write("documents.yaml", trigger("slow", "", "").as_bytes());
    let worker = Running::start(&home, &LITTLE);
    eventually("it takes events again", || {
        (publish(&worker, format!("e-{}", numbers.next()?)).status == 202).then_some(())
    });
    let done = eventually("all that was taken in has run", || {
        Some(home.succeeded("default/slow")).filter(|done| done.len() >= taken.len())
    });
    taken.sort();
    assert_eq!(done.keys().collect::<Vec<_>>(), taken.iter().collect::<Vec<_>>());
    assert_eq!(charges(&home), taken.len());
    assert!(home.dead_letters().is_empty());
    stopped(worker);
}

#[test]
fn what_waits_for_its_limits_survives_kills() {
    const ALL: usize = 120;
    let limits = [("rate-limit-per-worker", "100/s burst 10"), ("max-concurrency-per-worker", "2")];
    let home = home(&[annotated("slow", &limits)], &["slow"]);
    // Some wait in memory and some are parked when it is killed.
    let small = ["--set", "hold.deliveries=20"];
    let worker = Running::start(&home, &small);
    let keys = |n: usize| format!("k-{}", n % 7);
    (0..ALL).for_each(|n| worker.publish("slow", &format!("e-{n}"), &[("ce-partitionkey", &keys(n))], "1"));
    let mut worker = worker;
    for _ in 0..3 {
        let is_over = || home.succeeded("default/slow").len() == ALL;
        eventually("some have run", || (home.status().delivered >= 10 || is_over()).then_some(()));
        worker.kill();
        worker = Running::start(&home, &small);
    }
    eventually("all have run", || {
        let is_empty = home.status().parked == 0;
        (is_empty && home.succeeded("default/slow").len() == ALL).then_some(())
    });
    assert!(home.dead_letters().is_empty());
    assert_eq!(charges(&home), ALL);
    // What had run and was not committed when the worker was killed runs again, and what follows it, too.
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    for entry in home.journal() {
        let number: usize = entry.event_id[2..].parse().unwrap();
        if seen.insert(number) {
            let before = last.insert(number % 7, number).unwrap_or(0);
            assert!(before <= number, "{number} after {before}");
        }
    }
    stopped(worker);
}

#[test]
fn no_more_run_at_once_than_may() {
    let home =
        home(&[annotated("one", &[("max-concurrency-per-worker", "1")]), trigger("free", "", "")], &["free"]);
    home.write("one.wasm", &guests::endless());
    let worker = Running::start(&home, &["--executors", "2"]);
    (0..5).for_each(|n| worker.publish("all", &format!("e-{n}"), &[], "1"));
    // The first does not end; there is an executor that could run the next.
    eventually("the others wait", || {
        let limited = home.status().limited.pop()?;
        assert!(limited.running <= 1, "{} run", limited.running);
        (limited.max_concurrency == Some(1) && limited.running == 1 && limited.waiting == 4).then_some(())
    });
    drop(worker);
}

#[test]
fn a_worker_runs_the_triggers_that_it_selects_and_keeps_what_is_others() {
    let paid = trigger(
        "paid",
        "  labels: {team: payments}\n  annotations: {weir.dev/rate-limit-per-worker: 1/h}\n",
        "",
    );
    let home = home(&[paid, labelled("sent", "shipping")], &["paid", "sent"]);
    let worker = Running::start(&home, &[]);
    (0..3).for_each(|n| worker.publish("paid", &format!("p-{n}"), &[], "1"));
    eventually("one has been paid, and the others have come", || {
        let status = home.status();
        ((status.arrived, status.delivered) == (3, 1)).then_some(())
    });
    stopped(worker);

    let worker = Running::start(&home, &["--select", "team=shipping"]);
    let kept = worker.said(
        "parked for triggers that are not selected: kept until a worker of this data directory runs them",
    );
    let kept = kept.unwrap_or_else(|| panic!("{}", worker.log()));
    assert_eq!((&kept["deliveries"], &kept["triggers"]), (&2.into(), &"default/paid".into()));
    let others = worker.said("not selected: left to other workers").unwrap();
    assert_eq!(others["triggers"], "default/paid");
    worker.publish("paid", "p-3", &[], "1");
    worker.publish("all", "a-0", &[], "1");
    eventually("both have settled", || (home.status().settled == 2).then_some(()));
    let status = home.status();
    assert_eq!((status.delivered, status.unrouted, status.parked), (1, 1, 0));
    assert!(home.dead_letters().is_empty());
    stopped(worker);

    home.write("documents.yaml", (labelled("paid", "payments") + &labelled("sent", "shipping")).as_bytes());
    let mut command = home.command();
    command.args(["check", "documents.yaml"]).env("WEIR_SELECT", "team in (payments, orders)");
    let checked = command.output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("'team in (payments, orders)' selects 1 of 2 triggers: default/paid"), "{said}");
    let worker = Running::start(&home, &["--select", "team!=shipping", "--select", "team"]);
    eventually("what was kept has been paid", || (home.succeeded("default/paid").len() == 3).then_some(()));
    let mut done: Vec<String> = home.succeeded("default/paid").into_keys().collect();
    done.sort();
    assert_eq!(done, ["p-0", "p-1", "p-2"], "p-3 was taken in by a worker that does not run it");
    stopped(worker);
}

#[test]
fn nothing_is_started_that_would_lose_something_or_do_nothing() {
    let home = home(&[labelled("paid", "payments"), labelled("sent", "shipping")], &["sent"]);
    home.write("paid.wasm", &guests::endless());
    let worker = Running::start(&home, &[]);
    worker.publish("paid", "p-0", &[], "1");
    eventually("it has begun", || (home.status().events_in_flight == 1).then_some(()));
    drop(worker);

    let nothing = Running::try_start(&home, &["--select", "team=nobody"]).unwrap_err();
    assert_eq!(nothing.code, Some(78));
    assert!(nothing.log.contains("'team=nobody' selects none of the 2 triggers"), "{}", nothing.log);
    assert!(nothing.log.contains("team in (payments, shipping)"), "{}", nothing.log);
    let wrong = Running::try_start(&home, &["--select", "team is payments"]).unwrap_err();
    assert_eq!(wrong.code, Some(78), "{}", wrong.log);

    let refused = Running::try_start(&home, &["--select", "team=shipping"]).unwrap_err();
    assert_eq!(refused.code, Some(1));
    assert!(refused.log.contains("1 events that were taken in here have not settled"), "{}", refused.log);
    assert!(refused.log.contains("default/paid may still be owed"), "{}", refused.log);
    home.write("paid.wasm", &guests::audit());
    let worker = Running::start(&home, &[]);
    eventually("it is done", || (home.status().delivered == 1).then_some(()));
    stopped(worker);
    stopped(Running::start(&home, &["--select", "team=shipping"]));
}
