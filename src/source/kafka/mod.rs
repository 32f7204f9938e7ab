//! Kafka: how a cluster is spoken to, what its records are as events, and how they are consumed.

pub mod client;
mod commits;
pub mod consumer;
pub mod done;
mod farewell;
pub mod firsts;
mod gauge;
mod group;
mod inlet;
pub mod news;
mod offsets;
pub mod parked;
mod parking_topic;
mod rebalance;
pub mod record;
mod start;

pub use consumer::{Consumed, Consumer, Ends};
pub use done::Done;
pub use farewell::Farewell;
pub use firsts::Firsts;
pub use group::Place;
pub use news::{News, Order};
pub use offsets::{Committed, committed, fits, list as commits};
pub use parked::Wanted;
pub use parking_topic::KEPT;
pub use record::{Reading, Record};
pub use start::Start;
