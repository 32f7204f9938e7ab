//! NATS JetStream: what its messages are as events, and how they are consumed.

pub mod consumer;
pub mod durable;
mod gauge;
mod handover;
mod held;
mod idle;
mod line;
mod look;
pub mod message;
pub mod news;
pub mod onlooker;
mod partition;
pub mod partitioned;
mod peers;
mod shelf;
mod tenure;

pub use consumer::{Consumed, Consumer, Ends};
pub use durable::{Durable, Parking, Unfit};
pub use message::{Message, Reading};
pub use news::{News, Order};
pub use onlooker::{Onlooker, written};
pub use partitioned::Partitioned;
