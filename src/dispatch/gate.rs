//! A route's gate: how many of its deliveries may run at once, and how many may begin in a time. What waits before it is
//! in the route's queue, or parked and due.

use std::time::Duration;

use super::policy::Flow;
use super::rate::Bucket;
use super::stub::Due;
use super::sweep::Sweep;
use crate::time::Moment;

/// What can begin within this time is fetched from where it is parked, so that no token is left lying.
const SOON: Duration = Duration::from_millis(100);
/// Many tokens a second are waited for together, as long as the bucket has room for them.
const BREATH: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Gate {
    flow: Flow,
    bucket: Option<Bucket>,
    /// Its budget is used up until then.
    shut: Option<Moment>,
    /// What is parked, due, and has to wait for its turn at the gate, by where it stands on disk.
    pub(super) backlog: Sweep<(u32, u64), Due>,
    /// The earliest time for which a timer is set.
    timer: Option<Moment>,
    /// Something has happened at it in this step.
    pub(super) stirred: bool,
}

impl Gate {
    /// `None`: the route has no limits.
    pub(super) fn new(flow: Flow, now: Moment) -> Option<Box<Gate>> {
        (flow != Flow::default()).then(|| {
            let bucket = flow.rate.map(|rate| Bucket::full(rate, now));
            Box::new(Gate {
                flow,
                bucket,
                shut: None,
                backlog: Sweep::default(),
                timer: None,
                stirred: false,
            })
        })
    }

    /// Other limits from now on.
    pub(super) fn change(&mut self, flow: Flow, now: Moment) {
        self.bucket = match (self.bucket.take(), flow.rate) {
            (Some(mut bucket), Some(rate)) => {
                bucket.change(rate, now);
                Some(bucket)
            }
            (_, rate) => rate.map(|rate| Bucket::full(rate, now)),
        };
        self.shut = self.shut.filter(|_| flow.budget);
        self.flow = flow;
    }

    /// Nothing passes before then; `None`: as its limits say. False: it has no budget.
    pub(super) fn shut(&mut self, until: Option<Moment>) -> bool {
        self.shut = until.filter(|_| self.flow.budget);
        self.flow.budget
    }

    /// Until when its budget is used up.
    pub(super) fn is_shut(&self, now: Moment) -> Option<Moment> {
        self.shut.filter(|&until| now < until)
    }

    /// How many more may be handed over now.
    pub(super) fn allows(&self, running: usize, now: Moment) -> usize {
        if self.is_shut(now).is_some() {
            return 0;
        }
        self.slots(running).min(self.bucket.map_or(usize::MAX, |bucket| bucket.tokens(now)))
    }

    /// When it lets one more through; `None`: when one comes back.
    pub(super) fn opens(&self, running: usize, now: Moment) -> Option<Moment> {
        if let Some(until) = self.is_shut(now) {
            return Some(until);
        }
        let bucket = self.bucket.filter(|_| self.slots(running) > 0)?;
        let together = now.after(BREATH).min(bucket.full_at(now));
        Some(bucket.next(now).max(together))
    }

    /// How many are let through within that time, if those that run come back.
    pub(super) fn allows_within(&self, now: Moment, time: Duration) -> usize {
        // Nothing is fetched beforehand for a new day: all of it is due at once, and might have no room to wait in until then.
        if self.is_shut(now).is_some() {
            return 0;
        }
        self.bucket.map_or(usize::MAX, |bucket| bucket.tokens_within(now, time))
    }

    /// So many should be in memory, ready to run.
    pub(super) fn wants(&self, now: Moment) -> usize {
        self.allows_within(now, SOON).min(self.flow.concurrency.unwrap_or(usize::MAX))
    }

    /// When it wants one, if it wants none now.
    pub(super) fn wants_at(&self, now: Moment) -> Moment {
        if let Some(until) = self.is_shut(now) {
            return until;
        }
        let next = self.bucket.map_or(now, |bucket| bucket.next(now));
        Moment(next.0.saturating_sub(SOON.as_nanos() as u64)).max(now.after(Duration::from_nanos(1)))
    }

    pub(super) fn handed_over(&mut self, now: Moment) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
    }

    /// A run is handed over whole, and where one of it fails the others have not begun: with a rate it is one delivery, so
    /// that no token is taken in vain.
    pub(super) fn longest_run(&self) -> usize {
        if self.bucket.is_some() { 1 } else { usize::MAX }
    }

    pub(super) fn holds_slots(&self) -> bool {
        self.flow.concurrency.is_some()
    }

    /// True: a timer is to be set.
    pub(super) fn awaits(&mut self, due: Moment) -> bool {
        let sooner = self.timer.is_none_or(|timer| due < timer);
        if sooner {
            self.timer = Some(due);
        }
        sooner
    }

    pub(super) fn wake(&mut self, now: Moment) {
        self.timer = self.timer.filter(|&timer| timer > now);
    }

    fn slots(&self, running: usize) -> usize {
        self.flow.concurrency.map_or(usize::MAX, |most| most.saturating_sub(running))
    }
}
