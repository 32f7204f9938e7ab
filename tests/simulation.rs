//! The simulation: the core, the ledger and the offset maps as they are in production, in a world that delays, reorders,
//! fails, forgets and crashes as a seed decides; what must be true is checked at every step.
//!
//! WEIR_SEED runs one seed; WEIR_SOAK_SECONDS goes on from there for that long; WEIR_SEEDS says how many otherwise.

#[path = "simulation/agenda.rs"]
mod agenda;
#[path = "simulation/billing.rs"]
mod billing;
#[path = "simulation/broker.rs"]
mod broker;
#[path = "simulation/coordinator.rs"]
mod coordinator;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/group.rs"]
mod group;
#[path = "simulation/meter.rs"]
mod meter;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/queue/mod.rs"]
mod queue;
#[path = "simulation/rest.rs"]
mod rest;
#[path = "simulation/scenario.rs"]
mod scenario;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/shrink.rs"]
mod shrink;
#[path = "simulation/source.rs"]
mod source;
#[path = "simulation/steps.rs"]
mod steps;
#[path = "simulation/totals.rs"]
mod totals;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/truth.rs"]
mod truth;
#[path = "simulation/worker.rs"]
mod worker;
#[path = "simulation/writes.rs"]
mod writes;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scenario::{Fault, Scenario};
use shrink::Simulated;
use totals::Total;

/// So many worlds of each kind in `make test`: within two minutes on two cores.
const GROUPS: u64 = 100_000;
const QUEUES: u64 = 20_000;

#[test]
fn whatever_goes_wrong_nothing_is_lost_disordered_or_billed_wrongly() {
    prove::<group::World>(&seeds::GROUP, GROUPS);
}

#[test]
fn whatever_its_disk_goes_through_a_worker_keeps_what_it_took_and_makes_nothing_twice() {
    prove::<queue::World>(&seeds::QUEUE, QUEUES);
}

#[test]
fn the_same_seed_is_the_same_world() {
    twice::<group::World>();
    twice::<queue::World>();
}

fn twice<W: Simulated>() {
    for seed in 0..20 {
        let run = || {
            shrink::run::<W>(&Scenario::of(W::KIND, seed), true)
                .map_or_else(|f| (None, f.lines), |(t, l)| (Some(t), l))
        };
        let (first, again) = (run(), run());
        assert!(first.1.len() > 10);
        assert_eq!(first, again, "seed {seed}");
    }
}

/// Worlds that are known to have found something, and then so many others.
fn prove<W: Simulated>(known: &[(u64, &str)], count: u64) {
    shrink::quiet_panics();
    for (seed, about) in known {
        // Some were found when there were no limits yet, or no budgets.
        let scenario = Scenario::of(W::KIND, *seed);
        let limited = scenario.without(Fault::Budgets);
        for scenario in [limited.without(Fault::Limited), limited, scenario] {
            run::<W>(&scenario).unwrap_or_else(|text| panic!("{about}, again\n{text}"));
        }
    }
    let soak = number("WEIR_SOAK_SECONDS").map(Duration::from_secs);
    if let (Some(seed), None) = (number("WEIR_SEED"), soak) {
        let totals = one::<W>(seed).unwrap_or_else(|text| panic!("{text}"));
        return println!("{:?}: {totals}", W::KIND);
    }
    let first = number("WEIR_SEED").map_or(0, |seed| seed << 20);
    let count = if soak.is_some() { u64::MAX >> 1 } else { number("WEIR_SEEDS").unwrap_or(count) };
    let totals = many::<W>(first, count, soak);
    println!("{:?}: {totals}", W::KIND);
    let rare = totals.too_rare();
    assert!(rare.is_empty(), "too little has happened to prove anything:\n{}", rare.join("\n"));
}

/// The text of the failure, if it fails.
fn one<W: Simulated>(seed: u64) -> Result<W::Totals, String> {
    run::<W>(&Scenario::of(W::KIND, seed))
}

fn run<W: Simulated>(scenario: &Scenario) -> Result<W::Totals, String> {
    match shrink::run::<W>(scenario, false) {
        Ok((totals, _)) => Ok(totals),
        Err(failure) => Err(shrink::explain::<W>(scenario, failure)),
    }
}

/// On all cores; the first failure ends it.
fn many<W: Simulated>(first: u64, count: u64, time: Option<Duration>) -> W::Totals {
    let next = AtomicU64::new(0);
    let totals = Mutex::new(W::Totals::default());
    let failed = Mutex::new(None);
    let until = time.map(|time| Instant::now() + time);
    let work = || {
        let mut mine = W::Totals::default();
        while until.is_none_or(|until| Instant::now() < until) && failed.lock().unwrap().is_none() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            match one::<W>(first.wrapping_add(number)) {
                Ok(totals) => mine += totals,
                Err(text) => drop(failed.lock().unwrap().get_or_insert(text)),
            }
        }
        *totals.lock().unwrap() += mine;
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    if let Some(text) = failed.into_inner().unwrap() {
        panic!("{text}");
    }
    totals.into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}
