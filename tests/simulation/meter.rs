//! What a trigger with limits has running, and when each of it began: held against the limits each time one begins.

use std::collections::BTreeMap;

use weir::dispatch::{Flow, Key};
use weir::time::Moment;

use super::truth::broken;

/// Of one worker in one of its lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    running: BTreeMap<Key, u32>,
    begun: BTreeMap<u32, Vec<Moment>>,
    /// Until when the budgets of triggers are used up.
    shut: BTreeMap<u32, Moment>,
    /// How often one began after it had waited, or ran as the last that may.
    pub(crate) reached: u64,
}

impl Meter {
    pub(crate) fn begins(&mut self, (trigger, flow): (u32, Flow), delivery: Key, now: Moment) {
        self.running.insert(delivery, trigger);
        if let Some(until) = self.shut.get(&trigger).filter(|&&until| now < until) {
            broken("begins beyond its budget", &format!("trigger {trigger}, before {until:?}"));
        }
        if let Some(most) = flow.concurrency {
            let running = self.running.values().filter(|&&other| other == trigger).count();
            self.reached += u64::from(running == most);
            if running > most {
                broken("too many at once", &format!("{running} of trigger {trigger}, at most {most}"));
            }
        }
        let Some(rate) = flow.rate else { return };
        let begun = self.begun.entry(trigger).or_default();
        begun.push(now);
        for (count, from) in begun.iter().rev().enumerate() {
            let given = u128::from(rate.count) * from.until(now).as_nanos() / rate.per.as_nanos();
            let (count, most) = (count as u128 + 1, u128::from(rate.burst) + given);
            self.reached += u64::from(count == most);
            if count > most {
                let what = format!("{count} of trigger {trigger} since {from:?}, at most {most}");
                broken("too many in a time", &what);
            }
        }
    }

    /// The core is told so.
    pub(crate) fn spent(&mut self, trigger: u32, until: Option<Moment>) {
        match until {
            Some(until) => self.shut.insert(trigger, until),
            None => self.shut.remove(&trigger),
        };
    }

    /// Of a trigger that is gone nothing is known when it is back.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.begun.retain(|&trigger, _| !is_gone(trigger));
        self.shut.retain(|&trigger, _| !is_gone(trigger));
    }

    /// Also where it was not attempted, or nobody wants to know any more.
    pub(crate) fn came_back(&mut self, delivery: Key) {
        self.running.remove(&delivery);
    }
}
