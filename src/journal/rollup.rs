//! Entries summed up for billing: by tenant, function and window of time. A roll-up is a CloudEvent, as a usage event is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Entry, usage};
use crate::dispatch::Outcome;
use crate::event::{Data, Event, Uid};
use crate::money::Money;

pub const ROLLUP: &str = "dev.weir.usage.rollup.v1";

/// What entries are summed up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When its window begins, in nanoseconds since 1970.
    pub window: u64,
    pub tenant: String,
    pub function: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    pub attempts: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub retries: u64,
    pub cold_starts: u64,
    pub wall_ns: u64,
    /// Of each attempt what was begun of a millisecond, one at least.
    pub billed_ms: u64,
    pub init_ns: u64,
    pub fuel: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub price: Money,
}

/// What a run of entries comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// In nanoseconds.
    length: u64,
    pub sums: BTreeMap<Key, Sums>,
}

#[derive(Serialize)]
struct Summary<'k> {
    tenant: &'k str,
    function: &'k str,
    from: String,
    until: String,
    #[serde(flatten)]
    sums: &'k Sums,
}

impl Sums {
    fn add(&mut self, entry: &Entry<'_>) {
        self.attempts += 1;
        match entry.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            _ => self.failed += 1,
        }
        self.retries += u64::from(entry.attempt > 1);
        self.cold_starts += u64::from(entry.init_ns.is_some());
        self.wall_ns += entry.wall_ns;
        self.billed_ms += entry.wall_ns.div_ceil(1_000_000).max(1);
        self.init_ns += entry.init_ns.unwrap_or(0);
        self.fuel += entry.fuel;
        self.bytes_in += entry.bytes_in;
        self.bytes_out += entry.bytes_out;
        self.price += Money(entry.price.into());
    }
}

impl Rollup {
    /// `length`: of a window, in nanoseconds.
    pub fn new(length: u64) -> Rollup {
        Rollup { length, sums: BTreeMap::new() }
    }

    /// When the window begins in which an attempt ended.
    pub fn window(&self, ended: u64) -> u64 {
        ended - ended % self.length
    }

    pub fn add(&mut self, entry: &Entry<'_>) {
        let window = self.window(entry.ended);
        let key = Key { window, tenant: entry.tenant.to_owned(), function: entry.function.to_owned() };
        self.sums.entry(key).or_default().add(entry);
    }

    /// The roll-ups, in order. `begin` names the run: no two have the same, and what is sent again has the same id.
    pub fn events<'r>(
        &'r self,
        begin: &'r str,
        subject: impl Fn(&str) -> Option<String> + 'r,
    ) -> impl Iterator<Item = (Event<'r>, u64)> {
        self.sums.iter().map(move |(key, sums)| {
            let Key { window, tenant, function } = key;
            let (from, until) = (usage::time(*window), usage::time(window + self.length));
            let named = Uid::of_document(&format!("{begin}/{from}"), tenant, function);
            let subject = subject(tenant).map_or(Cow::Borrowed(tenant.as_str()), Cow::Owned);
            let summary = Summary { tenant, function, from: from.clone(), until, sums };
            let event = Event {
                id: Cow::Owned(named.to_string()),
                source: Cow::Owned(format!("/functions/{function}")),
                ty: Cow::Borrowed(ROLLUP),
                subject: Some(subject).filter(|subject| !subject.is_empty()),
                // Meters go by it: it lies in its window.
                time: Some(Cow::Owned(from)),
                dataschema: None,
                datacontenttype: Some(Cow::Borrowed("application/json")),
                extensions: Vec::new(),
                data: Some(Data::Json(Cow::Owned(
                    serde_json::to_string(&summary).expect("numbers and texts"),
                ))),
            };
            (event, sums.attempts)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn an_attempt_counts_in_the_window_in_which_it_ended() {
        let mut rollup = Rollup::new(HOUR);
        let late = entry(1).ended - HOUR;
        rollup.add(&Entry { price: 5, ..entry(1) });
        rollup.add(&Entry {
            price: 7,
            wall_ns: 1_000_001,
            attempt: 2,
            outcome: Outcome::Trapped,
            ..entry(2)
        });
        rollup.add(&Entry { ended: late, ..entry(1) });
        rollup.add(&Entry { tenant: "other", ..entry(1) });
        let events: Vec<_> =
            rollup.events("run", |tenant| (tenant == "other").then(|| "cus_1".to_owned())).collect();
        let windows: Vec<_> =
            events.iter().map(|(event, _)| event.time.clone().unwrap().into_owned()).collect();
        assert_eq!(windows, ["2027-01-15T07:00:00Z", "2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z"]);
        let subjects: Vec<_> =
            events.iter().map(|(event, _)| event.subject.clone().unwrap().into_owned()).collect();
        assert_eq!(subjects, ["shop", "cus_1", "shop"]);
        let Some(Data::Json(data)) = &events[2].0.data else { panic!("it has data") };
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            (&data["from"], &data["until"]),
            (&"2027-01-15T08:00:00Z".into(), &"2027-01-15T09:00:00Z".into())
        );
        assert_eq!((&data["attempts"], &data["retries"], &data["failed"]), (&2.into(), &1.into(), &1.into()));
        assert_eq!((&data["billed_ms"], &data["price"]), (&3.into(), &"0.000000000012".into()));
        let ids: Vec<String> = events.iter().map(|(event, _)| event.id.to_string()).collect();
        let again: Vec<String> =
            rollup.events("run", |_| None).map(|(event, _)| event.id.to_string()).collect();
        assert_eq!(ids, again);
        let other: Vec<String> =
            rollup.events("other", |_| None).map(|(event, _)| event.id.to_string()).collect();
        assert!(ids.iter().all(|id| !other.contains(id)));
    }
}
