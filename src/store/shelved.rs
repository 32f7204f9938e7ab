//! A segment of a shelf: records with their ids, in the order of the ids, and the number of the queue's segment that
//! holds the marks that go with them (records copied forward have theirs already).

use std::ops::Range;

use crate::event::wire::{Corrupt, Reader, Writer};

/// Format 1 is that of the dead letters before they were a shelf: without ids.
pub(super) const FORMAT: u8 = 2;

/// Takes a segment of format 1 apart: what each of its records would be on a shelf.
pub type Split = fn(&[u8]) -> Result<Vec<Vec<u8>>, Corrupt>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shelved {
    pub(super) with: Option<u64>,
    bytes: Vec<u8>,
    records: Vec<(u64, Range<usize>)>,
}

impl Shelved {
    pub(super) fn encode<'a>(
        with: Option<u64>,
        records: impl ExactSizeIterator<Item = (u64, &'a [u8])>,
    ) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let mut out = Writer(&mut bytes);
        out.varint(with.map_or(0, |with| with + 1));
        out.varint(records.len() as u64);
        let mut next = 0;
        for (id, record) in records {
            out.varint(id - next);
            out.bytes(record);
            next = id + 1;
        }
        bytes
    }

    pub(super) fn decode(bytes: Vec<u8>) -> Result<Shelved, Corrupt> {
        let mut reader = Reader::new(&bytes);
        reader.version(FORMAT)?;
        let with = reader.varint()?.checked_sub(1);
        let count = reader.length()?;
        let mut records = Vec::with_capacity(count.min(reader.remaining()));
        let mut next = 0_u64;
        for _ in 0..count {
            let id = next.checked_add(reader.varint()?).filter(|&id| id < u64::MAX).ok_or(Corrupt::Varint)?;
            let record = reader.bytes()?;
            let end = bytes.len() - reader.remaining();
            records.push((id, end - record.len()..end));
            next = id + 1;
        }
        reader.finish()?;
        Ok(Shelved { with, bytes, records })
    }

    /// What was split from a segment of format 1, with ids from `first` on.
    pub(super) fn inherited(first: u64, split: &[Vec<u8>]) -> Shelved {
        let mut shelved = Shelved::default();
        for (id, record) in (first..).zip(split) {
            let start = shelved.bytes.len();
            shelved.bytes.extend_from_slice(record);
            shelved.records.push((id, start..shelved.bytes.len()));
        }
        shelved
    }

    pub(super) fn get(&self, id: u64) -> Option<&[u8]> {
        let index = self.records.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.bytes[self.records[index].1.clone()])
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.records.iter().map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_read(with in prop::option::of(0..u64::MAX), records: std::collections::BTreeMap<u32, Vec<u8>>) {
            let pairs = records.iter().map(|(&id, record)| (u64::from(id), record.as_slice()));
            let shelved = Shelved::decode(Shelved::encode(with, pairs)).unwrap();
            prop_assert_eq!(shelved.with, with);
            prop_assert!(shelved.ids().eq(records.keys().map(|&id| u64::from(id))));
            for (&id, record) in &records {
                prop_assert_eq!(shelved.get(id.into()), Some(record.as_slice()));
            }
            prop_assert_eq!(shelved.get(u64::MAX), None);
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>) {
            bytes.insert(0, FORMAT);
            let _ = Shelved::decode(bytes);
        }
    }
}
