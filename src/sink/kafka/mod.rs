//! Writing to Kafka: parcels become records, and each is told of once the brokers have it or refuse it.

mod message;
pub mod producer;
mod refusal;
pub mod topic;

pub use producer::Producer;
