//! What a consumer tells the loop, and what the loop wants of it.

use std::time::Instant;

use super::done::Done;
use crate::dispatch::{Input, Progress, StubKey};
use crate::event::parked::Label;
use crate::event::{Envelope, Epoch, Stream, Uid};
use crate::source::queue::Arrival;

#[derive(Debug)]
pub enum News {
    /// Ours from here on. Said before anything of it is read.
    Assigned(Vec<Assignment>),
    /// To be given back: each is answered by `Order::Leave` when what has begun of it has ended.
    Revoked(Vec<Stream>),
    /// Gone: others have them already, and what still runs of them is fenced.
    Lost(Vec<Stream>),
}

#[derive(Debug)]
pub struct Assignment {
    pub stream: Stream,
    pub epoch: Epoch,
    pub progress: Progress,
    pub parked: Vec<Label>,
    /// Where it parks, and what is done there.
    pub place: i32,
    /// `None`: what is done there is said one by one, as `Order::Over`.
    pub done: Option<Done>,
}

#[derive(Debug, Default)]
pub struct Read {
    pub arrivals: Vec<Arrival>,
    /// Nothing below these offsets is still to come.
    pub passed: Vec<(Stream, Epoch, u64)>,
}

#[derive(Debug)]
pub enum Order {
    /// To be committed, soon: how far these are done.
    Commit(Vec<Commit>),
    /// Nothing of it is at work any more, or time is up: give it back with this.
    Leave(Commit),
    /// Read no more of it for now, or go on.
    Hold(Stream, bool),
    /// A record that was parked of it is done, durably. Kafka's are told by commits.
    Over(Stream, u64),
    /// Everything is to be given back: the worker stops, and waits for the last commit until then.
    End { commits: Vec<Commit>, by: Instant },
}

#[derive(Clone, Debug)]
pub struct Commit {
    pub stream: Stream,
    pub epoch: Epoch,
    pub progress: Progress,
    /// Of what is parked of it.
    pub parked: Option<Progress>,
}

/// A parked event that was asked for.
#[derive(Debug)]
pub struct Fetched {
    pub stub: StubKey,
    pub envelope: Envelope,
    pub broker: Uid,
}

impl Fetched {
    pub fn into_input<R>(self) -> Input<R> {
        let Fetched { stub, envelope, broker } = self;
        Input::Fetched { stub, envelope, broker }
    }
}
