//! What many entries of a segment have in common, so that it stands there once: who made the attempts, of which events, and
//! whose bill they are on.

use crate::event::Uid;
use crate::event::wire::{Corrupt, Reader, Writer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heading<'a> {
    pub(super) source: Uid,
    pub(super) trigger: &'a str,
    pub(super) function: &'a str,
    pub(super) tenant: &'a str,
    pub(super) version: u64,
    pub(super) memory_limit: u64,
    pub(super) event_source: &'a str,
    pub(super) event_type: &'a str,
    /// The types of the replies, in their order.
    pub(super) replies: Vec<&'a str>,
}

impl<'a> Heading<'a> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        out.u128(self.source.0);
        for name in [self.trigger, self.function, self.tenant] {
            out.str(name);
        }
        out.u64(self.version);
        out.varint(self.memory_limit);
        out.str(self.event_source);
        out.str(self.event_type);
        out.varint(self.replies.len() as u64);
        self.replies.iter().for_each(|ty| out.str(ty));
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Heading<'a>, Corrupt> {
        Ok(Heading {
            source: Uid(reader.u128()?),
            trigger: reader.str()?,
            function: reader.str()?,
            tenant: reader.str()?,
            version: reader.u64()?,
            memory_limit: reader.varint()?,
            event_source: reader.str()?,
            event_type: reader.str()?,
            replies: (0..reader.length()?).map(|_| reader.str()).collect::<Result<_, _>>()?,
        })
    }
}
