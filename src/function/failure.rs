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

impl Failure {
    pub(super) fn permanent(reason: Reason, message: String) -> Failure {
        Failure { outcome: Outcome::Permanent, reason, message }
    }

    /// A call of a guest's function ended.
    pub(super) fn of_call(fault: Fault, running: &Running, limits: &Limits) -> Failure {
        if let Some(stop) = fault.stop() {
            return Failure::stopped(stop, limits);
        }
        let trapped = |reason, message| Failure { outcome: Outcome::Trapped, reason, message };
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

    fn stopped(stop: Stop, limits: &Limits) -> Failure {
        let (reason, message) = match stop {
            Stop::Deadline => (Reason::Deadline, format!("it ran for longer than {:?}", limits.timeout)),
            Stop::Fuel => {
                let fuel = limits.fuel.unwrap_or(u64::MAX);
                (Reason::Fuel, format!("it used more than {fuel} units of fuel"))
            }
            Stop::Engine => (Reason::Deadline, "the worker stops, and it was not done in time".to_owned()),
        };
        Failure { outcome: Outcome::TimedOut, reason, message }
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.outcome, self.reason, self.message)
    }
}

impl std::error::Error for Failure {}
