//! NATS JetStream: what its messages are as events, and how they are consumed.

pub mod consumer;
pub mod durable;
mod held;
mod line;
pub mod message;
pub mod news;
pub mod onlooker;

pub use consumer::{Consumed, Consumer, Ends};
pub use durable::{Durable, Parking, Unfit};
pub use message::{Message, Reading};
pub use news::{News, Order};
pub use onlooker::{Onlooker, written};
