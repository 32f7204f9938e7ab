//! A segment of the embedded queue: the records that became durable together, each with the broker that it is for, and
//! the marks of the deliveries that ended with them. A reply and the end of the delivery that made it are durable in one
//! write, so no crash can come between them: a delivery whose reply is in the queue never runs again.

use super::Uid;
use super::wire::{Corrupt, Reader, Writer};

/// Format 1 has no parked records.
const FORMAT: u8 = 2;

/// A segment as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sequence number of the first record; the others follow without a gap.
    pub first: u64,
    pub records: Vec<(Uid, &'a [u8])>,
    pub marks: Vec<Mark>,
}

/// What a restart believes: that a delivery is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// A delivery of an event of this queue: delivered, dead-lettered or parked.
    Ended(Ended),
    /// The delivery of a parked record, by the record's id.
    Unparked(u64),
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
        let format = reader.version_or_before(FORMAT)?;
        let first = reader.varint()?;
        let count = reader.length()?;
        let mut records = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            records.push((Uid(reader.u128()?), reader.bytes()?));
        }
        let count = reader.length()?;
        let mut marks = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            marks.push(Mark::Ended(Ended { offset: reader.varint()?, trigger: Uid(reader.u128()?) }));
        }
        if format == FORMAT {
            for _ in 0..reader.length()? {
                marks.push(Mark::Unparked(reader.varint()?));
            }
        }
        reader.finish()?;
        Ok(Segment { first, records, marks })
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
    unparked: Vec<u64>,
}

impl Builder {
    pub fn push(&mut self, broker: Uid, record: &[u8]) {
        let mut out = Writer(&mut self.records);
        out.u128(broker.0);
        out.bytes(record);
        self.count += 1;
    }

    pub fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Ended(ended) => self.ended.push(ended),
            Mark::Unparked(id) => self.unparked.push(id),
        }
    }

    pub fn encode(&self, first: u64) -> Vec<u8> {
        let mut whole =
            Vec::with_capacity(self.records.len() + 24 * self.ended.len() + 4 * self.unparked.len() + 16);
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
        out.varint(self.unparked.len() as u64);
        self.unparked.iter().for_each(|&id| out.varint(id));
        whole
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.ended.is_empty() && self.unparked.is_empty()
    }

    pub fn clear(&mut self) {
        self.records.clear();
        self.count = 0;
        self.ended.clear();
        self.unparked.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_built_is_read(first in 0..u64::MAX / 2, records in prop::collection::vec((any::<u128>(), any::<Vec<u8>>()), 0..20), ends: Vec<(u64, u128)>, unparked: Vec<u64>) {
            let mut builder = Builder::default();
            records.iter().for_each(|(broker, record)| builder.push(Uid(*broker), record));
            let ended = ends.iter().map(|&(offset, uid)| Mark::Ended(Ended { offset, trigger: Uid(uid) }));
            let marks: Vec<_> = ended.chain(unparked.into_iter().map(Mark::Unparked)).collect();
            marks.iter().for_each(|&mark| builder.mark(mark));
            prop_assert_eq!(builder.is_empty(), records.is_empty() && marks.is_empty());
            let bytes = builder.encode(first);
            let segment = Segment::decode(&bytes).unwrap();
            prop_assert_eq!(segment.first, first);
            prop_assert_eq!(segment.end(), first + records.len() as u64);
            let expected: Vec<_> = records.iter().map(|(b, r)| (Uid(*b), r.as_slice())).collect();
            prop_assert_eq!(segment.records, expected);
            prop_assert_eq!(segment.marks, marks);
        }

        /// Every number of one byte is its own varint, and so these bytes stand as format 1 wrote them.
        #[test]
        fn format_1_is_read(offset in 0u8..128, trigger: u128, record in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut bytes = vec![1, 7, 1];
            bytes.extend([9; 16]);
            bytes.push(record.len() as u8);
            bytes.extend(&record);
            bytes.extend([1, offset]);
            bytes.extend(trigger.to_le_bytes());
            let segment = Segment::decode(&bytes).unwrap();
            prop_assert_eq!((segment.first, segment.end()), (7, 8));
            prop_assert_eq!(segment.records, [(Uid(u128::from_le_bytes([9; 16])), record.as_slice())]);
            prop_assert_eq!(segment.marks, [Mark::Ended(Ended { offset: offset.into(), trigger: Uid(trigger) })]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Segment::decode(&bytes);
        }
    }
}
