//! Entries summed up: what people ask of a journal.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Entry, usage};
use crate::dispatch::Outcome;
use crate::event::Uid;
use crate::money::Money;

/// The cost of a trigger, a function or a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub attempts: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub retries: u64,
    pub cold_starts: u64,
    pub wall_ns: u64,
    pub init_ns: u64,
    #[serde(default)]
    pub fuel: u64,
    #[serde(default)]
    pub price: Money,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Late results of assignments that were lost: counted here alone, for they have no price.
    #[serde(default)]
    pub fenced: u64,
    /// Attempts that a kill made run again. They have no price: billing counts the first.
    #[serde(default)]
    pub repeats: u64,
    /// Of the attempts after a delivery's first.
    #[serde(default)]
    pub retry_ns: u64,
    #[serde(default)]
    pub retry_price: Money,
    /// Of those that failed, first ones too.
    #[serde(default)]
    pub failed_ns: u64,
    #[serde(default)]
    pub failed_price: Money,
    /// Deliveries that ended as dead letters, and of these all attempts.
    #[serde(default)]
    pub dead_letters: u64,
    #[serde(default)]
    pub dead_letter_ns: u64,
    #[serde(default)]
    pub dead_letter_price: Money,
}

/// What the attempts of a delivery have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    wall_ns: u64,
    price: Money,
}

impl Cost {
    /// `dead`: what its delivery has taken, where that has ended as a dead letter.
    fn add(&mut self, entry: &Entry<'_>, is_repeat: bool, dead: Option<Spent>) {
        if entry.fenced {
            self.fenced += 1;
            return;
        }
        if let Some(dead) = dead {
            self.dead_letters += 1;
            self.dead_letter_ns += dead.wall_ns;
            self.dead_letter_price += dead.price;
        }
        self.attempts += 1;
        match entry.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            _ => self.failed += 1,
        }
        self.retries += u64::from(entry.attempt > 1);
        self.cold_starts += u64::from(entry.init_ns.is_some());
        self.wall_ns += entry.wall_ns;
        self.init_ns += entry.init_ns.unwrap_or(0);
        self.fuel += entry.fuel;
        let price = if is_repeat { Money::default() } else { Money(entry.price.into()) };
        self.repeats += u64::from(is_repeat);
        self.price += price;
        if entry.attempt > 1 {
            self.retry_ns += entry.wall_ns;
            self.retry_price += price;
        }
        if entry.outcome != Outcome::Succeeded {
            self.failed_ns += entry.wall_ns;
            self.failed_price += price;
        }
        self.bytes_in += entry.bytes_in;
        self.bytes_out += entry.bytes_out;
    }
}

/// What rows are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Trigger,
    Function,
    Tenant,
    Outcome,
    /// Why there was an attempt: first, retry, replay.
    Cause,
    /// When it ended, in UTC.
    Hour,
}

/// More names share one row: tenants may be as many as events.
const MOST: usize = 100_000;
const OTHERS: &str = "(others)";

/// The charges of the last entries. A kill repeats what was in flight, and that follows soon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recent {
    known: HashSet<Uid>,
    order: VecDeque<Uid>,
}

const RECENT: usize = 65_536;

impl Recent {
    /// Was it there?
    fn meet(&mut self, charge: Uid) -> bool {
        if !self.known.insert(charge) {
            return true;
        }
        self.order.push_back(charge);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

/// Costs by name, and their sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostTable {
    pub by: By,
    pub rows: BTreeMap<String, Cost>,
    pub total: Cost,
    #[serde(skip)]
    recent: Recent,
    /// Of deliveries that have failed and not ended.
    #[serde(skip)]
    failing: HashMap<Uid, Spent>,
}

impl CostTable {
    pub fn new(by: By) -> CostTable {
        CostTable { by, ..CostTable::default() }
    }

    pub fn add(&mut self, entry: &Entry<'_>) {
        let is_repeat = !entry.fenced && self.recent.meet(entry.charge());
        self.count(entry, is_repeat);
    }

    /// Where whoever asks knows whether its charge was there before.
    pub fn count(&mut self, entry: &Entry<'_>, is_repeat: bool) {
        let name = match self.by {
            By::Trigger => Cow::Borrowed(entry.trigger),
            By::Function => Cow::Borrowed(entry.function),
            By::Tenant => Cow::Borrowed(entry.tenant),
            By::Outcome => Cow::Borrowed(entry.outcome.as_str()),
            By::Cause => Cow::Borrowed(usage::cause(entry)),
            By::Hour => Cow::Owned(hour(entry.ended)),
        };
        let dead = self.spent(entry, is_repeat);
        match self.rows.get_mut(&*name) {
            Some(cost) => cost.add(entry, is_repeat, dead),
            None => {
                let name = if self.rows.len() < MOST { name.into_owned() } else { OTHERS.to_owned() };
                self.rows.entry(name).or_default().add(entry, is_repeat, dead);
            }
        }
        self.total.add(entry, is_repeat, dead);
    }

    /// What the delivery of an entry has taken, if it ended with that as a dead letter.
    fn spent(&mut self, entry: &Entry<'_>, is_repeat: bool) -> Option<Spent> {
        if entry.fenced || entry.outcome == Outcome::Succeeded {
            self.failing.remove(&entry.delivery);
            return None;
        }
        // What a kill repeats ends once.
        if is_repeat {
            return None;
        }
        if self.failing.len() >= RECENT {
            self.failing.clear();
        }
        let spent = self.failing.entry(entry.delivery).or_default();
        spent.wall_ns += entry.wall_ns;
        spent.price += Money(entry.price.into());
        if entry.dead_letter { self.failing.remove(&entry.delivery) } else { None }
    }
}

/// `2026-11-22 06h`.
fn hour(nanos: u64) -> String {
    let time = usage::time(nanos);
    let (day, rest) = time.split_once('T').unwrap_or((&time, "00"));
    format!("{day} {}h", rest.get(..2).unwrap_or("00"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::entry;

    #[test]
    fn a_repeat_is_counted_and_has_no_price() {
        let mut table = CostTable::new(By::Hour);
        let paid = Entry { price: 7, ..entry(1) };
        (0..3).for_each(|_| table.add(&paid));
        table.add(&Entry { price: 7, attempt: 2, ..entry(1) });
        let total = table.total;
        assert_eq!((total.attempts, total.repeats, total.price), (4, 2, Money(14)));
        assert_eq!((total.retries, total.retry_price), (1, Money(7)));
        assert_eq!(table.rows.keys().collect::<Vec<_>>(), ["2027-01-15 08h"]);
    }

    #[test]
    fn a_dead_letter_costs_what_all_its_attempts_did() {
        let mut table = CostTable::new(By::Outcome);
        let attempt = |n, attempt, outcome, dead_letter| Entry {
            attempt,
            outcome,
            dead_letter,
            price: 7,
            wall_ns: 10,
            ..entry(n)
        };
        table.add(&attempt(1, 1, Outcome::Trapped, false));
        table.add(&attempt(2, 1, Outcome::Trapped, false));
        table.add(&attempt(1, 2, Outcome::TimedOut, true));
        table.add(&attempt(1, 2, Outcome::TimedOut, true));
        table.add(&attempt(2, 2, Outcome::Succeeded, false));
        table.add(&attempt(4, 1, Outcome::Permanent, true));
        let total = table.total;
        assert_eq!((total.dead_letters, total.dead_letter_ns, total.dead_letter_price), (2, 30, Money(21)));
        assert_eq!(table.rows["timed-out"].dead_letter_price, Money(14));
        assert!(table.failing.is_empty());
    }
}
