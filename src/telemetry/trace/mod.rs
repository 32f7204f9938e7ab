//! Traces: how an event's way leads through this worker, for those who follow it from its publisher to whoever has the last
//! reply. What is traced is decided by the event's own `traceparent`, else by its position.

pub mod context;
pub mod doings;
pub mod span;
pub mod spans;

pub use context::{Context, Sampling};
pub use span::{About, Of, Span, Traced};
pub use spans::Spans;
