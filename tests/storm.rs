//! The storm: a worker is killed again and again, at moments that a seed decides, while publishers send at full speed;
//! then everything that it ever answered 202 must have been done, and its journal must be right to the nanosecond.
//!
//! WEIR_SEED repeats a storm's kills; WEIR_SOAK_SECONDS goes on with storm after storm for that long.

mod worker;

#[path = "storm/account.rs"]
mod account;
#[path = "storm/crowd.rs"]
mod crowd;
#[path = "storm/dice.rs"]
mod dice;
#[path = "storm/gauge.rs"]
mod gauge;
#[path = "storm/halves.rs"]
mod halves;
#[path = "storm/parked.rs"]
mod parked;
#[path = "storm/publisher.rs"]
mod publisher;
#[path = "storm/verdict.rs"]
mod verdict;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dice::Dice;
use publisher::{Order, Published, Publisher};
use verdict::{AUDIT, PAYMENTS, Verdict};
use worker::{Home, Running, eventually, guests};

const PUBLISHERS: u64 = 4;
const KILLS: u64 = 8;
/// Only what hangs meets this.
const PATIENCE: Duration = Duration::from_secs(120);

const DOCUMENTS: &str = r#"
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: process-payments}
spec:
  broker: default
  filter: {attributes: {type: order.created}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}
---
# The source that the worker gives to replies which state none.
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: audit}
spec:
  broker: default
  filter: {attributes: {source: /functions/payment}}
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: payment}
spec: {module: payment.wasm}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: audit}
spec: {module: audit.wasm}
"#;

#[test]
fn nothing_is_lost_repeated_in_vain_or_billed_wrongly_however_often_the_worker_is_killed() {
    let seed = seed();
    let until = Instant::now() + Duration::from_secs(number("WEIR_SOAK_SECONDS").unwrap_or(0));
    println!("WEIR_SEED={seed}");
    let mut dice = Dice::new(seed);
    for round in 1.. {
        storm(round, &mut dice.fork());
        if Instant::now() >= until {
            break;
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

fn seed() -> u64 {
    number("WEIR_SEED").unwrap_or(7)
}

fn storm(round: u32, dice: &mut Dice) {
    let home = Home::new(DOCUMENTS);
    home.write("payment.wasm", &std::fs::read(guests::payment()).unwrap());
    home.write("audit.wasm", &guests::audit());
    let mut worker = Running::start(&home, &[]);

    let target = Arc::new(Mutex::new(worker.http()));
    let stop = Arc::new(AtomicBool::new(false));
    let (taken, answered) = channel();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let (target, stop) = (Arc::clone(&target), Arc::clone(&stop));
            let publisher = Publisher { number, dice: dice.fork(), target, stop, taken: taken.clone() };
            std::thread::spawn(move || publisher.run())
        })
        .collect();
    for _ in 0..KILLS {
        // Some come while the worker still goes through what the last one left, some in the middle of things.
        let requests = match dice.within(0..4) {
            0 => 0,
            1 => dice.within(1..30),
            _ => dice.within(30..500),
        };
        count(&answered, requests);
        // A 202 tells where the scribe is: right after a flush. The kill is to meet it anywhere on its round.
        std::thread::sleep(Duration::from_micros(dice.within(0..10_000)));
        worker.kill();
        worker = Running::start(&home, &[]);
        *target.lock().unwrap() = worker.http();
    }
    count(&answered, 100);
    stop.store(true, Ordering::Relaxed);
    let published: Vec<Published> = publishers.into_iter().map(|p| p.join().unwrap()).collect();
    let orders: Vec<Order> = published.iter().flat_map(|p| p.orders.clone()).collect();

    settle(&home, &worker);
    let verdict = verdict::check(&home, &orders);
    let sent_again: u64 = published.iter().map(|p| p.repeats).sum();
    println!(
        "storm {round}: {KILLS} kills, {} orders answered 202 ({sent_again} tries in vain), {} attempts journalled, \
         {} of them charged, {} repeats",
        orders.len(),
        verdict.entries,
        verdict.charges,
        verdict.repeats()
    );

    // After a clean end nothing runs again: the journal grows by one more order and its reply, and by no more.
    stopped(worker);
    assert_eq!(verdict::check(&home, &orders), verdict);
    let worker = Running::start(&home, &[]);
    sentinel(&home, &worker, "after-the-storm");
    stopped(worker);
    let (entries, charges) = (verdict.entries + 2, verdict.charges + 2);
    assert_eq!(verdict::check(&home, &orders), Verdict { entries, charges });
}

/// Waits until publishers have been answered 202 so many times.
fn count(answered: &Receiver<()>, requests: u64) {
    for _ in 0..requests {
        answered.recv_timeout(PATIENCE).expect("publishers are answered");
    }
}

/// Waits until nothing is left to do, by what the queue's order proves: once the first sentinel's reply has arrived, all
/// orders have; once they have settled, their replies stand in the queue before the second.
fn settle(home: &Home, worker: &Running) {
    sentinel(home, worker, "first-sentinel");
    sentinel(home, worker, "second-sentinel");
}

/// Publishes an order and waits until it is done, its reply has arrived, and all that came before has settled.
fn sentinel(home: &Home, worker: &Running, id: &str) {
    let order = r#"{"order_id": "s", "amount": 1, "currency": "EUR"}"#;
    worker.publish("order.created", id, &[], order);
    let reply = format!("{id}/payment");
    eventually("the queue is worked off", || {
        let arrived = home.about(&reply).iter().any(|entry| entry.trigger == AUDIT);
        (arrived && home.status().events_in_flight == 0).then_some(())
    });
    assert!(home.about(id).iter().any(|entry| entry.trigger == PAYMENTS));
}

fn stopped(worker: Running) {
    let ended = worker.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.said("stopped: all that was in flight has settled").is_some(), "{}", ended.log);
}
