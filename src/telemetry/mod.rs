//! What the worker says about itself.

pub mod limit;
pub mod log;
pub mod metrics;
mod shown;

pub use shown::Shown;
