//! Which triggers an event meets: filters and the routes they make. Pure.

mod attribute;
pub mod cesql;
pub mod filter;
pub mod routes;

pub use filter::Filter;
pub use routes::Routes;
