//! What one attempt cost, and why: the unit of every bill. Integers only: nanoseconds, bytes, counts.

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
}

/// A reply, by what finds it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    pub id: &'a str,
    pub ty: &'a str,
}

impl<'a> Entry<'a> {
    pub fn charge(&self) -> Uid {
        Uid::of_charge(self.delivery, self.attempt)
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
        out.u8(self.fenced.into());
    }

    /// Makes of an entry as it was encoded one that is fenced: that is known only after the attempt.
    pub fn fence(encoded: &mut [u8]) {
        *encoded.last_mut().expect("an entry has bytes") = 1;
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
        let price = if format == 3 { 0 } else { reader.varint()? };
        let fenced = match reader.u8()? {
            0 => false,
            1 => true,
            other => {
                return Err(Corrupt::Unknown { what: "answer to whether it is fenced", found: other.into() });
            }
        };
        Ok(Entry {
            delivery,
            position,
            trigger,
            function,
            tenant,
            attempt,
            outcome,
            reason,
            ended,
            wall_ns,
            init_ns,
            fuel,
            memory,
            price: if fenced { 0 } else { price },
            bytes_in,
            bytes_out,
            event_id,
            event_source,
            event_type,
            replies,
            fenced,
        })
    }
}
