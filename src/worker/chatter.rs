//! What functions say while they are called, on its way to the worker's log: as much as a log can take, and the rest counted.

use std::time::{Duration, Instant};

use super::deployment::Function;
use crate::function::{Level, Log};
use crate::telemetry::Shown;

/// The target of these lines, for `log.level`: "info,function=debug".
const TARGET: &str = "function";

/// As many lines at once as are let through in so many seconds.
const AT_ONCE: u32 = 5;
/// Lines that were dropped are told of no more often.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Chatter(Vec<Voice>);

/// What a call is about.
pub(super) struct About<'a> {
    pub(super) event: &'a str,
    pub(super) source: &'a str,
    pub(super) trigger: &'a str,
}

/// One function's.
#[derive(Default)]
struct Voice {
    function: String,
    /// When all that it has said is paid for.
    paid: Option<Instant>,
    dropped: u64,
    told: Option<Instant>,
}

impl Chatter {
    /// `index` is the function's in its deployment; `log` is of one call.
    pub(super) fn say(
        &mut self,
        index: usize,
        Function { name: function, log_rate, .. }: &Function,
        about: &About<'_>,
        log: &Log,
    ) {
        if log.lines.is_empty() && log.dropped == 0 {
            return;
        }
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Voice::default);
        }
        let voice = &mut self.0[index];
        // After a reload another one may stand here.
        if voice.function != *function {
            *voice = Voice { function: function.clone(), ..Voice::default() };
        }
        let now = Instant::now();
        for line in log.lines.iter().filter(|line| is_wanted(line.level)) {
            if voice.may_speak(*log_rate, now) {
                write(line.level, function, about, &line.text);
            }
        }
        voice.dropped = voice.dropped.saturating_add(log.dropped);
        voice.tell(now);
    }
}

impl Voice {
    /// `rate`: lines a second.
    fn may_speak(&mut self, rate: u32, now: Instant) -> bool {
        let each = Duration::from_secs(1) / rate.max(1);
        let paid = self.paid.map_or(now, |paid| paid.max(now));
        let may = paid - now < each * rate.saturating_mul(AT_ONCE);
        if may {
            self.paid = Some(paid + each);
        } else {
            self.dropped += 1;
        }
        may
    }

    fn tell(&mut self, now: Instant) {
        if self.dropped > 0 && self.told.is_none_or(|told| now - told >= PAUSE) {
            self.told = Some(now);
            self.confess();
        }
    }

    fn confess(&mut self) {
        let lines = std::mem::take(&mut self.dropped);
        tracing::warn!(function = %self.function, lines, "lines of a function's log were dropped: too many");
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        if self.dropped > 0 {
            self.confess();
        }
    }
}

fn is_wanted(level: Level) -> bool {
    match level {
        Level::Error => tracing::enabled!(target: TARGET, tracing::Level::ERROR),
        Level::Warn => tracing::enabled!(target: TARGET, tracing::Level::WARN),
        Level::Info => tracing::enabled!(target: TARGET, tracing::Level::INFO),
        Level::Debug => tracing::enabled!(target: TARGET, tracing::Level::DEBUG),
        Level::Trace => tracing::enabled!(target: TARGET, tracing::Level::TRACE),
    }
}

fn write(level: Level, function: &str, about: &About<'_>, text: &str) {
    let (event, source, trigger) = (Shown(about.event), Shown(about.source), about.trigger);
    macro_rules! write {
        ($line:ident) => {
            tracing::$line!(target: TARGET, function, %event, %source, trigger, "{text}")
        };
    }
    match level {
        Level::Error => write!(error),
        Level::Warn => write!(warn),
        Level::Info => write!(info),
        Level::Debug => write!(debug),
        Level::Trace => write!(trace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_let_through_up_to_a_rate_and_the_others_are_counted() {
        let (mut voice, now) = (Voice::default(), Instant::now());
        let said = (0..2_000).filter(|_| voice.may_speak(100, now)).count();
        assert_eq!((said, voice.dropped), (500, 1_500));
        // Nine more after the time of nine; all of them after a pause.
        let later = |lines: u32| now + Duration::from_millis(10) * lines;
        assert_eq!((0..100).filter(|_| voice.may_speak(100, later(9))).count(), 9);
        assert_eq!((0..2_000).filter(|_| voice.may_speak(100, later(5_000))).count(), 500);
    }

    #[test]
    fn dropped_lines_are_told_of_at_once_and_then_no_more_often_than_each_pause() {
        let (mut voice, now) = (Voice::default(), Instant::now());
        for (after, left) in [(Duration::ZERO, 0), (PAUSE / 2, 7), (PAUSE, 0)] {
            voice.dropped += 7;
            voice.tell(now + after);
            assert_eq!(voice.dropped, left, "{after:?}");
        }
    }
}
