//! The worker: what the floors below offer, put together and run.
//!
//! ```text
//! publishers -> listener -> source/http -> [intake] -> scribe -> archive: queue, journal, dead letters, parking (disk)
//!                                                        |  ^
//!                 source/queue <- [durable] -------------+  | [batches] <- porter -> Kafka
//!                      |                                 |  |                ^
//!                      +-> [arrivals] -> dispatcher (core) -+<- [settled]    | [parcels]
//!                                         |     ^
//!                                  [jobs] |     | [done]
//!                       executors (warm instances), courier -> client (HTTP subscribers)
//! ```

pub mod admin;
pub mod archive;
#[cfg(test)]
mod archive_tests;
pub mod attempt;
mod awaited;
pub mod backings;
pub mod backlog;
mod beside;
mod budget;
mod carrier;
pub mod change;
pub mod chatter;
pub mod choice;
pub mod console;
pub mod courier;
mod crew;
mod dead_event;
pub mod deployment;
mod descriptors;
pub mod desk;
mod direct;
pub mod dispatcher;
mod doings;
pub mod errand;
#[cfg(test)]
mod errand_tests;
pub mod executor;
mod exporter;
mod feeds;
mod fleeting;
pub mod in_force;
mod ingress;
pub mod last_good;
mod latecomer;
pub mod letters;
pub mod listener;
pub mod lock;
mod meter;
mod notice;
mod outgoing;
pub mod outlets;
mod patience;
pub mod permit;
pub mod porter;
mod price;
pub mod query;
pub mod queue_uid;
pub mod recovery;
pub mod rehearsal;
pub mod reload;
mod reply;
pub mod report;
pub mod room;
mod scrape;
pub mod scribe;
mod selection;
mod server;
pub mod set;
mod shares;
pub mod shipment;
pub mod shutdown;
pub mod spares;
mod spent;
pub mod start;
pub mod stillness;
mod streams;
pub mod tasks;
mod told;
pub mod watch;

pub use choice::Start;
pub use start::{StartError, Worker};
pub use watch::Places;
