//! The worker: what the floors below offer, put together and run.
//!
//! ```text
//! publishers -> listener -> source/http -> [intake] -> scribe -> queue, journal, dead letters (disk)
//!                                                        |  ^
//!                 source/queue <- [durable] -------------+  | [batches]
//!                      |                                 |  |
//!                      +-> [arrivals] -> dispatcher (core) -+<- [settled]
//!                                         |     ^
//!                                  [jobs] |     | [done]
//!                                      executors (warm instances)
//! ```

pub mod admin;
pub mod console;
pub mod deployment;
pub mod dispatcher;
pub mod executor;
pub mod listener;
pub mod lock;
pub mod query;
pub mod report;
pub mod scribe;
pub mod shutdown;
pub mod start;
pub mod tasks;

pub use start::{StartError, Worker};
