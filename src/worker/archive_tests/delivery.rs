//! A delivery as the tests follow it, and what an attempt at it leaves behind.

use crate::dispatch::{Outcome, Reason};
use crate::event::{Position, Uid};
use crate::journal::Entry;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::parking::ParkedRecord;

/// Events for it have a delivery to each trigger; those for any other broker have none.
pub(super) const BROKER: Uid = Uid(1);
pub(super) const REPLIES: Uid = Uid(2);
pub(super) const TRIGGERS: [&str; 2] = ["default/stays", "default/goes"];

pub(super) fn uid_of(trigger: &str) -> Uid {
    let (namespace, name) = trigger.split_once('/').unwrap();
    Uid::of_document(namespace, "Trigger", name)
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Deliver,
    /// Delivered, and one of its replies has gone round too often.
    Loop,
    DeadLetter,
    Park,
    Retry,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    Queue,
    Parked,
    Letter,
    /// Delivered, dropped or replayed.
    Over,
}

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) position: Position,
    pub(super) trigger: &'static str,
    pub(super) replay: u32,
    pub(super) attempts: u32,
    /// Durable, as far as has been told.
    pub(super) place: Place,
    /// Where it may be since then, if it was written.
    pub(super) perhaps: Vec<Place>,
    pub(super) parked: Option<u64>,
    /// Is it with the archive, and unanswered?
    pub(super) busy: bool,
    /// Has it been delivered with a reply, and one that went round too often?
    pub(super) replied: bool,
    pub(super) looped: bool,
    pub(super) record: Vec<u8>,
}

pub(super) fn entry(uid: Uid, d: &Delivery, outcome: Outcome, reason: Reason) -> Vec<u8> {
    let entry = Entry {
        delivery: uid,
        position: d.position,
        trigger: d.trigger,
        function: "default/f",
        tenant: "t",
        version: 0,
        replay: 0,
        attempt: d.attempts,
        outcome,
        reason,
        ended: 1,
        wall_ns: 5,
        init_ns: None,
        fuel: 0,
        price: 0,
        memory: 0,
        memory_limit: 0,
        bytes_in: 1,
        bytes_out: 1,
        event_id: "e",
        event_source: "/test",
        event_type: "t",
        replies: Vec::new(),
        fenced: false,
        dead_letter: false,
    };
    let mut bytes = Vec::new();
    entry.encode(&mut bytes);
    bytes
}

pub(super) fn letter(uid: Uid, d: &Delivery, reason: Reason) -> Vec<u8> {
    let letter = DeadLetter {
        delivery: uid,
        position: d.position,
        broker: BROKER,
        trigger: d.trigger,
        function: "default/f",
        attempts: d.attempts,
        replay: d.replay,
        outcome: Outcome::Permanent,
        reason,
        message: "",
        ended: 1,
        record: &d.record,
    };
    let mut bytes = Vec::new();
    letter.encode(&mut bytes);
    bytes
}

pub(super) fn parked(uid: Uid, d: &Delivery) -> ParkedRecord<'_> {
    ParkedRecord {
        delivery: uid,
        position: d.position,
        broker: BROKER,
        trigger: uid_of(d.trigger),
        attempts: d.attempts,
        failures: d.attempts,
        replay: d.replay,
        due: 5,
        holds: false,
        letter: None,
        record: &d.record,
    }
}
