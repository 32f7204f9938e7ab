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
//!                       executors (warm instances), courier -> client (HTTP subscribers)
//! ```

pub mod admin;
pub mod archive;
#[cfg(test)]
mod archive_tests;
pub mod attempt;
pub mod backlog;
mod beside;
mod carrier;
pub mod change;
pub mod chatter;
pub mod choice;
pub mod console;
pub mod courier;
pub mod deployment;
mod descriptors;
pub mod desk;
mod direct;
pub mod dispatcher;
pub mod errand;
#[cfg(test)]
mod errand_tests;
pub mod executor;
mod exporter;
pub mod in_force;
mod ingress;
pub mod last_good;
pub mod letters;
pub mod listener;
pub mod lock;
mod meter;
pub mod permit;
mod price;
pub mod query;
pub mod recovery;
pub mod rehearsal;
pub mod reload;
mod reply;
pub mod report;
mod scrape;
pub mod scribe;
mod selection;
mod server;
pub mod set;
pub mod shutdown;
pub mod spares;
pub mod start;
pub mod stillness;
pub mod tasks;
mod told;
pub mod watch;

pub use choice::Start;
pub use start::{StartError, Worker};
pub use watch::Places;
