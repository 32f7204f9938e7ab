//! Writing to JetStream: parcels become messages, and each is told of once a stream has it or refuses it.

mod message;
mod producer;

pub use message::partition_of;
pub use producer::Producer;
