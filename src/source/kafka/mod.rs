//! Kafka: how a cluster is spoken to, and what its records are as events.

pub mod client;
pub mod record;

pub use record::{Reading, Record};
