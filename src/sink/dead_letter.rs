//! The worker's own dead letters: events whose delivery failed for good, whole, with what they failed of.

use std::sync::Arc;

use crate::dispatch::{Outcome, Reason};
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::event::{Position, Uid};
use crate::store::Log;

const FORMAT: u8 = 1;

/// A delivery that ended badly. The record is the event as it arrived, unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    pub delivery: Uid,
    pub position: Position,
    pub broker: Uid,
    pub trigger: &'a str,
    pub function: &'a str,
    pub attempts: u32,
    pub outcome: Outcome,
    pub reason: Reason,
    pub message: &'a str,
    /// When the last attempt ended, in nanoseconds since 1970.
    pub ended: u64,
    pub record: &'a [u8],
}

impl<'a> DeadLetter<'a> {
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.u128(self.delivery.0);
        self.position.encode(&mut out);
        out.u128(self.broker.0);
        out.str(self.trigger);
        out.str(self.function);
        out.varint(self.attempts.into());
        out.u8(self.outcome.code());
        out.u8(self.reason.code());
        out.str(self.message);
        out.varint(self.ended);
        out.bytes(self.record);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<DeadLetter<'a>, Corrupt> {
        Ok(DeadLetter {
            delivery: Uid(reader.u128()?),
            position: Position::decode(reader)?,
            broker: Uid(reader.u128()?),
            trigger: reader.str()?,
            function: reader.str()?,
            attempts: reader.varint32()?,
            outcome: Outcome::read(reader)?,
            reason: Reason::read(reader)?,
            message: reader.str()?,
            ended: reader.varint()?,
            record: reader.bytes()?,
        })
    }
}

/// The writing end of the store.
#[derive(Debug)]
pub struct DeadLetters {
    log: Arc<Log>,
    pending: Vec<u8>,
    count: u64,
}

impl DeadLetters {
    pub fn new(log: Arc<Log>) -> DeadLetters {
        DeadLetters { log, pending: Vec::new(), count: 0 }
    }

    /// `letter` as `DeadLetter::encode` wrote it.
    pub fn push(&mut self, letter: &[u8]) {
        self.pending.extend_from_slice(letter);
        self.count += 1;
    }

    /// Appends what was pushed; durable after the log's next flush.
    pub fn write(&mut self) {
        if self.count == 0 {
            return;
        }
        let mut segment = vec![FORMAT];
        Writer(&mut segment).varint(self.count);
        segment.extend_from_slice(&self.pending);
        self.log.append(segment);
        self.pending.clear();
        self.count = 0;
    }
}

/// Visits the dead letters of one segment.
pub fn read(segment: &[u8], mut visit: impl FnMut(&DeadLetter<'_>)) -> Result<(), Corrupt> {
    let mut reader = Reader::new(segment);
    reader.version(FORMAT)?;
    for _ in 0..reader.length()? {
        visit(&DeadLetter::decode(&mut reader)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_read_as_written() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        let letter = DeadLetter {
            delivery: Uid(1),
            position: Position { source: Uid(2), partition: 3, offset: 4 },
            broker: Uid(5),
            trigger: "default/t",
            function: "default/f",
            attempts: 11,
            outcome: Outcome::Permanent,
            reason: Reason::BadOutput,
            message: "not JSON",
            ended: 6,
            record: b"whole",
        };
        let mut letters = DeadLetters::new(Arc::clone(&log));
        letters.write();
        let mut bytes = Vec::new();
        letter.encode(&mut bytes);
        letters.push(&bytes);
        letters.push(&bytes);
        letters.write();
        log.flush().unwrap();
        assert_eq!(log.flushed(), 1, "nothing is no segment");
        let mut seen = 0;
        let segment = log.get(0).unwrap().unwrap();
        read(&segment, |read| {
            assert_eq!(*read, letter);
            seen += 1;
        })
        .unwrap();
        assert_eq!(seen, 2);
        assert!(read(&segment[..20], |_| ()).is_err());
    }
}
