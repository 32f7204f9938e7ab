//! A segment of the journal: the entries that became durable together, chained to all before by a digest, with the
//! running totals, so that a sum can be checked against what it is the sum of.

use std::collections::HashMap;
use std::ops::Range;

use super::before;
use super::entry::Entry;
use super::heading::Heading;
use crate::event::wire::{Corrupt, Reader, Writer};

/// In format 6 entries have no headings: each has all of its names.
pub(super) const FORMAT: u8 = 7;
const DIGEST: usize = 32;

/// Totals over every entry ever written, this segment's included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub entries: u64,
    pub wall_ns: u64,
}

/// Where the chain stands: what the next segment goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub digest: [u8; DIGEST],
    pub totals: Totals,
}

/// Collects encoded entries; the buffers are used again.
#[derive(Debug, Default)]
pub struct Builder {
    /// The headings, one after the other.
    headings: Vec<u8>,
    known: HashMap<Box<[u8]>, Place>,
    /// The heading of the entry before: most often the next one's, too.
    last: Place,
    entries: Vec<u8>,
    added: Totals,
}

/// A heading's number, and where it stands among the others.
#[derive(Clone, Debug, Default)]
struct Place {
    number: u64,
    at: Range<usize>,
}

impl Builder {
    /// `entry` as `Entry::encode` wrote it.
    pub fn push(&mut self, entry: &[u8], wall_ns: u64) {
        let (heading, own) = Entry::parts(entry).expect("an entry was encoded");
        let number = self.number(heading);
        Writer(&mut self.entries).varint(number);
        self.entries.extend_from_slice(own);
        self.added.entries += 1;
        self.added.wall_ns += wall_ns;
    }

    fn number(&mut self, heading: &[u8]) -> u64 {
        if self.headings[self.last.at.clone()] == *heading {
            return self.last.number;
        }
        self.last = self.known.get(heading).cloned().unwrap_or_else(|| self.add(heading));
        self.last.number
    }

    fn add(&mut self, heading: &[u8]) -> Place {
        let begun = self.headings.len();
        self.headings.extend_from_slice(heading);
        let place = Place { number: self.known.len() as u64, at: begun..self.headings.len() };
        self.known.insert(heading.into(), place.clone());
        place
    }

    /// The segment that goes on from `link`, and the link after it.
    pub fn encode(&self, link: &Link) -> (Vec<u8>, Link) {
        let totals = Totals {
            entries: link.totals.entries + self.added.entries,
            wall_ns: link.totals.wall_ns + self.added.wall_ns,
        };
        let mut out = Vec::with_capacity(self.headings.len() + self.entries.len() + 128);
        let mut head = Writer(&mut out);
        head.u8(FORMAT);
        head.0.extend_from_slice(&link.digest);
        head.varint(totals.entries);
        head.varint(totals.wall_ns);
        head.varint(self.known.len() as u64);
        head.0.extend_from_slice(&self.headings);
        head.varint(self.added.entries);
        out.extend_from_slice(&self.entries);
        let digest = *blake3::hash(&out).as_bytes();
        out.extend_from_slice(&digest);
        (out, Link { digest, totals })
    }

    pub fn is_empty(&self) -> bool {
        self.added.entries == 0
    }

    pub fn clear(&mut self) {
        self.headings.clear();
        self.known.clear();
        self.last = Place::default();
        self.entries.clear();
        self.added = Totals::default();
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub previous: [u8; DIGEST],
    pub link: Link,
    pub entries: Vec<Entry<'a>>,
}

impl<'a> Segment<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Segment<'a>, Unreadable> {
        let (body, digest) = bytes.split_last_chunk::<DIGEST>().ok_or(Corrupt::Truncated)?;
        if blake3::hash(body).as_bytes() != digest {
            return Err(Unreadable::Changed);
        }
        let mut reader = Reader::new(body);
        let format = reader.version_or_before(FORMAT)?;
        let previous = *reader.take(DIGEST)?.first_chunk().expect("as many bytes were read");
        let totals = Totals { entries: reader.varint()?, wall_ns: reader.varint()? };
        let entries = if format == FORMAT { entries(&mut reader)? } else { entries_before(&mut reader)? };
        reader.finish()?;
        Ok(Segment { previous, link: Link { digest: *digest, totals }, entries })
    }
}

fn entries<'a>(reader: &mut Reader<'a>) -> Result<Vec<Entry<'a>>, Corrupt> {
    let mut headings = Vec::new();
    for _ in 0..reader.length()? {
        headings.push(Heading::decode(reader)?);
    }
    let mut entries = Vec::new();
    for _ in 0..reader.length()? {
        let number = reader.varint()?;
        let heading = usize::try_from(number).ok().and_then(|number| headings.get(number));
        let heading = heading.ok_or(Corrupt::Unknown { what: "heading of the segment", found: number })?;
        entries.push(Entry::decode_own(heading, reader)?);
    }
    Ok(entries)
}

fn entries_before<'a>(reader: &mut Reader<'a>) -> Result<Vec<Entry<'a>>, Corrupt> {
    let mut entries = Vec::new();
    for _ in 0..reader.length()? {
        entries.push(before::decode(reader)?);
    }
    Ok(entries)
}

/// Why a segment can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    Corrupt(Corrupt),
    /// It does not have the digest that it was written with.
    Changed,
}

impl From<Corrupt> for Unreadable {
    fn from(corrupt: Corrupt) -> Unreadable {
        Unreadable::Corrupt(corrupt)
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Corrupt(corrupt) => corrupt.fmt(f),
            Unreadable::Changed => f.write_str("it does not have the digest that it was written with"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Outcome, Reason};
    use crate::event::{Position, Uid};
    use crate::journal::Reply;
    use proptest::prelude::*;

    /// The texts and numbers of an entry.
    type Drawn = ([String; 8], [u64; 9], [u128; 2], [u32; 2], usize, usize, bool);

    fn entry(drawn: &Drawn) -> Entry<'_> {
        let (texts, numbers, uids, small, outcome, reason, fenced) = drawn;
        let [trigger, function, tenant, id, source, ty, reply_id, reply_ty] =
            texts.each_ref().map(String::as_str);
        Entry {
            delivery: Uid(uids[0]),
            position: Position { source: Uid(uids[1]), partition: small[0], offset: numbers[0] },
            trigger,
            function,
            tenant,
            version: numbers[6] ^ numbers[7],
            replay: small[0],
            attempt: small[1],
            outcome: Outcome::ALL[outcome % Outcome::ALL.len()],
            reason: Reason::ALL[reason % Reason::ALL.len()],
            ended: numbers[1],
            // Totals are sums: no journal reaches the end of these numbers.
            wall_ns: numbers[2] >> 16,
            init_ns: Some(numbers[3]).filter(|&ns| ns > 0),
            fuel: numbers[6],
            memory: numbers[7],
            memory_limit: numbers[0],
            // What comes too late has none.
            price: if *fenced { 0 } else { numbers[8] },
            bytes_in: numbers[4],
            bytes_out: numbers[5],
            event_id: id,
            event_source: source,
            event_type: ty,
            // One that is called after its event, and others.
            replies: [format!("{id}{reply_id}"), reply_id.to_owned()][..small[1] as usize % 3]
                .iter()
                .map(|id| Reply { id: id.clone().into(), ty: reply_ty })
                .collect(),
            fenced: *fenced,
            dead_letter: !*fenced && numbers[0] % 2 == 1,
        }
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_and_goes_on_from_what_was(
            drawn in prop::collection::vec(any::<Drawn>(), 1..8), digest: [u8; DIGEST], entries in 0..u64::MAX >> 1, wall_ns in 0..u64::MAX >> 1,
        ) {
            let before = Link { digest, totals: Totals { entries, wall_ns } };
            let mut builder = Builder::default();
            for entry in drawn.iter().map(entry) {
                let mut bytes = Vec::new();
                entry.encode(&mut bytes);
                builder.push(&bytes, entry.wall_ns);
            }
            let (bytes, link) = builder.encode(&before);
            let segment = Segment::decode(&bytes).unwrap();
            let expected: Vec<Entry<'_>> = drawn.iter().map(entry).collect();
            prop_assert_eq!((segment.previous, segment.link), (digest, link));
            prop_assert_eq!(link.totals.wall_ns, wall_ns + expected.iter().map(|entry| entry.wall_ns).sum::<u64>());
            prop_assert_eq!(segment.entries, expected);
        }

        #[test]
        fn names_that_entries_share_stand_there_once(drawn: Drawn, others in prop::collection::vec(any::<Drawn>(), 1..4)) {
            let sizes = [1, 2, 3].map(|times| {
                let mut builder = Builder::default();
                for entry in std::iter::repeat_n(&drawn, times).chain(&others).map(entry) {
                    let mut bytes = Vec::new();
                    entry.encode(&mut bytes);
                    builder.push(&bytes, 0);
                }
                builder.encode(&Link::default()).0.len()
            });
            let mut encoded = Vec::new();
            entry(&drawn).encode(&mut encoded);
            let own = Entry::parts(&encoded).unwrap().1.len();
            // And the number of the heading.
            prop_assert_eq!([sizes[1] - sizes[0], sizes[2] - sizes[1]], [own + 1; 2]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut body: Vec<u8>, format in 0..9u8) {
            body.insert(0, format);
            // With a digest that is right: else nothing else would be looked at.
            let digest = *blake3::hash(&body).as_bytes();
            body.extend_from_slice(&digest);
            let _ = Segment::decode(&body);
        }
    }
}
