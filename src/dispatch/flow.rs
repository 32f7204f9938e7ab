//! Flow control: routes with limits. What is beyond a limit waits: in memory as long as a retry may, then parked, and the
//! rest stays with its source. A route that waits has no turn, and what waits for it takes no room from the others.

use super::core::{Core, TURN};
use super::delivery::Key;
use super::message::Effect;
use super::policy::Flow;
use super::timers::Timer;
use crate::time::Moment;

/// What a limited route is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Its index in the table.
    pub trigger: u32,
    pub flow: Flow,
    pub running: usize,
    /// Ready in memory, and not handed over.
    pub waiting: usize,
    /// Parked: for the limit or a retry.
    pub parked: usize,
}

impl Traffic {
    /// Something waits for its limit, or is parked.
    pub fn is_waited_for(&self) -> bool {
        self.waiting > 0 || self.parked > 0
    }
}

impl Core {
    /// Of the routes that have limits.
    pub fn traffic(&self) -> impl Iterator<Item = Traffic> {
        let limited = (0..).zip(&self.table.policies).filter(|(_, policy)| policy.flow != Flow::default());
        limited.map(|(trigger, policy)| {
            let number = self.roster.number(trigger);
            let route = &self.turns[number];
            let (running, parked) = (route.running, route.parked);
            Traffic { trigger, flow: policy.flow, running, waiting: self.load.waiting(number), parked }
        })
    }

    /// As much waits for its route's limit as may in memory, or is parked and comes before it.
    pub(super) fn is_crowded(&self, key: Key) -> bool {
        let delivery = &self.deliveries[key];
        let route = &self.turns[delivery.trigger];
        let Some(gate) = &route.gate else { return false };
        // What was fetched has had its wait.
        if delivery.record.is_some() {
            return false;
        }
        if gate.is_shut(self.turns.now).is_some() {
            return true;
        }
        let waiting = self.load.waiting(delivery.trigger);
        // What stands behind another of its key is not helped by an open gate. (Executors are soon done with that one; a
        // server may be slow for ever.)
        let is_behind = delivery.lane.is_some_and(|lane| self.lanes[lane].members.len() > 1);
        let allowed = match self.policy(delivery.trigger).remote && is_behind {
            true => 0,
            false => gate.allows(route.running, self.turns.now).min(self.room_of(delivery.trigger)),
        };
        !gate.backlog.is_empty()
            || waiting > allowed && (self.is_burdened() || waiting > self.bound(delivery.trigger, allowed))
    }

    /// What the worker has left for a route, whatever that one may.
    fn room_of(&self, trigger: u32) -> usize {
        if self.policy(trigger).remote { self.remote_room() } else { usize::MAX }
    }

    /// So much of a limited route waits in memory at most: what a failed delivery may have behind it, and no longer than
    /// such a one is held; of what may be held, the routes with limits share a half.
    fn bound(&self, trigger: u32, allowed: usize) -> usize {
        let hold = self.policy(trigger).hold;
        let share = self.limits.held / 2 / self.turns.limited().max(1);
        let gate = self.turns[trigger].gate.as_ref();
        let in_time = gate.map_or(usize::MAX, |gate| gate.allows_within(self.turns.now, hold.time));
        share.min(hold.deliveries).saturating_add(allowed).min(in_time).max(1)
    }

    /// Where something has happened in this step, what that means for those who wait.
    pub(super) fn look_at_gates<R>(&mut self, now: Moment, effects: &mut Vec<Effect<R>>) {
        for trigger in self.turns.stirred() {
            let route = &self.turns[trigger];
            let Some(gate) = &route.gate else { continue };
            let is_shut = gate.allows(route.running, now).min(self.room_of(trigger)) == 0;
            let (waits, opens) = (route.ready() > 0, gate.opens(route.running, now));
            let is_spent = gate.is_shut(now).is_some();
            self.load.limit(trigger, is_shut);
            if is_spent && waits {
                self.turn_away_waiting(trigger, effects);
                if self.policy(trigger).parks() {
                    self.park_paused(trigger, effects);
                }
            }
            let mut is_done = true;
            if self.draining {
                if is_shut && waits {
                    self.park_paused(trigger, effects);
                }
            } else {
                is_done = self.fetch_for(trigger, now, effects);
            }
            if let Some(opens) = opens.filter(|_| is_shut && waits) {
                self.wake_gate(trigger, opens);
            }
            if let Some(gate) = &mut self.turns[trigger].gate {
                gate.stirred = false;
            }
            if !is_done {
                self.turns.stir(trigger);
            }
        }
    }

    /// Fetches what is due of a limited route, as much as can run soon. False: there was no room for it.
    fn fetch_for<R>(&mut self, trigger: u32, now: Moment, effects: &mut Vec<Effect<R>>) -> bool {
        loop {
            let route = &self.turns[trigger];
            let Some(gate) = &route.gate else { return true };
            if gate.backlog.is_empty() || route.breaker.allows() == Some(0) {
                return true;
            }
            let (coming, wants) = (route.fetching, gate.wants(now).min(self.bound(trigger, 0)));
            let there = route.ready() + coming;
            if gate.wants(now) == 0 {
                let at = gate.wants_at(now);
                self.wake_gate(trigger, at);
                return true;
            }
            let mine = route.fetched + coming;
            if there >= wants || there > 0 && mine >= wants {
                return true;
            }
            // One always: all that fills the room may stand behind it.
            if mine > 0 && !self.has_room_for(trigger) {
                return false;
            }
            let most = TURN.min(wants - there);
            let due = self.turns[trigger].gate.as_mut().and_then(|gate| gate.backlog.next());
            if let Some((_, due)) = due {
                self.fetch_due(due, most, now, effects);
            }
        }
    }

    fn wake_gate(&mut self, trigger: u32, due: Moment) {
        if let Some(gate) = &mut self.turns[trigger].gate
            && gate.awaits(due)
        {
            self.timers.set(due, Timer::Route(trigger));
        }
    }

    /// A route may have other limits from now on, while it goes on.
    pub(super) fn limits_changed(&mut self, trigger: u32) {
        let flow = self.policy(trigger).flow;
        if let Some(gate) = self.turns.limit(trigger, flow) {
            self.load.limit(trigger, false);
            self.stubs.due_without_a_gate(gate.backlog);
        }
    }
}
