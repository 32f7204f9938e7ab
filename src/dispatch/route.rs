//! What is ready to run, by route, in turns: a route with much to do does not keep the others waiting.

use std::collections::VecDeque;

use foldhash::HashMap;

use super::breaker::Breaker;
use super::delivery::Key;
use super::gate::Gate;
use super::lane::LaneKey;
use super::policy::Flow;
use crate::time::Moment;

/// A delivery without a lane, or a lane whose first is ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ready {
    Delivery(Key),
    Lane(LaneKey),
}

#[derive(Debug, Default)]
pub(super) struct Route {
    ready: VecDeque<Ready>,
    pub(super) breaker: Breaker,
    /// `None`: it has no limits.
    pub(super) gate: Option<Box<Gate>>,
    /// Handed over and not come back.
    pub(super) running: usize,
    /// Parked, wherever they wait.
    pub(super) parked: usize,
    /// Of those, on their way into memory.
    pub(super) fetching: usize,
    /// Come back into memory.
    pub(super) fetched: usize,
    /// It stands among those whose turn comes.
    has_turn: bool,
    /// Its turn is one of those of remote subscribers.
    remote: bool,
}

impl Route {
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many more may be handed over now.
    fn allows(&self, now: Moment) -> usize {
        let gate = self.gate.as_ref().map_or(usize::MAX, |gate| gate.allows(self.running, now));
        self.breaker.allows().map_or(gate, |probes| probes.min(gate))
    }
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    routes: Vec<Route>,
    turns: VecDeque<u32>,
    remote_turns: VecDeque<u32>,
    /// Of routes with remote subscribers: parked ones on their way into memory.
    fetching_remote: usize,
    /// The time of this step.
    pub(super) now: Moment,
    /// Routes with a gate.
    limited: usize,
    /// Of those, at whose gate something has happened in this step.
    stirred: Vec<u32>,
    /// Of those with a limit of what runs: what runs for partitions that were lost, and holds its slot until it comes back.
    lost: HashMap<Key, u32>,
}

impl Turns {
    /// There are so many routes, at least.
    pub(super) fn grow(&mut self, routes: usize) {
        self.routes.resize_with(routes.max(self.routes.len()), Route::default);
    }

    /// Other limits from now on; what runs and what waits stays. What was in the backlog of a gate that is gone is for the
    /// caller to place.
    pub(super) fn limit(&mut self, trigger: u32, flow: Flow) -> Option<Box<Gate>> {
        let route = &mut self.routes[trigger as usize];
        let was_limited = usize::from(route.gate.is_some());
        let mut before = route.gate.take();
        route.gate = match before.take_if(|_| flow != Flow::default()) {
            Some(mut gate) => {
                gate.change(flow, self.now);
                Some(gate)
            }
            None => Gate::new(flow, self.now),
        };
        let is_limited = route.gate.is_some();
        self.limited = self.limited + usize::from(is_limited) - was_limited;
        self.stir(trigger);
        self.give_turn(trigger);
        before
    }

    /// Its budget is used up until then, or is not any more. False: it has none.
    pub(super) fn shut(&mut self, trigger: u32, until: Option<Moment>) -> bool {
        let has_budget = self.routes[trigger as usize].gate.as_mut().is_some_and(|gate| gate.shut(until));
        self.stir(trigger);
        self.give_turn(trigger);
        has_budget
    }

    /// Until when its budget is used up.
    pub(super) fn is_shut(&self, trigger: u32) -> Option<Moment> {
        self.routes[trigger as usize].gate.as_ref()?.is_shut(self.now)
    }

    pub(super) fn push(&mut self, trigger: u32, ready: Ready) {
        self.routes[trigger as usize].ready.push_back(ready);
        self.stir(trigger);
        self.give_turn(trigger);
    }

    /// Also after its pause, or when its gate opens: till then it has no turn.
    pub(super) fn give_turn(&mut self, trigger: u32) {
        let route = &mut self.routes[trigger as usize];
        if !route.has_turn && !route.ready.is_empty() && route.allows(self.now) > 0 {
            route.has_turn = true;
            if route.remote { &mut self.remote_turns } else { &mut self.turns }.push_back(trigger);
        }
    }

    /// The route whose turn it is; it has none until it is given one again.
    pub(super) fn next(&mut self) -> Option<u32> {
        self.turns.pop_front().map(|trigger| self.has_come(trigger))
    }

    /// The same of those with remote subscribers.
    pub(super) fn next_remote(&mut self) -> Option<u32> {
        self.remote_turns.pop_front().map(|trigger| self.has_come(trigger))
    }

    fn has_come(&mut self, trigger: u32) -> u32 {
        self.routes[trigger as usize].has_turn = false;
        self.stir(trigger);
        trigger
    }

    pub(super) fn set_remote(&mut self, trigger: u32, remote: bool) {
        let route = &mut self.routes[trigger as usize];
        if route.remote == remote {
            return;
        }
        (route.remote, route.has_turn) = (remote, false);
        let fetching = route.fetching;
        if remote {
            self.fetching_remote += fetching
        } else {
            self.fetching_remote -= fetching
        }
        self.turns.retain(|&other| other != trigger);
        self.remote_turns.retain(|&other| other != trigger);
        self.give_turn(trigger);
    }

    pub(super) fn begin_fetch(&mut self, trigger: u32) {
        let route = &mut self.routes[trigger as usize];
        route.fetching += 1;
        self.fetching_remote += usize::from(route.remote);
    }

    pub(super) fn end_fetch(&mut self, trigger: u32) {
        let route = &mut self.routes[trigger as usize];
        route.fetching -= 1;
        self.fetching_remote -= usize::from(route.remote);
    }

    pub(super) fn fetching_remote(&self) -> usize {
        self.fetching_remote
    }

    /// What is to be handed over next, and how much of it may be.
    pub(super) fn take(&mut self, trigger: u32, room: usize) -> Option<(Ready, usize)> {
        let route = &mut self.routes[trigger as usize];
        let room = room.min(route.allows(self.now));
        // Whoever waits for an answer has all the time to hand over the next.
        let longest = if route.remote { 1 } else { usize::MAX };
        let run = route.gate.as_ref().map_or(room, |gate| room.min(gate.longest_run())).min(longest);
        if room == 0 { None } else { route.ready.pop_front().map(|ready| (ready, run)) }
    }

    pub(super) fn handed_over(&mut self, trigger: u32, delivery: Key) {
        let route = &mut self.routes[trigger as usize];
        route.running += 1;
        route.breaker.handed_over(delivery);
        if let Some(gate) = &mut route.gate {
            gate.handed_over(self.now);
            self.stir(trigger);
        }
    }

    pub(super) fn came_back(&mut self, trigger: u32) {
        let route = &mut self.routes[trigger as usize];
        route.running -= 1;
        if route.gate.is_some() {
            self.stir(trigger);
            self.give_turn(trigger);
        }
    }

    /// It runs on, for nobody.
    pub(super) fn lost(&mut self, trigger: u32, delivery: Key) {
        let route = &mut self.routes[trigger as usize];
        route.breaker.lost(delivery);
        if route.gate.as_ref().is_some_and(|gate| gate.holds_slots()) {
            self.lost.insert(delivery, trigger);
        } else {
            route.running -= 1;
        }
        self.give_turn(trigger);
    }

    /// One that is not known any more has come back.
    pub(super) fn found(&mut self, delivery: Key) {
        if let Some(trigger) = self.lost.remove(&delivery) {
            self.came_back(trigger);
        }
    }

    pub(super) fn breaker(&mut self, trigger: u32) -> &mut Breaker {
        &mut self.routes[trigger as usize].breaker
    }

    /// Nothing of the route is left, and its number may be another's.
    pub(super) fn forget(&mut self, trigger: u32) {
        self.routes[trigger as usize] = Route::default();
        self.turns.retain(|&other| other != trigger);
        self.remote_turns.retain(|&other| other != trigger);
        self.lost.retain(|_, other| *other != trigger);
    }

    /// How many routes have limits.
    pub(super) fn limited(&self) -> usize {
        self.limited
    }

    /// Its gate is to be looked at in this step.
    pub(super) fn stir(&mut self, trigger: u32) {
        if let Some(gate) = &mut self.routes[trigger as usize].gate
            && !std::mem::replace(&mut gate.stirred, true)
        {
            self.stirred.push(trigger);
        }
    }

    pub(super) fn stirred(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.stirred)
    }

    /// What is fetched for limited routes has its own bounds.
    pub(super) fn fetched_apart(&self) -> usize {
        if self.limited == 0 {
            return 0;
        }
        let limited = self.routes.iter().filter(|route| route.gate.is_some());
        limited.map(|route| route.fetching + route.fetched).sum()
    }

    pub(super) fn retain_backlogs(&mut self, wanted: impl Fn(u32) -> bool) {
        for gate in self.routes.iter_mut().filter_map(|route| route.gate.as_mut()) {
            gate.backlog.retain(|&(partition, _)| wanted(partition));
        }
    }

    /// Forgets what no longer is.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(Ready) -> bool) {
        self.routes.iter_mut().for_each(|route| route.ready.retain(|&ready| wanted(ready)));
    }
}

impl std::ops::Index<u32> for Turns {
    type Output = Route;

    fn index(&self, trigger: u32) -> &Route {
        &self.routes[trigger as usize]
    }
}

impl std::ops::IndexMut<u32> for Turns {
    fn index_mut(&mut self, trigger: u32) -> &mut Route {
        &mut self.routes[trigger as usize]
    }
}
