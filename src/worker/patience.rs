//! How long to wait between tries at what fails: a disk, a broker. (`backoff` pulls the unmaintained `instant`: see deny.toml.
//! It is used here alone.)

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

const LONGEST: Duration = Duration::from_secs(5);

/// Longer each time, up to five seconds, and never at an end.
#[derive(Debug)]
pub(super) struct Patience(ExponentialBackoff);

impl Patience {
    pub(super) fn begin() -> Patience {
        Patience(ExponentialBackoff {
            initial_interval: Duration::from_millis(50),
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..Default::default()
        })
    }

    pub(super) fn next(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
    }
}
