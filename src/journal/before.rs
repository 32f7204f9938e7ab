//! Entries as format 6 has them, each with all of its names.

use std::borrow::Cow;

use super::entry::{self, Entry, Reply};
use crate::dispatch::{Outcome, Reason};
use crate::event::wire::{Corrupt, Reader};
use crate::event::{Position, Uid};

pub(super) fn decode<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, Corrupt> {
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
        replies.push(Reply { id: Cow::Borrowed(reader.str()?), ty: reader.str()? });
    }
    let (fuel, memory) = (reader.varint()?, reader.varint()?);
    let price = reader.varint()?;
    let (version, replay, memory_limit) = (reader.u64()?, reader.varint32()?, reader.varint()?);
    let (fenced, dead_letter) = entry::ending(reader)?;
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

/// As a weir before wrote it.
#[cfg(test)]
pub(super) fn encode(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let mut out = crate::event::wire::Writer(out);
    out.u128(entry.delivery.0);
    entry.position.encode(&mut out);
    for name in [entry.trigger, entry.function, entry.tenant] {
        out.str(name);
    }
    out.varint(entry.attempt.into());
    out.u8(entry.outcome.code());
    out.u8(entry.reason.code());
    out.varint(entry.ended);
    out.varint(entry.wall_ns);
    out.varint(entry.init_ns.unwrap_or(0));
    out.varint(entry.bytes_in);
    out.varint(entry.bytes_out);
    for text in [entry.event_id, entry.event_source, entry.event_type] {
        out.str(text);
    }
    out.varint(entry.replies.len() as u64);
    for reply in &entry.replies {
        out.str(&reply.id);
        out.str(reply.ty);
    }
    out.varint(entry.fuel);
    out.varint(entry.memory);
    out.varint(entry.price);
    out.u64(entry.version);
    out.varint(entry.replay.into());
    out.varint(entry.memory_limit);
    out.u8(u8::from(entry.fenced));
}
