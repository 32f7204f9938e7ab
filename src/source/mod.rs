//! Where events come from. A source decodes, validates and hands over; it knows neither functions nor triggers.

mod brokers;
pub mod http;
pub mod intake;
pub mod limits;
pub mod queue;
#[cfg(test)]
mod queue_tests;
mod refusal;

pub use brokers::Brokers;
pub use intake::{Accepted, Intake, Refused};
