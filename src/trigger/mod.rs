//! Which triggers an event meets: filters and the routes they make. Pure.

pub mod cesql;
pub mod filter;
pub mod routes;

pub use filter::Filter;
pub use routes::Routes;
