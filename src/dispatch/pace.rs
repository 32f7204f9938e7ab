//! How much may be under way so that nothing waits much longer than a target for its turn: what is done in that time.

use std::time::Duration;

use crate::time::Moment;

/// What was done is looked at this often, at most.
const WINDOW: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Pace {
    target: Option<Duration>,
    least: usize,
    most: usize,
    limit: usize,
    since: Moment,
    done: u32,
    /// Somebody waited for room since then: what was done is what can be done.
    full: bool,
}

impl Pace {
    /// `least`: what keeps every executor busy.
    pub(super) fn new(target: Option<Duration>, least: usize, most: usize) -> Pace {
        let least = least.min(most);
        Pace { target, least, most, limit: most, since: Moment(0), done: 0, full: false }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn attempted(&mut self) {
        self.done = self.done.saturating_add(1);
    }

    /// Once a step. `full`: there is no room just now.
    pub(super) fn look(&mut self, now: Moment, full: bool) {
        let Some(target) = self.target else { return };
        self.full |= full;
        let passed = self.since.until(now);
        if passed < WINDOW.max(target) {
            return;
        }
        if self.full && self.done > 0 {
            let possible = u128::from(self.done) * target.as_nanos() / passed.as_nanos();
            let possible = usize::try_from(possible).unwrap_or(usize::MAX).min(self.most);
            // Half way: one window may have been disturbed.
            self.limit = self.limit.midpoint(possible).clamp(self.least, self.most);
        }
        (self.since, self.done, self.full) = (now, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that does one in `each` and is never out of work.
    fn settles(each: Duration, windows: usize) -> usize {
        let mut pace = Pace::new(Some(Duration::from_millis(10)), 4, 10_000);
        let mut now = Moment(0);
        for _ in 0..windows {
            let end = now.after(WINDOW);
            while now < end {
                now = now.after(each);
                pace.attempted();
            }
            pace.look(now, true);
        }
        pace.limit()
    }

    #[test]
    fn what_is_under_way_is_what_is_done_in_the_target() {
        assert!((4_900..5_100).contains(&settles(Duration::from_micros(2), 30)));
        assert_eq!(settles(Duration::from_millis(1), 30), 10);
        assert_eq!(settles(Duration::from_millis(50), 30), 4, "never less than keeps the executors busy");
    }

    #[test]
    fn who_is_not_out_of_room_learns_nothing() {
        let mut pace = Pace::new(Some(Duration::from_millis(10)), 1, 100);
        for n in 0..100 {
            pace.attempted();
            pace.look(Moment(n * 1_000_000_000), false);
        }
        assert_eq!(pace.limit(), 100);
        let mut pace = Pace::new(None, 1, 100);
        pace.look(Moment(u64::MAX), true);
        assert_eq!(pace.limit(), 100);
    }
}
