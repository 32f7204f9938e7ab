//! How much is in flight: what is active takes up room for new work; what is held (waits for a retry, or stands behind
//! one, or belongs to a route that is paused) does not, and has a limit of its own.

#[derive(Debug, Default)]
pub(super) struct Load {
    routes: Vec<Share>,
    active: usize,
    held: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    active: usize,
    held: usize,
    paused: bool,
}

impl Load {
    pub(super) fn new(routes: usize) -> Load {
        Load { routes: vec![Share::default(); routes], ..Load::default() }
    }

    /// There are so many routes, at least.
    pub(super) fn grow(&mut self, routes: usize) {
        self.routes.resize(routes.max(self.routes.len()), Share::default());
    }

    /// Is anything of this route in memory?
    pub(super) fn has(&self, trigger: u32) -> bool {
        let share = &self.routes[trigger as usize];
        share.active + share.held > 0
    }

    pub(super) fn active(&self) -> usize {
        self.active
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn add(&mut self, trigger: u32, held: bool) {
        let share = &mut self.routes[trigger as usize];
        *if held { &mut share.held } else { &mut share.active } += 1;
        *if held || share.paused { &mut self.held } else { &mut self.active } += 1;
    }

    pub(super) fn remove(&mut self, trigger: u32, held: bool) {
        let share = &mut self.routes[trigger as usize];
        *if held { &mut share.held } else { &mut share.active } -= 1;
        *if held || share.paused { &mut self.held } else { &mut self.active } -= 1;
    }

    /// So many that were active are held from now on.
    pub(super) fn hold(&mut self, trigger: u32, count: usize) {
        let share = &mut self.routes[trigger as usize];
        share.active -= count;
        share.held += count;
        if !share.paused {
            self.active -= count;
            self.held += count;
        }
    }

    pub(super) fn release(&mut self, trigger: u32, count: usize) {
        let share = &mut self.routes[trigger as usize];
        share.held -= count;
        share.active += count;
        if !share.paused {
            self.held -= count;
            self.active += count;
        }
    }

    /// While a route is paused, all of its deliveries are held.
    pub(super) fn pause(&mut self, trigger: u32, paused: bool) {
        let share = &mut self.routes[trigger as usize];
        if share.paused != paused {
            share.paused = paused;
            if paused {
                self.active -= share.active;
                self.held += share.active;
            } else {
                self.held -= share.active;
                self.active += share.active;
            }
        }
    }

    /// For assertions: the sums are what the shares sum up to.
    pub(super) fn is_consistent(&self, deliveries: usize) -> bool {
        let held: usize = self.routes.iter().map(|s| s.held + if s.paused { s.active } else { 0 }).sum();
        held == self.held && self.active + self.held == deliveries
    }
}
