//! How much is in flight: what is active takes up room for new work; what is held (waits for a retry, or stands behind
//! one, or belongs to a route that is paused, or waits for its route's limit) does not, and has a limit of its own. Nor does
//! what runs at a remote subscriber: it only waits for an answer, and has its own limit, too.

#[derive(Debug)]
pub(super) struct Load {
    routes: Vec<Share>,
    all: usize,
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    active: usize,
    held: usize,
    /// Of the active ones: handed over, or on their way to the disk.
    busy: usize,
    /// Of those: handed over.
    running: usize,
    paused: bool,
    limited: bool,
    remote: bool,
}

/// What a share comes to, and all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    /// Takes up room, and time of the executors.
    local: usize,
    /// Of that: on its way to the disk, which takes no time.
    writing: usize,
    /// Takes up room.
    remote: usize,
    /// At remote subscribers, and takes up none.
    away: usize,
    running: usize,
    running_remote: usize,
}

impl Share {
    fn sum(&self) -> Sum {
        let takes_room = match (self.paused, self.limited) {
            (true, _) => 0,
            (false, true) => self.busy,
            (false, false) => self.active,
        };
        if self.remote {
            let away = self.running.min(takes_room);
            let running_remote = self.running;
            Sum { remote: takes_room - away, away, running_remote, ..Sum::default() }
        } else {
            let writing = self.busy - self.running;
            Sum { local: takes_room, writing, running: self.running, ..Sum::default() }
        }
    }
}

impl Sum {
    fn plus(self, other: Sum) -> Sum {
        Sum {
            local: self.local + other.local,
            writing: self.writing + other.writing,
            remote: self.remote + other.remote,
            away: self.away + other.away,
            running: self.running + other.running,
            running_remote: self.running_remote + other.running_remote,
        }
    }

    fn minus(self, other: Sum) -> Sum {
        Sum {
            local: self.local - other.local,
            writing: self.writing - other.writing,
            remote: self.remote - other.remote,
            away: self.away - other.away,
            running: self.running - other.running,
            running_remote: self.running_remote - other.running_remote,
        }
    }
}

impl Load {
    pub(super) fn new(routes: usize) -> Load {
        Load { routes: vec![Share::default(); routes], all: 0, sum: Sum::default() }
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

    /// Takes up room, and waits for a turn or has it.
    pub(super) fn local(&self) -> usize {
        self.sum.local
    }

    /// Of that: on its way to the disk.
    pub(super) fn writing(&self) -> usize {
        self.sum.writing
    }

    /// Takes up room and is for a remote subscriber: has not been sent yet, or is on its way to the disk.
    pub(super) fn remote(&self) -> usize {
        self.sum.remote
    }

    /// Handed over to executors and not come back.
    pub(super) fn running(&self) -> usize {
        self.sum.running
    }

    /// Handed over to remote subscribers and not come back.
    pub(super) fn running_remote(&self) -> usize {
        self.sum.running_remote
    }

    pub(super) fn held(&self) -> usize {
        self.all - self.sum.local - self.sum.remote - self.sum.away
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

    /// One is handed over: it is busy until somebody says otherwise.
    pub(super) fn handed_over(&mut self, trigger: u32) {
        self.change(trigger, |share| (share.busy, share.running) = (share.busy + 1, share.running + 1));
    }

    /// It has come back, or been lost.
    pub(super) fn came_back(&mut self, trigger: u32) {
        self.change(trigger, |share| share.running -= 1);
    }

    /// While a route is paused, all of its deliveries are held.
    pub(super) fn pause(&mut self, trigger: u32, paused: bool) {
        self.change(trigger, |share| share.paused = paused);
    }

    /// While a route has reached its limit, what waits for that is held.
    pub(super) fn limit(&mut self, trigger: u32, limited: bool) {
        self.change(trigger, |share| share.limited = limited);
    }

    /// Whether a route's subscriber is remote, from now on.
    pub(super) fn set_remote(&mut self, trigger: u32, remote: bool) {
        self.change(trigger, |share| share.remote = remote);
    }

    fn change(&mut self, trigger: u32, how: impl FnOnce(&mut Share)) {
        let share = &mut self.routes[trigger as usize];
        let before = share.sum();
        how(share);
        self.sum = self.sum.plus(share.sum()).minus(before);
    }

    /// For assertions: the sums are what the shares sum up to.
    pub(super) fn is_consistent(&self, deliveries: usize) -> bool {
        let sum = self.routes.iter().map(Share::sum).fold(Sum::default(), Sum::plus);
        let is_sound = |share: &Share| share.running <= share.busy && share.busy <= share.active;
        self.routes.iter().all(is_sound) && sum == self.sum && self.all == deliveries
    }
}
