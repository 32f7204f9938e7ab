//! How usage gets to where it goes.

use std::time::Duration;

use super::broker::Parcels;
use super::file::Lines;
use super::http::Posts;
use crate::event::{Event, structured};
use crate::journal::Entry;

/// An entry on its way, in the form of where it goes.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub bytes: Vec<u8>,
    /// For whoever looks for one that was refused.
    pub charge: String,
    /// So many of the journal's have gone with it.
    pub entries: u64,
}

/// What became of some that went together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of them are there for good.
    Acknowledged,
    /// The first so many are; of the next nobody knows.
    Partly(usize),
    /// They will not be taken: one of them is wrong, or all are.
    Refused(String),
    /// Not now. Where it was said, after this time.
    Again(String, Option<Duration>),
    /// The worker stops.
    Stopped,
}

#[derive(Debug)]
pub(super) enum Way {
    Http(Box<Posts>),
    Broker(Parcels),
    File(Lines),
}

impl Way {
    pub(super) fn encode(&self, entry: &Entry<'_>, subject: &str, out: &mut Vec<u8>) {
        match self {
            Way::Http(_) | Way::Broker(_) => super::in_json(entry, subject, out),
            Way::File(lines) => lines.encode(entry, subject, out),
        }
    }

    /// One that is no entry's.
    pub(super) fn put(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        structured::encode(event, out);
        if let Way::File(_) = self {
            out.push(b'\n');
        }
    }

    pub(super) fn send(&mut self, usage: &[Usage]) -> Sent {
        match self {
            Way::Http(posts) => posts.send(usage),
            Way::Broker(parcels) => parcels.send(usage),
            Way::File(lines) => lines.send(usage),
        }
    }
}
