//! How often: a token bucket. It keeps what time has brought in whole numbers and never rounds it, so that it is exact
//! over any time.

use std::fmt;
use std::time::Duration;

use crate::time::Moment;

/// So many in each such time, and `burst` at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1, as is `burst`.
    pub count: u32,
    pub per: Duration,
    pub burst: u32,
}

/// As it is written: `100/s burst 200`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { count, per, burst } = self;
        match per.as_secs() {
            1 => write!(f, "{count}/s burst {burst}"),
            60 => write!(f, "{count}/m burst {burst}"),
            3600 => write!(f, "{count}/h burst {burst}"),
            seconds => write!(f, "{count}/{seconds}s burst {burst}"),
        }
    }
}

/// In any time t, `burst` and what the rate gives in t are taken from it at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// What is in it, where a token is as many as `per` has nanoseconds, and each nanosecond brings `count`.
    level: u128,
    /// When that was so.
    at: Moment,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Moment) -> Bucket {
        let mut bucket = Bucket { rate, level: 0, at: now };
        bucket.level = bucket.brim();
        bucket
    }

    /// Another rate from now on: what is in it stays, as far as it has room.
    pub(super) fn change(&mut self, rate: Rate, now: Moment) {
        if self.rate != rate {
            let tokens = self.tokens(now) as u128;
            *self = Bucket { rate, level: 0, at: now };
            self.level = (tokens * self.token()).min(self.brim());
        }
    }

    pub(super) fn tokens(&self, now: Moment) -> usize {
        self.whole(self.level_at(now))
    }

    /// Tokens that there will have been until then, if each is taken as soon as it is there.
    pub(super) fn tokens_within(&self, now: Moment, time: Duration) -> usize {
        self.whole(self.level_at(now) + self.brought_in(time.as_nanos()))
    }

    pub(super) fn take(&mut self, now: Moment) {
        let level = self.level_at(now);
        assert!(level >= self.token(), "nothing is taken that is not there");
        (self.level, self.at) = (level - self.token(), self.at.max(now));
    }

    /// When there is a token.
    pub(super) fn next(&self, now: Moment) -> Moment {
        self.when(self.token(), now)
    }

    /// When there is no room for more.
    pub(super) fn full_at(&self, now: Moment) -> Moment {
        self.when(self.brim(), now)
    }

    fn token(&self) -> u128 {
        self.rate.per.as_nanos().max(1)
    }

    fn brim(&self) -> u128 {
        self.token() * u128::from(self.rate.burst.max(1))
    }

    fn whole(&self, level: u128) -> usize {
        usize::try_from(level / self.token()).unwrap_or(usize::MAX)
    }

    fn brought_in(&self, nanos: u128) -> u128 {
        u128::from(self.rate.count.max(1)) * nanos
    }

    fn level_at(&self, now: Moment) -> u128 {
        (self.level + self.brought_in(self.at.until(now).as_nanos())).min(self.brim())
    }

    fn when(&self, level: u128, now: Moment) -> Moment {
        let missing = level.saturating_sub(self.level_at(now));
        let nanos = missing.div_ceil(u128::from(self.rate.count.max(1)));
        Moment(now.0.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn rate(count: u32, per: u64, burst: u32) -> Rate {
        Rate { count, per: Duration::from_nanos(per), burst }
    }

    /// Takes each token as soon as it is there.
    fn take_all(bucket: &mut Bucket, until: Moment) -> u64 {
        let (mut now, mut taken) = (Moment(0), 0);
        loop {
            now = bucket.next(now);
            if now > until {
                return taken;
            }
            bucket.take(now);
            taken += 1;
        }
    }

    #[test]
    fn it_is_exact_over_a_long_time_though_the_rate_does_not_divide_it() {
        let mut bucket = Bucket::full(rate(7, HOUR, 2), Moment(0));
        assert_eq!(take_all(&mut bucket, Moment(10_000 * HOUR)), 2 + 70_000);
        // One that holds a single token has no room for the rest of the nanosecond in which that comes.
        let mut bucket = Bucket::full(rate(7, HOUR, 1), Moment(0));
        assert_eq!(take_all(&mut bucket, Moment(10_000 * HOUR)), 70_000);
        let mut bucket = Bucket::full(rate(3, 1_000_000_000, 5), Moment(0));
        assert_eq!(take_all(&mut bucket, Moment(50_000 * 1_000_000_000)), 5 + 150_000);
    }

    #[test]
    fn a_rest_is_worth_a_burst_and_no_more() {
        let mut bucket = Bucket::full(rate(10, 1_000_000_000, 3), Moment(0));
        (0..3).for_each(|_| bucket.take(Moment(5)));
        assert_eq!((bucket.tokens(Moment(5)), bucket.next(Moment(5))), (0, Moment(100_000_005)));
        assert_eq!(bucket.tokens(Moment(100_000_004)), 0);
        assert_eq!(bucket.tokens(Moment(100_000_005)), 1);
        assert_eq!(bucket.full_at(Moment(5)), Moment(300_000_005));
        assert_eq!(bucket.tokens(Moment(u64::MAX)), 3);
        assert_eq!(bucket.tokens_within(Moment(5), Duration::from_secs(1)), 10);
    }

    #[test]
    fn another_rate_keeps_what_there_is_room_for_and_the_same_one_changes_nothing() {
        let mut bucket = Bucket::full(rate(10, 1_000_000_000, 8), Moment(0));
        bucket.take(Moment(0));
        bucket.change(rate(10, 1_000_000_000, 8), Moment(50_000_000));
        assert_eq!(bucket.tokens(Moment(100_000_000)), 8, "the half that had come was kept");
        bucket.change(rate(1, HOUR, 5), Moment(100_000_000));
        assert_eq!(bucket.tokens(Moment(100_000_000)), 5);
        (0..5).for_each(|_| bucket.take(Moment(100_000_000)));
        bucket.change(rate(1, 1_000_000_000, 100), Moment(100_000_000));
        assert_eq!(bucket.tokens(Moment(100_000_000)), 0, "a change gives nothing away");
    }

    proptest! {
        /// Of what is taken in any window there is never more than the burst and what the rate gives in it; and who waits
        /// as long as he is told gets one.
        #[test]
        fn no_window_holds_too_much(
            count in 1u32..2_000_000,
            per in prop::sample::select(vec![1_000_000_000, 60_000_000_000, HOUR]),
            burst in 1u32..50,
            waits in prop::collection::vec(0u64..2_000_000_000, 1..100),
        ) {
            let mut bucket = Bucket::full(rate(count, per, burst), Moment(0));
            let (mut now, mut taken) = (Moment(0), Vec::new());
            for wait in waits {
                now = Moment(now.0 + wait);
                if wait % 3 == 0 {
                    now = bucket.next(now);
                    prop_assert!(bucket.tokens(now) > 0);
                }
                for _ in 0..bucket.tokens(now).min(60) {
                    bucket.take(now);
                    taken.push(now.0);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let given = u128::from(count) * u128::from(to - from) / u128::from(per);
                    prop_assert!((last - first + 1) as u128 <= u128::from(burst) + given);
                }
            }
        }
    }
}
