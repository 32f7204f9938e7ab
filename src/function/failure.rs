//! Why a call had no output.

use std::fmt;

use super::engine::Fault;
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
    pub(super) fn of_call(fault: Fault) -> Failure {
        let reason = fault.trap().unwrap_or(Reason::Engine);
        Failure { outcome: Outcome::Trapped, reason, message: fault.to_string() }
    }

    /// No instance could be made: the guest's start function trapped, or the machine has no room for one more.
    pub(super) fn of_instantiation(fault: Fault) -> Failure {
        match fault.trap() {
            Some(_) => Failure::of_call(fault),
            None => Failure {
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
