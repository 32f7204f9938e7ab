//! What a consumer tells the loop, and what the loop wants of it.

use crate::event::parked::Label;
use crate::event::{Envelope, Epoch, Uid};
use crate::source::queue::Arrival;

#[derive(Debug)]
pub enum News {
    /// What comes from here on is of this life of the stream. What is under way of an earlier one is nobody's: the stream was
    /// made anew, and its sequences begin again.
    Begun(Epoch),
    Read(Read),
}

#[derive(Debug, Default)]
pub struct Read {
    pub arrivals: Vec<Arrival>,
    /// Deliveries that were parked, by whomever, and are due.
    pub parked: Vec<Parked>,
}

#[derive(Debug)]
pub struct Parked {
    pub label: Label,
    pub envelope: Envelope,
    pub broker: Uid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each delivery of the message has ended, and that is durable. `buried`: one of them as a dead letter.
    Settled { sequence: u64, buried: bool },
    /// The same of a parked record.
    Unparked(u64),
    /// Everything else is to be given back: the worker stops.
    End,
}
