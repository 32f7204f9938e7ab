//! Which triggers an event meets: filters and the routes they make. Pure.

pub mod filter;
pub mod routes;

pub use filter::Filter;
pub use routes::Routes;
