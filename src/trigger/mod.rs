//! Which triggers an event meets: filters and the routes they make. Pure.

mod alike;
#[cfg(test)]
mod arbitrary;
mod attribute;
pub mod cesql;
mod claim;
mod criteria;
pub mod data;
pub mod explain;
pub mod filter;
mod near;
mod need;
mod reach;
pub mod routes;

pub use alike::Form;
pub use criteria::Criteria;
pub use data::DataFilter;
pub use explain::{Clause, Verdict};
pub use filter::Filter;
pub use routes::{Memo, Routes};
