//! The time that a guest sees: the machine's in whole milliseconds, put forward by what the guest has slept.
//!
//! Coarse, because what can measure nanoseconds can find out what others leave in a processor's caches.

use super::errno::Errno;
use super::world::World;

/// Of both clocks, in nanoseconds.
pub(super) const RESOLUTION: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Realtime,
    Monotonic,
}

impl Clock {
    /// Those of processes and threads are not here.
    pub(super) fn of(number: u32) -> Result<Clock, Errno> {
        match number {
            0 => Ok(Clock::Realtime),
            1 => Ok(Clock::Monotonic),
            _ => Err(Errno::Inval),
        }
    }
}

/// By how much they are ahead of the machine's, in nanoseconds.
#[derive(Default)]
pub(super) struct Clocks {
    /// In this call: the next event finds the right time.
    realtime: u64,
    /// In the instance's life: it never goes back.
    monotonic: u64,
}

impl Clocks {
    pub(super) fn begin(&mut self) {
        self.realtime = 0;
    }

    pub(super) fn now(&self, clock: Clock, world: &dyn World) -> u64 {
        let now = match clock {
            Clock::Realtime => world.realtime().saturating_add(self.realtime),
            Clock::Monotonic => world.monotonic().saturating_add(self.monotonic),
        };
        now - now % RESOLUTION
    }

    /// At least that much time has gone by on both. Whole steps, or a clock would stand just before what was waited for.
    pub(super) fn sleep(&mut self, nanos: u64) {
        let steps = nanos.div_ceil(RESOLUTION).saturating_mul(RESOLUTION);
        self.realtime = self.realtime.saturating_add(steps);
        self.monotonic = self.monotonic.saturating_add(steps);
    }
}
