//! What the worker says about itself.

pub mod limit;
pub mod log;
pub mod metrics;
pub mod otlp;
mod shown;
pub mod trace;

pub use shown::Shown;
