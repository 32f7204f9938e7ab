//! An event on its way through the worker: its bytes and where they came from.

use bytes::Bytes;

use super::wire::{Corrupt, Reader, Writer};
use super::{Event, Uid, record};

/// Where an event stands in its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub source: Uid,
    pub partition: u32,
    /// The offset in Kafka, the sequence in NATS and the embedded queue.
    pub offset: u64,
}

/// A partition of a source, as positions name it.
pub type Stream = (Uid, u32);

impl Position {
    /// As it stands in our own formats.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u128(self.source.0);
        out.varint(self.partition.into());
        out.varint(self.offset);
    }

    pub fn decode(reader: &mut Reader<'_>) -> Result<Position, Corrupt> {
        Ok(Position { source: Uid(reader.u128()?), partition: reader.varint32()?, offset: reader.varint()? })
    }
}

/// One assignment of a partition to this worker. What an earlier assignment still produces is fenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// An event, its position and the assignment under which it was read. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub position: Position,
    pub epoch: Epoch,
    record: Bytes,
}

impl Envelope {
    /// Checks the record once; [`event`](Self::event) then can't fail.
    pub fn new(position: Position, epoch: Epoch, record: Bytes) -> Result<Envelope, record::Corrupt> {
        record::decode(&record)?;
        Ok(Envelope { position, epoch, record })
    }

    /// What was an event just now needs no check.
    pub fn of(position: Position, epoch: Epoch, event: &Event<'_>) -> Envelope {
        let mut bytes = Vec::new();
        record::encode(event, &mut bytes);
        Envelope { position, epoch, record: bytes.into() }
    }

    /// The event, borrowed from the envelope's bytes.
    pub fn event(&self) -> Event<'_> {
        record::decode(&self.record).expect("checked, or encoded here")
    }

    pub fn record(&self) -> &Bytes {
        &self.record
    }
}
