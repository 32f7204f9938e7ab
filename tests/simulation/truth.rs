//! What really happened, which no worker knows as a whole, and what must be true of it: each check has a name.

use std::collections::BTreeMap;

use weir::dispatch::{Order, Policy, Progress};
use weir::event::{Position, Uid};

use super::broker::{Duty, Partition, source};
use super::plan::trigger_uid;

/// A check does not hold. The name comes first: a smaller world has failed alike if it fails by the same name.
pub(crate) fn broken(check: &str, what: &str) -> ! {
    panic!("{check}: {what}");
}

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) key: Option<u64>,
    pub(crate) routed: Vec<u32>,
    /// It has vanished from the log: nobody owes anything for it any more.
    pub(crate) compacted: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// It succeeded, or its dead letter is durable: what follows it in its lane may run.
    ended: bool,
    /// Its end is durable with all that belongs to it; after so many attempts.
    settled: Option<u32>,
    dead_letter: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) events: Vec<Known>,
    at: BTreeMap<(u32, u64), usize>,
    fates: BTreeMap<Duty, Fate>,
    /// The events of each lane, in order: (trigger, partition, key).
    lanes: BTreeMap<(u32, u32, Option<u64>), Vec<usize>>,
    /// Replays that someone asked for.
    replays: Vec<Duty>,
    /// By partition: below this every commit was looked at.
    checked: BTreeMap<u32, u64>,
}

impl Truth {
    pub(crate) fn publish(&mut self, known: Known, policies: &[Policy]) {
        let number = self.events.len();
        for &trigger in &known.routed {
            let lane = match policies[trigger as usize].order {
                Order::Unordered => continue,
                Order::Ordered => (trigger, known.partition, None),
                Order::Key if known.key.is_none() => continue,
                Order::Key => (trigger, known.partition, known.key),
            };
            self.lanes.entry(lane).or_default().push(number);
        }
        self.at.insert((known.partition, known.offset), number);
        self.events.push(known);
    }

    pub(crate) fn delivery_id(&self, (event, trigger, replay): Duty) -> Uid {
        let Known { partition, offset, .. } = self.events[event];
        Uid::of_delivery(Position { source: source(), partition, offset }, trigger_uid(trigger), replay)
    }

    /// The event that stands, or stood, there.
    pub(crate) fn at(&self, partition: u32, offset: u64) -> usize {
        self.at[&(partition, offset)]
    }

    pub(crate) fn has_ended(&self, duty: Duty) -> bool {
        self.fates.get(&duty).is_some_and(|fate| fate.ended)
    }

    pub(crate) fn ended(&mut self, duty: Duty) {
        self.fates.entry(duty).or_default().ended = true;
    }

    pub(crate) fn dead_letter(&mut self, duty: Duty) {
        let fate = self.fates.entry(duty).or_default();
        fate.ended = true;
        fate.dead_letter = true;
    }

    pub(crate) fn settled(&mut self, duty: Duty, attempt: u32) {
        let fate = self.fates.entry(duty).or_default();
        fate.settled = Some(fate.settled.map_or(attempt, |before| before.min(attempt)));
    }

    /// Dead letters that were not replayed.
    pub(crate) fn dead_letters(&self) -> Vec<Duty> {
        let dead = self.fates.iter().filter(|(_, fate)| fate.dead_letter && fate.settled.is_some());
        dead.map(|(&duty, _)| duty).filter(|&(e, t, r)| !self.replays.contains(&(e, t, r + 1))).collect()
    }

    pub(crate) fn replayed(&mut self, duty: Duty) {
        self.replays.push(duty);
    }

    /// `run`: what ran before it in its run, which has succeeded though the worker doesn't know yet.
    pub(crate) fn begins(&self, (event, trigger, replay): Duty, policy: &Policy, run: &[usize]) {
        let known = &self.events[event];
        let lane = match policy.order {
            _ if replay > 0 => return,
            Order::Unordered => return,
            Order::Ordered => (trigger, known.partition, None),
            Order::Key if known.key.is_none() => return,
            Order::Key => (trigger, known.partition, known.key),
        };
        for &before in self.lanes[&lane].iter().take_while(|&&before| before != event) {
            let ended = self.fates.get(&(before, trigger, 0)).is_some_and(|fate| fate.ended);
            if !ended && !self.events[before].compacted && !run.contains(&before) {
                let what = format!(
                    "event {event} (offset {}) begins at trigger {trigger}, but event {before} (offset {}) before it in its \
                     lane has not ended",
                    known.offset, self.events[before].offset
                );
                broken("order", &what);
            }
        }
    }

    /// Whatever is said to be complete has ended durably, or stands parked.
    pub(crate) fn committed(&mut self, number: u32, partition: &Partition, progress: &Progress) {
        let checked = self.checked.entry(number).or_default();
        let from = *checked;
        *checked = from.max(progress.watermark);
        if progress.watermark > partition.end {
            broken("commit", &format!("{} of partition {number}, which ends before", progress.watermark));
        }
        for (&offset, &(event, _)) in partition.records.range(from..) {
            if !progress.is_complete(offset) {
                continue;
            }
            for &trigger in &self.events[event].routed {
                let duty = (event, trigger, 0);
                let settled = self.fates.get(&duty).is_some_and(|fate| fate.settled.is_some());
                if !settled && !partition.live().any(|(_, record)| record.duty == duty) {
                    let what = format!(
                        "{progress:?} of partition {number} covers offset {offset}, but its delivery to trigger {trigger} has \
                         neither ended durably nor is it parked"
                    );
                    broken("commit covers what is not done", &what);
                }
            }
        }
    }

    /// All that anybody is owed, with the attempts that it took: at the end.
    pub(crate) fn all_settled(&self) -> BTreeMap<Duty, u32> {
        let events = self.events.iter().enumerate().filter(|(_, known)| !known.compacted);
        let owed = events.flat_map(|(event, known)| known.routed.iter().map(move |&t| (event, t, 0)));
        let mut settled = BTreeMap::new();
        for duty in owed.chain(self.replays.iter().copied()) {
            match self.fates.get(&duty).and_then(|fate| fate.settled) {
                Some(attempts) => drop(settled.insert(duty, attempts)),
                None => {
                    let known = &self.events[duty.0];
                    let what = format!(
                        "(event, trigger, replay) {duty:?} of partition {} offset {} has no durable end",
                        known.partition, known.offset
                    );
                    broken("lost", &what);
                }
            }
        }
        settled
    }
}
