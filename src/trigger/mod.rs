//! Which triggers an event meets: filters and the routes they make. Pure.

#[cfg(test)]
mod arbitrary;
mod attribute;
pub mod cesql;
pub mod explain;
pub mod filter;
mod near;
pub mod routes;

pub use explain::{Clause, Verdict};
pub use filter::Filter;
pub use routes::Routes;
