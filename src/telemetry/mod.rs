//! What the worker says about itself.

pub mod log;
