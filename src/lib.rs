//! weir: an event-driven stream-processing worker.
//!
//! The modules are floors; an import goes strictly downward (tests/tidy.rs holds that):
//!
//! ```text
//! 6  cli                      the command line
//! 5  worker                   composition, the loop, threads, shutdown
//! 4  source sink function journal store telemetry
//! 3  config                   documents to a checked Config
//! 2  dispatch                 the pure core: step(inputs, now) -> effects
//! 1  trigger                  filters and routes
//! 0  event time               CloudEvents; the clock
//! ```

pub mod cli;
pub mod config;
pub mod dispatch;
pub mod event;
pub mod function;
pub mod journal;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod trigger;
pub mod worker;
