//! Where events come from. A source decodes, validates and hands over; it knows neither functions nor triggers.

mod brokers;
pub mod direct;
pub mod http;
pub mod intake;
pub mod kafka;
pub mod limits;
mod mapped;
pub mod nats;
pub mod queue;
#[cfg(test)]
mod queue_tests;
mod reception;
mod refusal;
pub mod wrapped;

pub use brokers::{Brokers, Names};
pub use direct::{Asked, Direct};
pub use intake::{Accepted, Intake, Refused};
pub use reception::Reception;
