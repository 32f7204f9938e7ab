//! What journals have had in all their lives: looked at while nobody runs, each time their worker has been killed.

// Each test binary uses what it needs of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use weir::journal::{Entry, usage};
use weir::store::Log;

use crate::worker::Home;

/// Volumes of two MiB, dropped when they have gone, but for one and what a look at it between two kills must find.
pub(crate) const ROOM: [&str; 4] = ["--set", "journal.max-bytes=16MiB", "--set", "journal.keep=3MiB"];

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Of each worker, by the number of the segment: its digest, which is of all that stands in it and of what went before.
    segments: BTreeMap<(usize, u64), [u8; 32]>,
    /// What each charge may have been shipped with: wall time, price, outcome, attempt, event and tenant.
    charges: BTreeMap<String, HashSet<String>>,
    /// Volumes that were dropped begin below these.
    first: BTreeMap<usize, u64>,
}

impl Ledger {
    /// No worker may be running there.
    pub(crate) fn look(&mut self, worker: usize, home: &Home) {
        let log = Log::open(&home.data().join("journal"), Default::default()).unwrap();
        let (segments, charges) = (&mut self.segments, &mut self.charges);
        let seen = weir::journal::walk(&log, |number, segment| {
            let digest = segment.link.digest;
            let before = segments.insert((worker, number), digest);
            assert!(
                before.is_none_or(|before| before == digest),
                "segment {number} of worker {worker} has been another"
            );
            for entry in &segment.entries {
                charges.entry(usage::id(entry)).or_default().insert(of_entry(entry));
            }
        });
        seen.unwrap_or_else(|error| panic!("the chain of worker {worker} does not hold: {error}"));
        self.first.insert(worker, log.first());
    }

    /// The same beside a worker that runs: its volumes may be gone before it is killed.
    pub(crate) fn look_beside(&mut self, home: &Home) {
        for line in home.journal() {
            let charge = if line.fenced { format!("{}-fenced", line.charge) } else { line.charge };
            let (wall_ns, price, attempt) =
                (line.wall_ns.to_string(), line.price.to_string(), line.attempt.to_string());
            let one = text(&wall_ns, &price, &line.outcome, &attempt, &line.event_id, &line.tenant);
            self.charges.entry(charge).or_default().insert(one);
        }
    }

    pub(crate) fn charges(&self) -> impl Iterator<Item = &String> {
        self.charges.keys()
    }

    /// How many workers have had a volume dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.first.values().filter(|&&first| first > 0).count()
    }

    /// Is what was received what an attempt of that charge took, to the nanosecond?
    #[track_caller]
    pub(crate) fn assert_knows(&self, event: &Value) {
        let charge = event["id"].as_str().unwrap();
        let data = &event["data"];
        let one = text(
            &data["wall_ns"].to_string(),
            data["price"].as_str().unwrap(),
            data["outcome"].as_str().unwrap(),
            &data["attempt"].to_string(),
            data["event_id"].as_str().unwrap(),
            data["tenant"].as_str().unwrap(),
        );
        let known = self.charges.get(charge);
        assert!(known.is_some_and(|known| known.contains(&one)), "{event} is none of {known:?}");
    }
}

fn of_entry(entry: &Entry<'_>) -> String {
    text(
        &entry.wall_ns.to_string(),
        &weir::money::Money(entry.price.into()).to_string(),
        entry.outcome.as_str(),
        &entry.attempt.to_string(),
        entry.event_id,
        entry.tenant,
    )
}

fn text(wall_ns: &str, price: &str, outcome: &str, attempt: &str, event: &str, tenant: &str) -> String {
    [wall_ns, price, outcome, attempt, event, tenant].join(" ")
}
