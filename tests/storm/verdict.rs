//! What must hold after a storm: nothing lost, nothing out of order, every nanosecond accounted for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use weir::worker::query::EntryLine;

use super::publisher::Order;
use super::worker::Home;

pub(crate) const PAYMENTS: &str = "default/process-payments";
pub(crate) const AUDIT: &str = "default/audit";

/// What stands in the journal after a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) entries: u64,
    /// What a bill would have: one for each event that the queue was given.
    pub(crate) charges: u64,
}

impl Verdict {
    /// Attempts that kills made run again. They cost nothing.
    pub(crate) fn repeats(self) -> u64 {
        self.entries - self.charges
    }
}

/// Checks the journal of a worker at rest against what was published.
pub(crate) fn check(home: &Home, orders: &[Order]) -> Verdict {
    let journal = home.journal();
    let failed: Vec<_> = journal.iter().filter(|entry| entry.outcome != "succeeded").collect();
    assert!(failed.is_empty(), "{failed:?}");
    let letters = home.dead_letters();
    assert!(letters.is_empty(), "{letters:?}");
    every_order_is_done(&journal, orders);
    keys_are_in_order(&journal, orders);
    charges_are_unique(&journal);
    let charges = every_event_is_charged_once(&journal);
    every_order_has_one_reply(&journal);
    let entries = totals_agree(home, &journal);
    Verdict { entries, charges }
}

fn every_order_is_done(journal: &[EntryLine], orders: &[Order]) {
    let mut seen: HashMap<(&str, &str), &EntryLine> = HashMap::new();
    for entry in journal {
        seen.insert((&entry.trigger, &entry.event_id), entry);
    }
    for order in orders {
        let paid = seen.get(&(PAYMENTS, order.id.as_str()));
        let paid = paid.unwrap_or_else(|| panic!("order {} was answered 202 and never done", order.id));
        let reply = format!("{}/payment", order.id);
        assert_eq!((paid.replies.len(), &paid.replies[0].id), (1, &reply));
        let arrived = seen.get(&(AUDIT, reply.as_str()));
        let arrived = arrived.unwrap_or_else(|| panic!("the reply {reply} was lost"));
        assert_eq!(arrived.event_type, order.reply_type(), "{reply}");
    }
    let foreign = journal.iter().find(|entry| entry.trigger != PAYMENTS && entry.trigger != AUDIT);
    assert!(foreign.is_none(), "{foreign:?}");
}

/// The first success of each order of a key comes after that of the one before.
fn keys_are_in_order(journal: &[EntryLine], orders: &[Order]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in journal.iter().enumerate().filter(|(_, entry)| entry.trigger == PAYMENTS) {
        first.entry(&entry.event_id).or_insert(at);
    }
    let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for order in orders {
        let Some(key) = &order.key else { continue };
        let at = first[order.id.as_str()];
        if let Some((before, id)) = last.insert(key, (at, &order.id)) {
            assert!(before < at, "of {key}, {} was done before {id}", order.id);
        }
    }
}

/// A charge is one attempt at one delivery, however often a kill made it repeat.
pub(crate) fn charges_are_unique(journal: &[EntryLine]) {
    let mut charges = HashMap::new();
    for entry in journal {
        let of = (&entry.trigger, &entry.event_id, entry.offset, entry.attempt);
        let known = charges.entry(&entry.charge).or_insert(of);
        assert_eq!(*known, of, "charge {}", entry.charge);
    }
    let attempts: HashSet<_> = charges.values().collect();
    assert_eq!(attempts.len(), charges.len(), "an attempt has two charges");
}

/// Every event in the queue, order or reply, is for one trigger and succeeds at once: its number has one charge.
fn every_event_is_charged_once(journal: &[EntryLine]) -> u64 {
    let charges: HashSet<_> = journal.iter().map(|entry| entry.charge.as_str()).collect();
    let deliveries: BTreeSet<_> =
        journal.iter().map(|entry| (entry.offset, entry.trigger.as_str())).collect();
    assert_eq!(charges.len(), deliveries.len(), "there is a charge for each delivery");
    // Numbers are given without a gap: what is missing was stored and never done.
    for (number, (offset, trigger)) in (0..).zip(&deliveries) {
        assert_eq!(*offset, number, "{trigger}");
    }
    assert!(
        journal.iter().all(|entry| entry.attempt == 1),
        "nothing fails, so there are only first attempts"
    );
    charges.len() as u64
}

/// An order is stored twice where its publisher had no 202 and sent it again; its reply is stored as often, and no more,
/// however often a kill came after the function had answered.
fn every_order_has_one_reply(journal: &[EntryLine]) {
    let mut stored: HashMap<String, (BTreeSet<u64>, BTreeSet<u64>)> = HashMap::new();
    for entry in journal {
        if entry.trigger == PAYMENTS {
            stored.entry(format!("{}/payment", entry.event_id)).or_default().0.insert(entry.offset);
        } else {
            stored.entry(entry.event_id.clone()).or_default().1.insert(entry.offset);
        }
    }
    for (reply, (orders, replies)) in stored {
        assert_eq!(orders.len(), replies.len(), "{reply}: {orders:?} were answered by {replies:?}");
    }
}

/// The entries, their sum by trigger and what the journal's chain states are one. (That the chain holds is checked by
/// whoever reads it.)
fn totals_agree(home: &Home, journal: &[EntryLine]) -> u64 {
    let cost = home.cost();
    let (entries, wall_ns) = (journal.len() as u64, journal.iter().map(|entry| entry.wall_ns).sum());
    assert_eq!((cost.entries, cost.wall_ns), (entries, wall_ns));
    assert_eq!((cost.table.total.attempts, cost.table.total.wall_ns), (entries, wall_ns));
    assert_eq!(cost.table.rows.values().map(|row| row.wall_ns).sum::<u64>(), wall_ns);
    entries
}
