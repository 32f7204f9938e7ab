//! What the sinks of Kafka and NATS have in common.

use crate::event::Uid;

use super::{KafkaSink, NatsSink};

/// What the worker writes events to.
#[derive(Clone, Debug)]
pub struct Sink {
    pub uid: Uid,
    pub namespace: String,
    pub name: String,
    pub writes: Writes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    Kafka(KafkaSink),
    Nats(Box<NatsSink>),
}

/// How an event stands in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentMode {
    #[default]
    Binary,
    Structured,
}

impl ContentMode {
    pub(super) const WORDS: [(&str, ContentMode); 2] =
        [("binary", ContentMode::Binary), ("structured", ContentMode::Structured)];
}
