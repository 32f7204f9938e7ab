//! The deciding core. Pure: inputs in, effects out; no clock, no I/O, no async, no logging.

mod arrival;
mod attempt;
mod breaker;
mod budget;
#[cfg(test)]
mod budget_tests;
pub mod core;
#[cfg(test)]
mod core_tests;
pub mod delivery;
mod direct;
#[cfg(test)]
mod direct_tests;
mod flow;
#[cfg(test)]
mod flow_tests;
mod gate;
mod gauge;
#[cfg(test)]
mod holding_tests;
mod incomplete;
pub mod lane;
pub mod ledger;
mod load;
pub mod message;
#[cfg(test)]
mod moving_tests;
pub mod outcome;
mod pace;
mod parking;
mod partition;
pub mod policy;
pub mod progress;
mod rate;
mod recall;
#[cfg(test)]
mod recall_tests;
mod reload;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod remote_tests;
mod room;
mod roster;
mod route;
mod shared;
#[cfg(test)]
mod shared_tests;
pub mod slots;
pub mod stub;
mod sweep;
pub mod table;
mod timers;
#[cfg(test)]
mod turn_tests;
mod unmet;
#[cfg(test)]
mod unmet_tests;

pub use core::{Core, Counts, Limits};
pub use delivery::Key;
pub use flow::Traffic;
pub use lane::Keys;
pub use message::{Effect, End, Fate, Input, Parked, Stub};
pub use outcome::{Outcome, Reason};
pub use policy::{Backoff, Flow, Hold, Order, Policy, Trip};
pub use progress::Progress;
pub use rate::Rate;
pub use stub::StubKey;
pub use table::Table;
pub use unmet::Unmet;
