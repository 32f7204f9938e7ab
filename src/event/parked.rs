//! A parked delivery as it is written aside, and what is kept in memory of one.

use super::wire::{Corrupt, Reader, Writer};
use super::{Position, Uid, record};

const FORMAT: u8 = 1;

/// What is parked at a broker, and not on the worker's own disk, has this in its id, which is the offset otherwise.
pub const AFAR: u64 = 1 << 63;

/// A delivery that waits on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRecord<'a> {
    pub delivery: Uid,
    pub position: Position,
    pub broker: Uid,
    pub trigger: Uid,
    /// Attempts made: the next one's charge follows from it.
    pub attempts: u32,
    /// Those that count against the retries.
    pub failures: u32,
    pub replay: u32,
    /// When it may be tried again, in nanoseconds since 1970.
    pub due: u64,
    /// Does what follows in its lane wait for it?
    pub holds: bool,
    /// The dead letter that it replays.
    pub letter: Option<u64>,
    /// The event.
    pub record: &'a [u8],
}

impl<'a> ParkedRecord<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.record.len() + 96);
        let mut out = Writer(&mut bytes);
        out.u8(FORMAT);
        out.u128(self.delivery.0);
        self.position.encode(&mut out);
        out.u128(self.broker.0);
        out.u128(self.trigger.0);
        for number in [self.attempts, self.failures, self.replay] {
            out.varint(number.into());
        }
        out.varint(self.due);
        out.u8(self.holds.into());
        out.varint(self.letter.map_or(0, |id| id + 1));
        out.bytes(self.record);
        bytes
    }

    pub fn decode(bytes: &'a [u8]) -> Result<ParkedRecord<'a>, Corrupt> {
        let mut reader = Reader::new(bytes);
        reader.version(FORMAT)?;
        let parked = ParkedRecord {
            delivery: Uid(reader.u128()?),
            position: Position::decode(&mut reader)?,
            broker: Uid(reader.u128()?),
            trigger: Uid(reader.u128()?),
            attempts: reader.varint32()?,
            failures: reader.varint32()?,
            replay: reader.varint32()?,
            due: reader.varint()?,
            holds: match reader.u8()? {
                0 => false,
                1 => true,
                other => {
                    return Err(Corrupt::Unknown { what: "answer to whether it holds", found: other.into() });
                }
            },
            letter: reader.varint()?.checked_sub(1),
            record: reader.bytes()?,
        };
        reader.finish()?;
        Ok(parked)
    }
}

/// What is known of a parked record without its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub id: u64,
    pub delivery: Uid,
    pub position: Position,
    pub broker: Uid,
    pub trigger: Uid,
    /// The event's partitionkey.
    pub key: Option<String>,
    pub attempts: u32,
    pub failures: u32,
    pub replay: u32,
    /// In nanoseconds since 1970.
    pub due: u64,
    pub holds: bool,
    pub letter: Option<u64>,
}

impl Label {
    pub fn of(id: u64, parked: &ParkedRecord<'_>) -> Result<Label, Corrupt> {
        let event = record::decode(parked.record)?;
        Ok(Label {
            id,
            delivery: parked.delivery,
            position: parked.position,
            broker: parked.broker,
            trigger: parked.trigger,
            key: event.partition_key().map(|key| key.into_owned()),
            attempts: parked.attempts,
            failures: parked.failures,
            replay: parked.replay,
            due: parked.due,
            holds: parked.holds,
            letter: parked.letter,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_parked_record_is_read_as_written(
            uids: [u128; 4], partition: u32, offset: u64, counts: [u32; 3], due: u64, holds: bool,
            letter in prop::option::of(0..u64::MAX), record: Vec<u8>,
        ) {
            let parked = ParkedRecord {
                delivery: Uid(uids[0]),
                position: Position { source: Uid(uids[1]), partition, offset },
                broker: Uid(uids[2]),
                trigger: Uid(uids[3]),
                attempts: counts[0],
                failures: counts[1],
                replay: counts[2],
                due,
                holds,
                letter,
                record: &record,
            };
            let bytes = parked.encode();
            prop_assert_eq!(ParkedRecord::decode(&bytes), Ok(parked));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>) {
            bytes.insert(0, FORMAT);
            let _ = ParkedRecord::decode(&bytes);
        }
    }
}
