//! The worker's own dead letters: events whose delivery failed for good, whole, with what they failed of.

use std::sync::Arc;

use crate::dispatch::{Outcome, Reason};
use crate::event::parked::ParkedRecord;
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::event::{Position, Uid};
use crate::store::Log;
use crate::store::shelf::{Shelf, ShelfError};

/// Format 1 has no replays; its letters stood together in segments without a shelf.
const FORMAT: u8 = 2;

/// So much of a replay's number says how often there was one.
const COUNT_BITS: u32 = 8;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// A delivery that ended badly. The record is the event as it arrived, unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    pub delivery: Uid,
    pub position: Position,
    pub broker: Uid,
    /// "namespace/name", or the uid where there is no such trigger any more.
    pub trigger: &'a str,
    pub function: &'a str,
    pub attempts: u32,
    /// Which replay it was, as [`next_replay`](Self::next_replay) numbers them. 0: the event's own delivery.
    pub replay: u32,
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
        out.u8(FORMAT);
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
        out.varint(self.replay.into());
    }

    pub fn decode(bytes: &'a [u8]) -> Result<DeadLetter<'a>, Corrupt> {
        let mut reader = Reader::new(bytes);
        let format = reader.version_or_before(FORMAT)?;
        let letter = DeadLetter::read(&mut reader, format)?;
        reader.finish()?;
        Ok(letter)
    }

    fn read(reader: &mut Reader<'a>, format: u8) -> Result<DeadLetter<'a>, Corrupt> {
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
            replay: if format == FORMAT { reader.varint32()? } else { 0 },
        })
    }

    /// The trigger that it was for. Its name is all that a letter has of it.
    pub fn trigger_uid(&self) -> Option<Uid> {
        match self.trigger.split_once('/') {
            Some((namespace, name)) => Some(Uid::of_document(namespace, "Trigger", name)),
            None => self.trigger.parse().ok(),
        }
    }

    /// The number of the replay that this letter, known as `id`, becomes. Each replay is a delivery of its own, with charges
    /// of its own, though letters of several triggers and of several replies have one position and may all be replayed to
    /// one trigger: the low byte counts, and above it stands the letter at which the count left its own trigger.
    pub fn next_replay(&self, id: u64, to: Uid) -> u32 {
        let count = (self.replays() + 1).min(COUNT);
        let goes_on = count < COUNT && self.trigger_uid() == Some(to) && !self.is_of_a_reply();
        let letter = (id % u64::from(u32::MAX >> COUNT_BITS)) as u32 + 1;
        if goes_on { self.replay + 1 } else { letter << COUNT_BITS | count }
    }

    /// The replay that this letter, known as `id`, becomes: a delivery that is parked, and due.
    pub fn again(&self, id: u64, to: Uid, due: u64) -> ParkedRecord<'a> {
        let replay = self.next_replay(id, to);
        ParkedRecord {
            delivery: Uid::of_delivery(self.position, to, replay),
            position: self.position,
            broker: self.broker,
            trigger: to,
            attempts: 0,
            failures: 0,
            replay,
            due,
            holds: false,
            letter: None,
            record: self.record,
        }
    }

    /// How often it had been replayed; 255 may be more.
    pub fn replays(&self) -> u32 {
        self.replay & COUNT
    }

    /// Was it written beside the end of its delivery, which did not fail? A reply is that has gone round too often, or that
    /// a sink does not take.
    pub fn is_of_a_reply(&self) -> bool {
        matches!(self.reason, Reason::Hops | Reason::Oversized | Reason::Refused)
    }
}

/// A segment of format 1, taken apart.
fn split(segment: &[u8]) -> Result<Vec<Vec<u8>>, Corrupt> {
    let mut reader = Reader::new(segment);
    reader.version(1)?;
    let mut letters = Vec::new();
    for _ in 0..reader.length()? {
        let start = segment.len() - reader.remaining();
        DeadLetter::read(&mut reader, 1)?;
        let end = segment.len() - reader.remaining();
        letters.push([&[1], &segment[start..end]].concat());
    }
    reader.finish()?;
    Ok(letters)
}

/// The store, on a shelf. Also for reading alone, beside the one who writes.
#[derive(Debug)]
pub struct DeadLetters {
    shelf: Shelf,
    place: String,
}

impl DeadLetters {
    pub fn open(log: Arc<Log>) -> Result<DeadLetters, ShelfError> {
        let place = log.name();
        Ok(DeadLetters { shelf: Shelf::open_or_inherit(log, Some(split))?, place })
    }

    /// `letter` as `DeadLetter::encode` wrote it. The id is the letter's for good.
    pub fn push(&mut self, letter: Vec<u8>) -> u64 {
        self.shelf.put(letter)
    }

    pub fn get(&mut self, id: u64) -> Result<Option<DeadLetter<'_>>, ShelfError> {
        let Some(bytes) = self.shelf.get(id)? else { return Ok(None) };
        DeadLetter::decode(bytes).map(Some).map_err(|why| unreadable(&self.place, id, why))
    }

    /// Visits what is there from `from` on, oldest first.
    pub fn scan(&mut self, from: u64, mut visit: impl FnMut(u64, &DeadLetter<'_>)) -> Result<(), ShelfError> {
        let mut failed = None;
        self.shelf.scan(from, |id, bytes| match DeadLetter::decode(bytes) {
            Ok(letter) => visit(id, &letter),
            Err(why) => failed = failed.or(Some((id, why))),
        })?;
        failed.map_or(Ok(()), |(id, why)| Err(unreadable(&self.place, id, why)))
    }

    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub fn shelf_mut(&mut self) -> &mut Shelf {
        &mut self.shelf
    }
}

fn unreadable(place: &str, id: u64, why: Corrupt) -> ShelfError {
    ShelfError::Corrupt { place: place.to_owned(), what: format!("dead letter {id}"), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_letter_is_read_as_written(
            uids: [u128; 3], offset: u64, small: [u32; 3], texts: [String; 3], outcome: usize, reason: usize, ended: u64, record: Vec<u8>,
        ) {
            let letter = DeadLetter {
                delivery: Uid(uids[0]),
                position: Position { source: Uid(uids[1]), partition: small[0], offset },
                broker: Uid(uids[2]),
                trigger: &texts[0],
                function: &texts[1],
                attempts: small[1],
                replay: small[2],
                outcome: Outcome::ALL[outcome % Outcome::ALL.len()],
                reason: Reason::ALL[reason % Reason::ALL.len()],
                message: &texts[2],
                ended,
                record: &record,
            };
            let mut bytes = Vec::new();
            letter.encode(&mut bytes);
            prop_assert_eq!(DeadLetter::decode(&bytes), Ok(letter));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, format in 0..4u8) {
            bytes.insert(0, format);
            let _ = DeadLetter::decode(&bytes);
        }
    }

    fn letter() -> DeadLetter<'static> {
        DeadLetter {
            delivery: Uid(1),
            position: Position { source: Uid(2), partition: 3, offset: 4 },
            broker: Uid(5),
            trigger: "default/t",
            function: "default/f",
            attempts: 11,
            replay: 2,
            outcome: Outcome::Permanent,
            reason: Reason::BadOutput,
            message: "not JSON",
            ended: 6,
            record: b"whole",
        }
    }

    fn encoded(letter: &DeadLetter<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        letter.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_dead_letter_is_read_as_written() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        let mut letters = DeadLetters::open(Arc::clone(&log)).unwrap();
        assert!(!letters.shelf_mut().write(0), "nothing is no segment");
        assert_eq!([0, 1].map(|_| letters.push(encoded(&letter()))), [0, 1]);
        letters.shelf_mut().write(0);
        log.flush().unwrap();
        let mut seen = Vec::new();
        let mut letters = DeadLetters::open(log).unwrap();
        letters
            .scan(0, |id, read| {
                assert_eq!(*read, letter());
                seen.push(id);
            })
            .unwrap();
        assert_eq!(seen, [0, 1]);
        assert_eq!(letters.get(1).unwrap(), Some(letter()));
        assert_eq!(DeadLetter::decode(&encoded(&letter())[..20]), Err(Corrupt::Truncated));
        assert_eq!(letter().trigger_uid(), Some(Uid::of_document("default", "Trigger", "t")));
    }

    #[test]
    fn each_replay_is_a_delivery_of_its_own() {
        let (own, other) = (letter().trigger_uid().unwrap(), Uid(3));
        let first = DeadLetter { replay: 0, ..letter() };
        let again = DeadLetter { replay: first.next_replay(7, own), ..letter() };
        assert_eq!((again.replay, again.next_replay(8, own)), (1, 2));
        let moved = [(&first, 7, other), (&first, 8, other), (&again, 8, other)];
        let numbers = moved.map(|(letter, id, to)| letter.next_replay(id, to));
        assert_eq!(numbers, [8 << 8 | 1, 9 << 8 | 1, 9 << 8 | 2]);
        let of_a_reply = DeadLetter { reason: Reason::Hops, ..first.clone() };
        assert_eq!(of_a_reply.next_replay(7, own), 8 << 8 | 1);
        let often = DeadLetter { replay: 255, ..letter() };
        assert_eq!(often.next_replay(7, own), 8 << 8 | 255);
        assert_eq!(DeadLetter { replay: 8 << 8 | 3, ..letter() }.replays(), 3);
        assert_ne!(first.next_replay(u64::MAX, other) >> 8, 0);
    }

    #[test]
    fn letters_that_an_older_weir_left_are_read_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        for segment in 0..2 {
            let mut bytes = vec![1, 2];
            for n in 0..2 {
                let whole = encoded(&DeadLetter { attempts: 2 * segment + n, ..letter() });
                // Format 1 had no version of its own and no replay at the end.
                bytes.extend_from_slice(&whole[1..whole.len() - 1]);
            }
            log.append(bytes);
        }
        log.flush().unwrap();
        let mut letters = DeadLetters::open(Arc::clone(&log)).unwrap();
        let old = |n: u64| DeadLetter { attempts: n as u32, replay: 0, ..letter() };
        (0..4).for_each(|n| assert_eq!(letters.get(n).unwrap(), Some(old(n))));
        assert!(letters.shelf_mut().remove(1));
        assert_eq!(letters.push(encoded(&letter())), 4);
        letters.shelf_mut().write(0);
        log.flush().unwrap();
        let mut letters = DeadLetters::open(log).unwrap();
        let mut seen = Vec::new();
        letters.scan(1, |id, read| seen.push((id, read.attempts))).unwrap();
        assert_eq!(seen, [(2, 2), (3, 3), (4, 11)]);
    }
}
