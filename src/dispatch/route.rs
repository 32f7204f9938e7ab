//! What is ready to run, by route, in turns: a route with much to do does not keep the others waiting.

use std::collections::VecDeque;

use super::breaker::Breaker;
use super::delivery::Key;
use super::lane::LaneKey;

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
    /// It stands among those whose turn comes.
    has_turn: bool,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    routes: Vec<Route>,
    turns: VecDeque<u32>,
}

impl Turns {
    pub(super) fn new(routes: usize) -> Turns {
        let mut turns = Turns::default();
        turns.grow(routes);
        turns
    }

    /// There are so many routes, at least.
    pub(super) fn grow(&mut self, routes: usize) {
        self.routes.resize_with(routes.max(self.routes.len()), Route::default);
    }

    pub(super) fn push(&mut self, trigger: u32, ready: Ready) {
        self.routes[trigger as usize].ready.push_back(ready);
        self.give_turn(trigger);
    }

    /// Also after its pause: a paused route has no turn.
    pub(super) fn give_turn(&mut self, trigger: u32) {
        let route = &mut self.routes[trigger as usize];
        if !route.has_turn && !route.ready.is_empty() && route.breaker.allows() != Some(0) {
            route.has_turn = true;
            self.turns.push_back(trigger);
        }
    }

    /// The route whose turn it is; it has none until it is given one again.
    pub(super) fn next(&mut self) -> Option<u32> {
        let trigger = self.turns.pop_front()?;
        self.routes[trigger as usize].has_turn = false;
        Some(trigger)
    }

    pub(super) fn take(&mut self, trigger: u32) -> Option<Ready> {
        self.routes[trigger as usize].ready.pop_front()
    }

    pub(super) fn breaker(&mut self, trigger: u32) -> &mut Breaker {
        &mut self.routes[trigger as usize].breaker
    }

    /// Nothing of the route is left, and its number may be another's.
    pub(super) fn forget(&mut self, trigger: u32) {
        self.routes[trigger as usize] = Route::default();
        self.turns.retain(|&other| other != trigger);
    }

    /// Forgets what no longer is.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(Ready) -> bool) {
        self.routes.iter_mut().for_each(|route| route.ready.retain(|&ready| wanted(ready)));
    }
}
