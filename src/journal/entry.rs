//! What one attempt cost, and why: the unit of every bill. Integers only: nanoseconds, bytes, counts.

use std::borrow::Cow;

use super::heading::Heading;
use crate::dispatch::{Outcome, Reason};
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::event::{Position, Uid};

/// One attempt, borrowed from the event that it was about or the segment that it stands in. Names are written in full, once a
/// segment, so that an entry is understood without the files of its day.
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
    pub id: Cow<'a, str>,
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

    /// For the journal: the heading with its length before it, then what is its own. A segment takes them apart.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let begun = out.len();
        out.extend_from_slice(&[0; size_of::<u32>()]);
        self.heading().encode(&mut Writer(out));
        let length = out.len() - begun - size_of::<u32>();
        let length =
            u32::try_from(length).expect("names are of a document or an event, whose size is bounded");
        out[begun..][..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
        self.encode_own(&mut Writer(out));
    }

    /// Heading and own part of what `encode` wrote.
    pub(super) fn parts(encoded: &[u8]) -> Result<(&[u8], &[u8]), Corrupt> {
        let mut reader = Reader::new(encoded);
        let length = reader.u32()? as usize;
        Ok((reader.take(length)?, reader.rest()))
    }

    fn heading(&self) -> Heading<'a> {
        Heading {
            source: self.position.source,
            trigger: self.trigger,
            function: self.function,
            tenant: self.tenant,
            version: self.version,
            memory_limit: self.memory_limit,
            event_source: self.event_source,
            event_type: self.event_type,
            replies: self.replies.iter().map(|reply| reply.ty).collect(),
        }
    }

    fn encode_own(&self, out: &mut Writer<'_>) {
        out.u128(self.delivery.0);
        out.varint(self.position.partition.into());
        out.varint(self.position.offset);
        out.varint(self.replay.into());
        out.varint(self.attempt.into());
        out.u8(self.outcome.code());
        out.u8(self.reason.code());
        out.u64(self.ended);
        out.varint(self.wall_ns);
        // 0 is warm: a cold start of no time at all does not happen.
        out.varint(self.init_ns.map_or(0, |ns| ns.max(1)));
        out.varint(self.fuel);
        out.varint(self.memory);
        out.varint(self.price);
        out.varint(self.bytes_in);
        out.varint(self.bytes_out);
        out.str(self.event_id);
        for reply in &self.replies {
            // Nearly all are called after the event.
            let shared = shared(self.event_id, &reply.id);
            out.varint(shared as u64);
            out.str(&reply.id[shared..]);
        }
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

    /// One that `encode` has just written, and that stands in no segment yet.
    pub fn of_bytes(encoded: &'a [u8]) -> Result<Entry<'a>, Corrupt> {
        let (heading, own) = Entry::parts(encoded)?;
        Entry::decode_own(&Heading::decode(&mut Reader::new(heading))?, &mut Reader::new(own))
    }

    pub(super) fn decode_own(heading: &Heading<'a>, reader: &mut Reader<'a>) -> Result<Entry<'a>, Corrupt> {
        let delivery = Uid(reader.u128()?);
        let position =
            Position { source: heading.source, partition: reader.varint32()?, offset: reader.varint()? };
        let (replay, attempt) = (reader.varint32()?, reader.varint32()?);
        let outcome = Outcome::read(reader)?;
        let reason = Reason::read(reader)?;
        let (ended, wall_ns) = (reader.u64()?, reader.varint()?);
        let init_ns = Some(reader.varint()?).filter(|&ns| ns > 0);
        let (fuel, memory, price) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let (bytes_in, bytes_out) = (reader.varint()?, reader.varint()?);
        let event_id = reader.str()?;
        let mut replies = Vec::with_capacity(heading.replies.len());
        for ty in &heading.replies {
            let shared = event_id.get(..reader.length()?).ok_or(Corrupt::Truncated)?;
            let id = match reader.str()? {
                whole if shared.is_empty() => Cow::Borrowed(whole),
                rest => Cow::Owned([shared, rest].concat()),
            };
            replies.push(Reply { id, ty });
        }
        let (fenced, dead_letter) = ending(reader)?;
        Ok(Entry {
            delivery,
            position,
            trigger: heading.trigger,
            function: heading.function,
            tenant: heading.tenant,
            version: heading.version,
            replay,
            attempt,
            outcome,
            reason,
            ended,
            wall_ns,
            init_ns,
            fuel,
            memory,
            memory_limit: heading.memory_limit,
            price: if fenced { 0 } else { price },
            bytes_in,
            bytes_out,
            event_id,
            event_source: heading.event_source,
            event_type: heading.event_type,
            replies,
            fenced,
            dead_letter,
        })
    }
}

/// Fenced, a dead letter.
pub(super) fn ending(reader: &mut Reader<'_>) -> Result<(bool, bool), Corrupt> {
    match reader.u8()? {
        0 => Ok((false, false)),
        FENCED => Ok((true, false)),
        DEAD_LETTER => Ok((false, true)),
        other => Err(Corrupt::Unknown { what: "end of an attempt", found: other.into() }),
    }
}

/// With how many bytes both begin, in whole characters.
fn shared(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    one.floor_char_boundary(same)
}
