//! weir: an event-driven stream-processing worker.
//!
//! The modules are floors; an import goes strictly downward (tests/tidy.rs holds that):
//!
//! ```text
//! 7  cli                              the command line
//! 6  worker                           composition, the loop, threads, shutdown
//! 5  source sink function journal     in, out, WasmEdge, costs
//! 4  store telemetry client           the log on disk; what the worker says; the HTTP client
//! 3  config                           documents to a checked Config
//! 2  dispatch                         the pure core: step(inputs, now) -> effects
//! 1  trigger                          filters and routes
//! 0  event time                       CloudEvents; the clock
//! ```
//!
//! Users of the library meet events as the SDK's [`cloudevents::Event`]; within, they are [`event::Event`], which
//! borrows from the bytes that it came in. [`event::sdk`] says what either can't hold of the other.
//!
//! ```
//! use cloudevents::{EventBuilder, EventBuilderV10};
//! use weir::event::{Event, structured};
//!
//! let public = EventBuilderV10::new()
//!     .id("o-1")
//!     .source("/shop")
//!     .ty("order.created")
//!     .data("application/json", serde_json::json!({ "amount": 12000 }))
//!     .build()
//!     .unwrap();
//! let ours = Event::try_from(&public).unwrap();
//! let mut json = Vec::new();
//! structured::encode(&ours, &mut json);
//! assert_eq!(structured::decode(&json).unwrap(), ours);
//! assert_eq!(cloudevents::Event::try_from(&ours).unwrap(), public);
//! ```

pub use cloudevents;

pub mod cli;
pub mod client;
pub mod config;
pub mod dispatch;
pub mod event;
pub mod function;
pub mod journal;
pub mod money;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod trigger;
pub mod worker;
