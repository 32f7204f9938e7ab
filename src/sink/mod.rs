//! Where events go: replies and dead letters. (Functions are called in `worker/executor.rs`.)

pub mod dead_letter;
pub mod kafka;
pub mod letter_filter;
pub mod nats;
pub mod parcel;
pub mod parking;
pub mod producer;
pub mod queue;
pub mod receipt;
