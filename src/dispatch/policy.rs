//! How a trigger wants its deliveries run: the merged `delivery` of the trigger and its broker.

use std::time::Duration;

use super::rate::Rate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    Linear,
    Exponential,
}

/// Which deliveries of a trigger wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One at a time per partition.
    Ordered,
    /// One at a time per key, keys side by side.
    Key,
    Unordered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts after the first.
    pub retry: u32,
    pub backoff: Backoff,
    pub delay: Duration,
    pub order: Order,
    pub hold: Hold,
    /// The most of a subscriber's Retry-After that is heeded. `None`: as much as of any wait.
    pub retry_after_max: Option<Duration>,
    /// `None`: the route never pauses.
    pub trip: Option<Trip>,
    pub flow: Flow,
    /// The subscriber is elsewhere: what runs only waits for its answer, and takes none of the executors' time.
    pub remote: bool,
}

/// How much of a trigger one worker does at once, and how often. Whatever is beyond waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Deliveries handed over and not come back. `None`: as many as the worker may have.
    pub concurrency: Option<usize>,
    /// Attempts begun: a retry is one, too.
    pub rate: Option<Rate>,
    /// What it takes in a day is limited: the core is told when that is used up.
    pub budget: bool,
}

/// How long a failing delivery is kept in memory, and how many behind it, before all of them are parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub time: Duration,
    pub deliveries: usize,
}

/// When a route pauses: so many different deliveries failed in a row. The first pause is `wait`, each further one twice that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    pub failures: u32,
    pub wait: Duration,
}

/// The longest wait between two attempts, whatever the exponent says.
pub const LONGEST_WAIT: Duration = Duration::from_secs(600);

impl Default for Policy {
    /// A Knative broker's: ten retries, exponential from 0.2 s.
    fn default() -> Policy {
        Policy {
            retry: 10,
            backoff: Backoff::Exponential,
            delay: Duration::from_millis(200),
            order: Order::Key,
            hold: Hold::default(),
            retry_after_max: None,
            trip: Some(Trip::default()),
            flow: Flow::default(),
            remote: false,
        }
    }
}

impl Default for Hold {
    fn default() -> Hold {
        Hold { time: Duration::from_secs(10), deliveries: 1000 }
    }
}

impl Default for Trip {
    fn default() -> Trip {
        Trip { failures: 50, wait: Duration::from_secs(1) }
    }
}

impl Policy {
    /// How long to wait after so many failures, without jitter; `None`: no more attempts. A subscriber that says when it
    /// wants to be asked again is not asked sooner.
    pub fn wait_after(&self, failures: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failures > self.retry {
            return None;
        }
        let asked = retry_after.unwrap_or_default().min(self.retry_after_max.unwrap_or(LONGEST_WAIT));
        Some(self.backoff_after(failures).max(asked).min(LONGEST_WAIT))
    }

    /// How long a delivery waits for its attempts if all of them fail.
    pub fn longest_wait(&self) -> Duration {
        let retries = u128::from(self.retry);
        let (delay, most) = (self.delay.as_nanos().max(1), LONGEST_WAIT.as_nanos());
        // Of so many the wait still grows.
        let growing = match self.backoff {
            Backoff::Linear => (most / delay).min(retries),
            Backoff::Exponential => u128::from((most / delay).checked_ilog2().unwrap_or(0)).min(retries),
        };
        let sum = match self.backoff {
            Backoff::Linear => growing * (growing + 1) / 2,
            // 2 + 4 + ... up to 2^n.
            Backoff::Exponential => (2 << growing) - 2,
        };
        if self.delay.is_zero() {
            return Duration::ZERO;
        }
        let nanos = sum * delay + (retries - growing) * most;
        Duration::from_secs(u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX))
            + Duration::from_nanos((nanos % 1_000_000_000) as u64)
    }

    /// Strict order never parks for its own sake: what follows would have to be parked, too, whole partitions of it.
    pub fn parks(&self) -> bool {
        self.order != Order::Ordered
    }

    fn backoff_after(&self, failures: u32) -> Duration {
        let factor = match self.backoff {
            Backoff::Linear => u64::from(failures),
            Backoff::Exponential => 1u64.checked_shl(failures).unwrap_or(u64::MAX),
        };
        let nanos = (self.delay.as_nanos() as u64).saturating_mul(factor);
        Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knative_s_two_curves() {
        let mut policy = Policy { retry: 3, delay: Duration::from_secs(1), ..Policy::default() };
        let waits =
            |p: &Policy| (1..=4).map(|n| p.wait_after(n, None).map(|d| d.as_secs())).collect::<Vec<_>>();
        assert_eq!(waits(&policy), [Some(2), Some(4), Some(8), None]);
        policy.backoff = Backoff::Linear;
        assert_eq!(waits(&policy), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_subscriber_is_not_asked_sooner_than_it_wants_within_bounds() {
        let seconds = Duration::from_secs;
        let mut policy = Policy { retry: 3, delay: seconds(1), ..Policy::default() };
        assert_eq!(policy.wait_after(1, Some(seconds(1))), Some(seconds(2)));
        assert_eq!(policy.wait_after(1, Some(seconds(30))), Some(seconds(30)));
        assert_eq!(policy.wait_after(1, Some(seconds(1 << 30))), Some(LONGEST_WAIT));
        policy.retry_after_max = Some(seconds(5));
        assert_eq!(policy.wait_after(1, Some(seconds(30))), Some(seconds(5)));
        policy.retry_after_max = Some(seconds(0));
        assert_eq!(policy.wait_after(1, Some(seconds(30))), Some(seconds(2)));
    }

    #[test]
    fn all_waits_together() {
        for backoff in [Backoff::Linear, Backoff::Exponential] {
            for delay in
                [0, 1, 200_000_000, 1_000_000_007, 599_999_999_999, 600_000_000_000, 7_000_000_000_000]
            {
                for retry in [0, 1, 2, 9, 10, 33, 1000] {
                    let policy =
                        Policy { retry, backoff, delay: Duration::from_nanos(delay), ..Policy::default() };
                    let each = (1..=retry).filter_map(|failures| policy.wait_after(failures, None));
                    assert_eq!(policy.longest_wait(), each.sum::<Duration>(), "{policy:?}");
                }
            }
            let endless = Policy { retry: u32::MAX, delay: Duration::MAX, backoff, ..Policy::default() };
            assert_eq!(endless.longest_wait(), LONGEST_WAIT * u32::MAX);
        }
    }

    #[test]
    fn a_wait_never_overflows() {
        let policy = Policy { retry: u32::MAX, delay: Duration::from_secs(1 << 40), ..Policy::default() };
        assert_eq!(policy.wait_after(4_000_000_000, None), Some(LONGEST_WAIT));
        assert_eq!(policy.wait_after(63, None), Some(LONGEST_WAIT));
    }
}
