//! The worker: what the floors below offer, put together and run.
//!
//! ```text
//! publishers -> listener -> source/http -> [intake] -> scribe -> archive: queue, journal, dead letters, parking (disk)
//!                                                        |  ^
//!                 source/queue <- [durable] -------------+  | [batches]
//!                      |                                 |  |
//!                      +-> [arrivals] -> dispatcher (core) -+<- [settled]
//!                                         |     ^
//!                                  [jobs] |     | [done]
//!                                      executors (warm instances)
//! ```

pub mod admin;
pub mod archive;
#[cfg(test)]
mod archive_tests;
pub mod attempt;
pub mod backlog;
mod beside;
pub mod console;
pub mod deployment;
pub mod dispatcher;
pub mod errand;
#[cfg(test)]
mod errand_tests;
pub mod executor;
pub mod letters;
pub mod listener;
pub mod lock;
pub mod query;
pub mod recovery;
pub mod rehearsal;
pub mod report;
pub mod scribe;
mod selection;
pub mod shutdown;
pub mod start;
pub mod tasks;

pub use start::{StartError, Worker};
