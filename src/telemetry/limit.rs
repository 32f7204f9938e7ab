//! How often one kind of line may stand in the log, where events can cause it: what is over is counted, and told of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of all kinds, since the start.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

pub fn suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

/// One kind of line, by what it says.
#[derive(Debug)]
pub struct Limit {
    like: &'static str,
    /// Lines a second, after as many as five seconds have.
    rate: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When all that was let through is paid for.
    paid: Option<Instant>,
    suppressed: u64,
}

const AT_ONCE: u32 = 5;

impl Limit {
    pub const fn new(like: &'static str, rate: u32) -> Limit {
        Limit { like, rate, state: Mutex::new(State { paid: None, suppressed: 0 }) }
    }

    /// May one more be written? Those that might not are told of before the next one.
    pub fn admits(&self) -> bool {
        let admitted = self.admits_at(Instant::now());
        if let Some(lines) = admitted.filter(|lines| *lines > 0) {
            self.say(lines);
        }
        admitted.is_some()
    }

    /// Tells of those that have been left out, where no other line may come that would.
    pub fn tell(&self) {
        let lines = std::mem::take(&mut self.state().suppressed);
        if lines > 0 {
            self.say(lines);
        }
    }

    /// How many were left out before it, if it may be written.
    fn admits_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state();
        let each = Duration::from_secs(1) / self.rate;
        let paid = state.paid.map_or(now, |paid| paid.max(now));
        if paid + each - now > each * (self.rate * AT_ONCE) {
            state.suppressed += 1;
            SUPPRESSED.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        state.paid = Some(paid + each);
        Some(std::mem::take(&mut state.suppressed))
    }

    fn say(&self, lines: u64) {
        tracing::warn!(like = self.like, "suppressed {lines} lines like this");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_pass_and_the_others_are_counted_until_one_passes_again() {
        let (limit, now) = (Limit::new("test", 10), Instant::now());
        let passed = (0..1_000).filter_map(|_| limit.admits_at(now)).collect::<Vec<_>>();
        assert_eq!(passed, [0; 50]);
        let later = |millis| now + Duration::from_millis(millis);
        assert_eq!(limit.admits_at(later(99)), None);
        assert_eq!(limit.admits_at(later(100)), Some(951));
        assert_eq!(limit.admits_at(later(100)), None);
        assert_eq!((0..100).filter_map(|_| limit.admits_at(later(60_000))).collect::<Vec<_>>().len(), 50);
        assert_eq!(limit.state().suppressed, 50);
    }
}
