//! Where events go: replies and dead letters. (Functions are called in `worker/executor.rs`.)

pub mod dead_letter;
pub mod letter_filter;
pub mod parking;
pub mod queue;
