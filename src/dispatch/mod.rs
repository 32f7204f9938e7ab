//! The deciding core. Pure: inputs in, effects out; no clock, no I/O, no async, no logging.

pub mod core;
#[cfg(test)]
mod core_tests;
pub mod delivery;
pub mod lane;
pub mod ledger;
pub mod outcome;
mod partition;
pub mod policy;
pub mod progress;
pub mod timers;

pub use core::{Core, Counts, Effect, End, Input, Limits, Table};
pub use delivery::Key;
pub use outcome::{Outcome, Reason};
pub use policy::{Backoff, Order, Policy};
pub use progress::Progress;
