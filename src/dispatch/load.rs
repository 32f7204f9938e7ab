//! How much is in flight: what is active takes up room for new work; what is held (waits for a retry, or stands behind
//! one, or belongs to a route that is paused, or waits for its route's limit) does not, and has a limit of its own.

#[derive(Debug)]
pub(super) struct Load {
    routes: Vec<Share>,
    all: usize,
    active: usize,
    busy: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    active: usize,
    held: usize,
    /// Of the active ones: handed over, or on their way to the disk.
    busy: usize,
    paused: bool,
    limited: bool,
}

impl Share {
    fn takes_room(&self) -> usize {
        match (self.paused, self.limited) {
            (true, _) => 0,
            (false, true) => self.busy,
            (false, false) => self.active,
        }
    }
}

impl Load {
    pub(super) fn new(routes: usize) -> Load {
        Load { routes: vec![Share::default(); routes], all: 0, active: 0, busy: 0 }
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

    /// Handed over, or on their way to the disk.
    pub(super) fn all_busy(&self) -> usize {
        self.busy
    }

    pub(super) fn held(&self) -> usize {
        self.all - self.active
    }

    /// Deliveries of a route that are ready and not handed over.
    pub(super) fn waiting(&self, trigger: u32) -> usize {
        let share = self.routes[trigger as usize];
        share.active - share.busy
    }

    pub(super) fn add(&mut self, trigger: u32) {
        self.all += 1;
        self.change(trigger, |share| share.active += 1);
    }

    pub(super) fn remove(&mut self, trigger: u32, held: bool, busy: bool) {
        self.all -= 1;
        self.change(trigger, |share| {
            *if held { &mut share.held } else { &mut share.active } -= 1;
            share.busy -= usize::from(busy);
        });
    }

    /// So many that were active are held from now on.
    pub(super) fn hold(&mut self, trigger: u32, count: usize) {
        self.change(trigger, |share| {
            share.active -= count;
            share.held += count;
        });
    }

    pub(super) fn release(&mut self, trigger: u32, count: usize) {
        self.change(trigger, |share| {
            share.held -= count;
            share.active += count;
        });
    }

    pub(super) fn busy(&mut self, trigger: u32) {
        self.change(trigger, |share| share.busy += 1);
    }

    pub(super) fn not_busy(&mut self, trigger: u32) {
        self.change(trigger, |share| share.busy -= 1);
    }

    /// While a route is paused, all of its deliveries are held.
    pub(super) fn pause(&mut self, trigger: u32, paused: bool) {
        self.change(trigger, |share| share.paused = paused);
    }

    /// While a route has reached its limit, what waits for that is held.
    pub(super) fn limit(&mut self, trigger: u32, limited: bool) {
        self.change(trigger, |share| share.limited = limited);
    }

    fn change(&mut self, trigger: u32, how: impl FnOnce(&mut Share)) {
        let share = &mut self.routes[trigger as usize];
        let (before, busy) = (share.takes_room(), share.busy);
        how(share);
        self.active = self.active + share.takes_room() - before;
        self.busy = self.busy + share.busy - busy;
    }

    /// For assertions: the sums are what the shares sum up to.
    pub(super) fn is_consistent(&self, deliveries: usize) -> bool {
        let active: usize = self.routes.iter().map(Share::takes_room).sum();
        let sound = self.routes.iter().all(|share| share.busy <= share.active);
        let busy: usize = self.routes.iter().map(|share| share.busy).sum();
        sound && active == self.active && busy == self.busy && self.all == deliveries
    }
}
