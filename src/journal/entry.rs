//! What one attempt cost, and why: the unit of every bill. Integers only: nanoseconds, bytes, counts.

use super::segment::FORMAT;
use crate::dispatch::{Outcome, Reason};
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::event::{Position, Uid};

/// One attempt, borrowed from the event that it was about or the segment that it stands in. Names are written in full,
/// so that an entry is understood without the files of its day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub delivery: Uid,
    pub position: Position,
    pub trigger: &'a str,
    pub function: &'a str,
    pub tenant: &'a str,
    /// The beginning of its module's digest; 0: there is none.
    pub version: u64,
    /// How often its dead letter was replayed before.
    pub replay: u32,
    /// Counted from 1.
    pub attempt: u32,
    pub outcome: Outcome,
    pub reason: Reason,
    /// When the attempt ended, in nanoseconds since 1970.
    pub ended: u64,
    /// How long the function ran.
    pub wall_ns: u64,
    /// How long the instance took to make, where this attempt made one (a cold start).
    pub init_ns: Option<u64>,
    /// How much work it did, in units of fuel.
    pub fuel: u64,
    /// What its instance's memory took up afterwards, in bytes.
    pub memory: u64,
    /// What that may grow to; 0: there is none.
    pub memory_limit: u64,
    /// What it costs by its function's price of that moment, in trillionths of a unit of money.
    pub price: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub event_id: &'a str,
    pub event_source: &'a str,
    pub event_type: &'a str,
    pub replies: Vec<Reply<'a>>,
    /// A late result of an assignment that was lost: it has no price.
    pub fenced: bool,
    /// Its delivery ended with it, as a dead letter.
    pub dead_letter: bool,
}

/// A reply, by what finds it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    pub id: &'a str,
    pub ty: &'a str,
}

/// What it came to, as its last byte: that is known only after the attempt. 0: nothing in particular.
const FENCED: u8 = 1;
const DEAD_LETTER: u8 = 2;

impl<'a> Entry<'a> {
    pub fn charge(&self) -> Uid {
        Uid::of_charge(self.delivery, self.attempt)
    }

    /// As people and billing are told it.
    pub fn version_name(&self) -> Option<String> {
        (self.version != 0).then(|| format!("{:016x}", self.version))
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.u128(self.delivery.0);
        self.position.encode(&mut out);
        for name in [self.trigger, self.function, self.tenant] {
            out.str(name);
        }
        out.varint(self.attempt.into());
        out.u8(self.outcome.code());
        out.u8(self.reason.code());
        out.varint(self.ended);
        out.varint(self.wall_ns);
        // 0 is warm: a cold start of no time at all does not happen.
        out.varint(self.init_ns.map_or(0, |ns| ns.max(1)));
        out.varint(self.bytes_in);
        out.varint(self.bytes_out);
        for text in [self.event_id, self.event_source, self.event_type] {
            out.str(text);
        }
        out.varint(self.replies.len() as u64);
        for reply in &self.replies {
            out.str(reply.id);
            out.str(reply.ty);
        }
        out.varint(self.fuel);
        out.varint(self.memory);
        out.varint(self.price);
        out.u64(self.version);
        out.varint(self.replay.into());
        out.varint(self.memory_limit);
        out.u8(match (self.fenced, self.dead_letter) {
            (true, _) => FENCED,
            (false, true) => DEAD_LETTER,
            (false, false) => 0,
        });
    }

    /// Makes of an entry as it was encoded one that is fenced: that is known only after the attempt.
    pub fn fence(encoded: &mut [u8]) {
        *encoded.last_mut().expect("an entry has bytes") = FENCED;
    }

    /// The same of one with which its delivery ended as a dead letter.
    pub fn bury(encoded: &mut [u8]) {
        *encoded.last_mut().expect("an entry has bytes") = DEAD_LETTER;
    }

    /// One that this version has just encoded, and that stands in no segment yet.
    pub fn of_bytes(encoded: &'a [u8]) -> Result<Entry<'a>, Corrupt> {
        Entry::decode(&mut Reader::new(encoded), FORMAT)
    }

    /// `format` is that of the segment it stands in.
    pub fn decode(reader: &mut Reader<'a>, format: u8) -> Result<Entry<'a>, Corrupt> {
        let delivery = Uid(reader.u128()?);
        let position =
            Position { source: Uid(reader.u128()?), partition: reader.varint32()?, offset: reader.varint()? };
        let (trigger, function, tenant) = (reader.str()?, reader.str()?, reader.str()?);
        let attempt = reader.varint32()?;
        let outcome = Outcome::read(reader)?;
        let reason = Reason::read(reader)?;
        let (ended, wall_ns) = (reader.varint()?, reader.varint()?);
        let init_ns = Some(reader.varint()?).filter(|&ns| ns > 0);
        let (bytes_in, bytes_out) = (reader.varint()?, reader.varint()?);
        let (event_id, event_source, event_type) = (reader.str()?, reader.str()?, reader.str()?);
        let mut replies = Vec::new();
        for _ in 0..reader.length()? {
            replies.push(Reply { id: reader.str()?, ty: reader.str()? });
        }
        let (fuel, memory) = (reader.varint()?, reader.varint()?);
        let price = reader.varint()?;
        let (version, replay, memory_limit) = (reader.u64()?, reader.varint32()?, reader.varint()?);
        let (fenced, dead_letter) = match reader.u8()? {
            0 => (false, false),
            FENCED => (true, false),
            DEAD_LETTER if format > 5 => (false, true),
            other => return Err(Corrupt::Unknown { what: "end of an attempt", found: other.into() }),
        };
        Ok(Entry {
            delivery,
            position,
            trigger,
            function,
            tenant,
            version,
            replay,
            attempt,
            outcome,
            reason,
            ended,
            wall_ns,
            init_ns,
            fuel,
            memory,
            memory_limit,
            price: if fenced { 0 } else { price },
            bytes_in,
            bytes_out,
            event_id,
            event_source,
            event_type,
            replies,
            fenced,
            dead_letter,
        })
    }
}
