//! A segment of the embedded queue: the records that became durable together, each with the broker that it is for, and
//! the deliveries that ended with them. A reply and the end of the delivery that made it are durable in one write, so
//! no crash can come between them: a delivery whose reply is in the queue never runs again.

use super::Uid;
use super::wire::{Corrupt, Reader, Writer};

const FORMAT: u8 = 1;

/// A segment as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sequence number of the first record; the others follow without a gap.
    pub first: u64,
    pub records: Vec<(Uid, &'a [u8])>,
    pub ended: Vec<Ended>,
}

/// A delivery that has ended: its event's number in this queue, and the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ended {
    pub offset: u64,
    pub trigger: Uid,
}

impl<'a> Segment<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Segment<'a>, Corrupt> {
        let mut reader = Reader::new(bytes);
        reader.version(FORMAT)?;
        let first = reader.varint()?;
        let count = reader.length()?;
        let mut records = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            records.push((Uid(reader.u128()?), reader.bytes()?));
        }
        let count = reader.length()?;
        let mut ended = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            ended.push(Ended { offset: reader.varint()?, trigger: Uid(reader.u128()?) });
        }
        reader.finish()?;
        Ok(Segment { first, records, ended })
    }

    /// The sequence number after the last record.
    pub fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

/// Collects records; the buffer is used again.
#[derive(Debug, Default)]
pub struct Builder {
    records: Vec<u8>,
    count: u64,
    ended: Vec<Ended>,
}

impl Builder {
    pub fn push(&mut self, broker: Uid, record: &[u8]) {
        let mut out = Writer(&mut self.records);
        out.u128(broker.0);
        out.bytes(record);
        self.count += 1;
    }

    pub fn end(&mut self, ended: Ended) {
        self.ended.push(ended);
    }

    pub fn encode(&self, first: u64) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.records.len() + 24 * self.ended.len() + 16);
        let mut out = Writer(&mut whole);
        out.u8(FORMAT);
        out.varint(first);
        out.varint(self.count);
        whole.extend_from_slice(&self.records);
        let mut out = Writer(&mut whole);
        out.varint(self.ended.len() as u64);
        for ended in &self.ended {
            out.varint(ended.offset);
            out.u128(ended.trigger.0);
        }
        whole
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.ended.is_empty()
    }

    pub fn clear(&mut self) {
        self.records.clear();
        self.count = 0;
        self.ended.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_built_is_read(first in 0..u64::MAX / 2, records in prop::collection::vec((any::<u128>(), any::<Vec<u8>>()), 0..20), ends: Vec<(u64, u128)>) {
            let mut builder = Builder::default();
            records.iter().for_each(|(broker, record)| builder.push(Uid(*broker), record));
            let ended: Vec<_> = ends.iter().map(|&(offset, uid)| Ended { offset, trigger: Uid(uid) }).collect();
            ended.iter().for_each(|&ended| builder.end(ended));
            let bytes = builder.encode(first);
            let segment = Segment::decode(&bytes).unwrap();
            prop_assert_eq!(segment.first, first);
            prop_assert_eq!(segment.end(), first + records.len() as u64);
            let expected: Vec<_> = records.iter().map(|(b, r)| (Uid(*b), r.as_slice())).collect();
            prop_assert_eq!(segment.records, expected);
            prop_assert_eq!(segment.ended, ended);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Segment::decode(&bytes);
        }
    }
}
