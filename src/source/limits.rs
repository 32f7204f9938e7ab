//! How much a listener takes: requests a second, with a burst.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A token bucket. `None` inside: no limit.
#[derive(Debug)]
pub struct RateLimit {
    bucket: Option<Mutex<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    /// `per_second` of 0 is no limit; a burst below one request is one request.
    pub fn new(per_second: u32, burst: u32) -> RateLimit {
        let burst = f64::from(burst.max(1));
        let bucket = Bucket { per_second: per_second.into(), burst, tokens: burst, filled: Instant::now() };
        RateLimit { bucket: (per_second > 0).then(|| Mutex::new(bucket)) }
    }

    /// Takes one request, or says how long to wait for one.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let mut bucket = bucket.lock().expect("no panic holds this lock");
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * bucket.per_second;
        bucket.tokens = (bucket.tokens + gained).min(bucket.burst);
        // Another thread may have looked at its clock later and been here sooner.
        bucket.filled = bucket.filled.max(now);
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / bucket.per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let limit = RateLimit::new(10, 3);
        let start = Instant::now();
        let taken = (0..5).filter(|_| limit.take(start).is_ok()).count();
        assert_eq!(taken, 3);
        let later = start + Duration::from_millis(250);
        assert_eq!((0..5).filter(|_| limit.take(later).is_ok()).count(), 2);
        let wait = limit.take(later).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
    }

    #[test]
    fn no_time_counts_twice() {
        let limit = RateLimit::new(1, 1);
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let taken = [later, start, later, start, later].map(|now| limit.take(now).is_ok());
        assert_eq!(taken, [true, false, false, false, false]);
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = RateLimit::new(0, 0);
        assert!((0..1000).all(|_| limit.take(Instant::now()).is_ok()));
    }
}
