//! A route's circuit breaker: a function that fails everything is left alone for a while, then tried with one delivery,
//! and what waits meanwhile does not use up its attempts.

use std::time::Duration;

use super::delivery::Key;
use super::policy::Trip;
use crate::time::Moment;

/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Different deliveries that have failed since the last success.
    failed: u32,
    /// Which series of failures this is, so that a delivery is counted once in each.
    series: u32,
    /// The next pause is the first one doubled so often.
    pauses: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Moment,
    },
    /// One delivery at a time finds out.
    Probing(Option<Key>),
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is the delivery's own.
    Counts,
    /// It is the delivery's own, and the route pauses until then.
    Pauses(Moment),
    /// It is the route's: the delivery's attempts are not used up by it.
    Excused(Moment),
}

impl Breaker {
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// How many more deliveries may be handed over; `None`: as many as there are.
    pub(super) fn allows(&self) -> Option<usize> {
        match self.state {
            State::Closed => None,
            State::Open { .. } | State::Probing(Some(_)) => Some(0),
            State::Probing(None) => Some(1),
        }
    }

    pub(super) fn handed_over(&mut self, delivery: Key) {
        if self.state == State::Probing(None) {
            self.state = State::Probing(Some(delivery));
        }
    }

    /// The pause is over. True: the next delivery is the probe.
    pub(super) fn wake(&mut self, now: Moment) -> bool {
        match self.state {
            State::Open { until } if until <= now => {
                self.state = State::Probing(None);
                true
            }
            _ => false,
        }
    }

    /// The probe is gone without an outcome.
    pub(super) fn lost(&mut self, delivery: Key) {
        if self.state == State::Probing(Some(delivery)) {
            self.state = State::Probing(None);
        }
    }

    /// Until when nothing but a probe runs.
    pub(super) fn until(&self) -> Option<Moment> {
        match self.state {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// The function did what it is for, if only to say no. True: the route was paused and goes on.
    pub(super) fn succeeded(&mut self) -> bool {
        let paused = !self.is_closed();
        *self =
            Breaker { series: self.series.wrapping_add(u32::from(self.failed > 0)), ..Breaker::default() };
        paused
    }

    /// `series`: the delivery's, in which it has been counted.
    pub(super) fn failed(
        &mut self,
        trip: Option<Trip>,
        delivery: Key,
        series: &mut u32,
        now: Moment,
    ) -> Failed {
        let Some(trip) = trip else { return Failed::Counts };
        match self.state {
            State::Closed => {
                // 0 is no series: a delivery begins with it.
                let this = self.series.wrapping_add(1);
                if *series != this {
                    *series = this;
                    self.failed += 1;
                }
                if self.failed < trip.failures {
                    return Failed::Counts;
                }
                Failed::Pauses(self.pause(trip, now))
            }
            State::Probing(Some(probe)) if probe == delivery => Failed::Pauses(self.pause(trip, now)),
            State::Open { until } => Failed::Excused(until),
            State::Probing(_) => Failed::Excused(now.after(trip.wait)),
        }
    }

    fn pause(&mut self, trip: Trip, now: Moment) -> Moment {
        let pause = trip.wait.saturating_mul(1 << self.pauses.min(16)).min(LONGEST_PAUSE.max(trip.wait));
        self.pauses += 1;
        let until = now.after(pause);
        self.state = State::Open { until };
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::slots::Slots;

    const TRIP: Trip = Trip { failures: 3, wait: Duration::from_secs(1) };
    const SECOND: u64 = 1_000_000_000;

    fn keys() -> Vec<Key> {
        let mut slots = Slots::default();
        (0..5).map(|_| slots.insert(())).collect()
    }

    #[test]
    fn it_opens_when_so_many_different_deliveries_failed_in_a_row_and_one_alone_never_does() {
        let mut breaker = Breaker::default();
        let keys = keys();
        let mut series = [0; 5];
        for _ in 0..10 {
            assert_eq!(breaker.failed(Some(TRIP), keys[0], &mut series[0], Moment(0)), Failed::Counts);
        }
        assert_eq!(breaker.failed(Some(TRIP), keys[1], &mut series[1], Moment(0)), Failed::Counts);
        assert!(!breaker.succeeded());
        for n in 0..2 {
            assert_eq!(breaker.failed(Some(TRIP), keys[n], &mut series[n], Moment(0)), Failed::Counts);
        }
        let opened = breaker.failed(Some(TRIP), keys[2], &mut series[2], Moment(0));
        assert_eq!((opened, breaker.allows()), (Failed::Pauses(Moment(SECOND)), Some(0)));
        assert_eq!(breaker.failed(None, keys[2], &mut series[2], Moment(0)), Failed::Counts);
    }

    #[test]
    fn one_probe_at_a_time_decides_and_pauses_grow() {
        let mut breaker = Breaker::default();
        let (keys, mut series) = (keys(), [0; 5]);
        for n in 0..3 {
            breaker.failed(Some(TRIP), keys[n], &mut series[n], Moment(0));
        }
        assert!(!breaker.wake(Moment(SECOND - 1)));
        // What was under way when it opened is excused.
        let late = breaker.failed(Some(TRIP), keys[3], &mut series[3], Moment(5));
        assert_eq!(late, Failed::Excused(Moment(SECOND)));
        assert!(breaker.wake(Moment(SECOND)));
        assert_eq!(breaker.allows(), Some(1));
        breaker.handed_over(keys[4]);
        assert_eq!(breaker.allows(), Some(0));
        let again = breaker.failed(Some(TRIP), keys[4], &mut series[4], Moment(SECOND));
        assert_eq!(again, Failed::Pauses(Moment(3 * SECOND)));
        assert!(breaker.wake(Moment(3 * SECOND)));
        breaker.handed_over(keys[0]);
        breaker.lost(keys[0]);
        assert_eq!(breaker.allows(), Some(1));
        assert!(breaker.succeeded());
        assert_eq!(breaker.allows(), None);
    }
}
