//! Why a call had no output.

use std::fmt;

use super::engine::Fault;
use super::limits::{Limits, PAGE, Running, Stop};
use crate::dispatch::{Outcome, Reason};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub outcome: Outcome,
    pub reason: Reason,
    pub message: String,
}

/// Of a message, in bytes: it goes into every log and dead letter.
pub(super) const MESSAGE: usize = 1_024;

/// What was made of a guest's own words, on one line and no longer than this.
pub(super) fn told(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Failure {
    pub(super) fn permanent(reason: Reason, message: String) -> Failure {
        Failure { outcome: Outcome::Permanent, reason, message }
    }

    /// A call of a guest's function ended.
    pub(super) fn of_call(fault: Fault, running: &Running, limits: &Limits) -> Failure {
        if let Some(stop) = fault.stop() {
            return Failure::stopped(stop, running, limits);
        }
        // What a runtime says before it gives up tells more than the trap does.
        let trapped = |reason, message| match last_words(running) {
            Some(said) => Failure::trapped(reason, format!("{message}, after it said: {said}")),
            None => Failure::trapped(reason, message),
        };
        match fault.trap() {
            Some(Reason::Unreachable) if running.too_deep() => {
                trapped(Reason::Depth, "calls nested too deeply".into())
            }
            Some(_) if running.growth_refused() => {
                let kib = u64::from(limits.pages) * PAGE / 1_024;
                let message = format!("{fault}, after it was refused more memory; the limit is {kib} KiB");
                trapped(Reason::Memory, message)
            }
            reason => trapped(reason.unwrap_or(Reason::Engine), fault.to_string()),
        }
    }

    fn trapped(reason: Reason, message: String) -> Failure {
        Failure { outcome: Outcome::Trapped, reason, message }
    }

    fn stopped(stop: Stop, running: &Running, limits: &Limits) -> Failure {
        let (reason, message) = match stop {
            Stop::Deadline => (Reason::Deadline, format!("it ran for longer than {:?}", limits.timeout)),
            Stop::Fuel => {
                let fuel = limits.fuel.unwrap_or(u64::MAX);
                (Reason::Fuel, format!("it used more than {fuel} units of fuel"))
            }
            Stop::Engine => (Reason::Deadline, "the worker stops, and it was not done in time".to_owned()),
            Stop::Exit => {
                let code = running.with_process(|process| process.exit()).flatten().unwrap_or_default();
                return Failure::exited(code, last_words(running));
            }
            Stop::Output => {
                let message = format!("an output of more than {} bytes, which is the limit", limits.output);
                return Failure::permanent(Reason::Output, message);
            }
            Stop::Bounds => {
                let called = running.with_process(|process| process.ended_in).unwrap_or_default();
                let message = format!("it called `{called}` with an address outside its memory");
                return Failure::trapped(Reason::Bounds, message);
            }
        };
        Failure { outcome: Outcome::TimedOut, reason, message }
    }

    /// The function ended itself: its own failure, and whether trying again helps it can't say this way.
    fn exited(code: u32, said: Option<String>) -> Failure {
        let said = said.map_or_else(String::new, |said| format!(": {said}"));
        let message = format!("it exited with code {code}{said}");
        Failure { outcome: Outcome::Retryable, reason: Reason::Guest, message }
    }

    /// There is no room for one more instance; why.
    pub(super) fn no_room(why: String) -> Failure {
        let message = format!("no room for one more instance: {why}");
        Failure { outcome: Outcome::Retryable, reason: Reason::Instantiate, message }
    }

    /// No instance could be made: the guest's start function failed, or the machine has no room for one more.
    pub(super) fn of_instantiation(fault: Fault, running: &Running, limits: &Limits) -> Failure {
        match (fault.trap(), fault.stop()) {
            (Some(_), _) | (_, Some(_)) => Failure::of_call(fault, running, limits),
            (None, None) => Failure {
                outcome: Outcome::Retryable,
                reason: Reason::Instantiate,
                message: fault.to_string(),
            },
        }
    }
}

/// What it printed last as an error.
fn last_words(running: &Running) -> Option<String> {
    running.with_process(|process| process.last_words()).filter(|said| !said.is_empty())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.outcome, self.reason, self.message)
    }
}

impl std::error::Error for Failure {}
