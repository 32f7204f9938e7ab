//! Watches one connection: when it is to leave in good order, and when it is cut off.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::line::Line;
use super::{Limits, stopped};

/// A connection this old is asked to leave when its requests are answered: clients find the workers that were added since,
/// and answers that nobody reads do not gather for ever.
const AGE: Duration = Duration::from_secs(600);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Its requests are answered, no others are taken.
    Leave,
    CutOff,
}

pub(super) struct Vigil {
    line: Arc<Line>,
    limits: Limits,
    stop: watch::Receiver<bool>,
    /// The turns of the line at the last look.
    seen: u64,
    look: Pin<Box<Sleep>>,
    age: Pin<Box<Sleep>>,
    leaving: bool,
    /// Leaving because the worker stops.
    stopping: bool,
}

impl Vigil {
    pub(super) fn new(line: Arc<Line>, limits: Limits, stop: watch::Receiver<bool>) -> Vigil {
        let (look, age) = (Box::pin(sleep(limits.silence)), Box::pin(sleep(AGE)));
        Vigil { line, limits, stop, seen: 0, look, age, leaving: false, stopping: false }
    }

    /// What is to be done next. Nothing is lost if it is not waited for.
    pub(super) async fn next(&mut self) -> Duty {
        loop {
            tokio::select! {
                () = stopped(&mut self.stop), if !self.stopping => {
                    self.stopping = true;
                    return self.leave(self.limits.farewell);
                }
                () = self.line.to_go() => {
                    tracing::debug!("an idle connection was closed to make room");
                    return Duty::CutOff;
                }
                () = self.age.as_mut(), if !self.leaving => return self.leave(self.limits.silence),
                () = self.look.as_mut() => {
                    let now = self.line.turns();
                    if !self.leaving && self.line.is_idle() && now == self.seen {
                        return self.leave(self.limits.farewell);
                    }
                    if self.leaving || now == self.seen {
                        tracing::debug!("a connection was cut off: its request or its answers did not end");
                        return Duty::CutOff;
                    }
                    self.seen = now;
                    self.look.as_mut().reset(Instant::now() + self.limits.silence);
                }
            }
        }
    }

    fn leave(&mut self, within: Duration) -> Duty {
        self.leaving = true;
        self.look.as_mut().reset(Instant::now() + within);
        Duty::Leave
    }
}
