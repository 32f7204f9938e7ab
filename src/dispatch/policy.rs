//! How a trigger wants its deliveries run: the merged `delivery` of the trigger and its broker.

use std::time::Duration;

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
        }
    }
}

impl Policy {
    /// How long to wait after the failed attempt `attempt` (counted from 1), without jitter; `None`: no more attempts.
    pub fn wait_after(&self, attempt: u32) -> Option<Duration> {
        if attempt > self.retry {
            return None;
        }
        let factor = match self.backoff {
            Backoff::Linear => u64::from(attempt),
            Backoff::Exponential => 1u64.checked_shl(attempt).unwrap_or(u64::MAX),
        };
        let nanos = (self.delay.as_nanos() as u64).saturating_mul(factor);
        Some(Duration::from_nanos(nanos).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knative_s_two_curves() {
        let mut policy = Policy { retry: 3, delay: Duration::from_secs(1), ..Policy::default() };
        let waits = |p: &Policy| (1..=4).map(|n| p.wait_after(n).map(|d| d.as_secs())).collect::<Vec<_>>();
        assert_eq!(waits(&policy), [Some(2), Some(4), Some(8), None]);
        policy.backoff = Backoff::Linear;
        assert_eq!(waits(&policy), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_wait_never_overflows() {
        let policy = Policy { retry: u32::MAX, delay: Duration::from_secs(1 << 40), ..Policy::default() };
        assert_eq!(policy.wait_after(4_000_000_000), Some(LONGEST_WAIT));
        assert_eq!(policy.wait_after(63), Some(LONGEST_WAIT));
    }
}
