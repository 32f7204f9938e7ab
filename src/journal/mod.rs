//! The journal: what every attempt cost, durable before its event settles. Bills are made from it, so it proves itself:
//! segments are chained by digest and carry the running totals.

mod before;
pub mod cost;
pub mod cursor;
pub mod day;
pub mod entry;
mod heading;
pub mod rollup;
pub mod segment;
pub mod shipped;
pub mod survey;
#[cfg(test)]
mod torn_tests;
pub mod usage;

use std::sync::Arc;

use crate::event::wire::Corrupt;
use crate::store::{Log, StoreError};
pub use cost::{Cost, CostTable};
use day::{Day, Use};
pub use entry::{Entry, Reply};
use segment::{Builder, Link, Segment, Totals, Unreadable};

/// The writing end.
#[derive(Debug)]
pub struct Journal {
    log: Arc<Log>,
    link: Link,
    pending: Builder,
    day: Day,
    /// Something was added to it that is not noted.
    day_grew: bool,
    written: u64,
}

#[derive(Debug)]
pub enum JournalError {
    Store(StoreError),
    Missing(u64),
    Day(Corrupt),
    Corrupt(u64, Unreadable),
    /// The segment does not go on from the one before it.
    Broken(u64),
    /// The entries do not sum up to the totals that the segment states.
    Sum(u64, Box<(Totals, Totals)>),
}

impl Journal {
    pub fn open(log: Arc<Log>) -> Result<Journal, JournalError> {
        let link = match log.flushed().checked_sub(1).filter(|&last| last >= log.first()) {
            None => Link::default(),
            Some(last) => {
                let bytes = log.get(last)?.ok_or(JournalError::Missing(last))?;
                Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(last, e))?.link
            }
        };
        let day = Day::read(&log)?;
        Ok(Journal { log, link, pending: Builder::default(), day, day_grew: false, written: 0 })
    }

    /// `entry` as `Entry::encode` wrote it.
    pub fn push(&mut self, entry: &[u8], wall_ns: u64) {
        self.pending.push(entry, wall_ns);
    }

    /// What an entry that is pushed takes of its trigger's budget.
    pub fn uses(&mut self, one: &Use) {
        self.day.add(one);
        self.day_grew = true;
    }

    pub fn day(&self) -> &Day {
        &self.day
    }

    /// How many bytes of segments since it was opened.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends what was pushed; durable after the log's next flush.
    pub fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (bytes, link) = self.pending.encode(&self.link);
        self.written += bytes.len() as u64;
        self.log.append(bytes);
        if std::mem::take(&mut self.day_grew) {
            self.day.note(&self.log);
        }
        self.link = link;
        self.pending.clear();
    }
}

/// Visits every entry that the log holds, oldest first, and checks the chain and the totals on the way.
pub fn read(log: &Log, mut visit: impl FnMut(&Entry<'_>)) -> Result<Totals, JournalError> {
    walk(log, |_, segment| segment.entries.iter().for_each(&mut visit))
}

/// The same by segments, with their numbers.
pub fn walk(log: &Log, mut visit: impl FnMut(u64, &Segment<'_>)) -> Result<Totals, JournalError> {
    let mut before: Option<Link> = None;
    let mut seen = Totals::default();
    for number in log.first()..log.flushed() {
        // A volume that was dropped since the loop began is no gap: it was the oldest.
        let Some(bytes) = log.get(number)? else {
            if number < log.first() {
                before = None;
                continue;
            }
            return Err(JournalError::Missing(number));
        };
        let segment = Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(number, e))?;
        let added = Totals {
            entries: segment.entries.len() as u64,
            wall_ns: segment.entries.iter().map(|entry| entry.wall_ns).sum(),
        };
        if let Some(link) = before {
            if segment.previous != link.digest {
                return Err(JournalError::Broken(number));
            }
            let sum = Totals {
                entries: link.totals.entries + added.entries,
                wall_ns: link.totals.wall_ns + added.wall_ns,
            };
            if sum != segment.link.totals {
                return Err(JournalError::Sum(number, Box::new((sum, segment.link.totals))));
            }
        }
        seen.entries += added.entries;
        seen.wall_ns += added.wall_ns;
        before = Some(segment.link);
        visit(number, &segment);
    }
    Ok(seen)
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> JournalError {
        JournalError::Store(error)
    }
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JournalError::Store(error) => error.fmt(f),
            JournalError::Day(why) => write!(f, "what triggers have used today can't be read: {why}"),
            JournalError::Missing(segment) => write!(f, "the journal's segment {segment} is not there"),
            JournalError::Corrupt(segment, why) => {
                write!(f, "the journal's segment {segment} can't be read: {why}")
            }
            JournalError::Broken(segment) => {
                write!(f, "the journal's segment {segment} does not go on from the one before it")
            }
            JournalError::Sum(segment, sums) => write!(
                f,
                "the journal's entries up to segment {segment} sum up to {} ns in {} entries, but it states {} ns in {}",
                sums.0.wall_ns, sums.0.entries, sums.1.wall_ns, sums.1.entries
            ),
        }
    }
}

impl std::error::Error for JournalError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Outcome, Reason};
    use crate::event::wire::Writer;
    use crate::event::{Position, Uid};

    pub(super) fn entry(n: u64) -> Entry<'static> {
        let position = Position { source: Uid(7), partition: 0, offset: n };
        Entry {
            delivery: Uid::of_delivery(position, Uid(9), 0),
            position,
            trigger: "default/process-payments",
            function: "default/payment",
            tenant: "shop",
            version: u64::MAX.checked_div(n).unwrap_or(0),
            replay: n as u32 % 3,
            attempt: 1,
            outcome: Outcome::Succeeded,
            reason: Reason::None,
            ended: 1_800_000_000_000_000_000,
            wall_ns: 1_700 + n,
            init_ns: (n == 0).then_some(40_000),
            fuel: n * 1_000,
            price: if n % 4 == 3 { 0 } else { n * 7 },
            memory: n * 65_536,
            memory_limit: n << 20,
            bytes_in: 400,
            bytes_out: 300,
            event_id: "a-1",
            event_source: "/shop",
            event_type: "order.created",
            replies: vec![Reply { id: "a-1/payment".into(), ty: "payment.processed" }],
            fenced: n % 4 == 3,
            dead_letter: false,
        }
    }

    pub(super) fn write(log: &Arc<Log>, entries: std::ops::Range<u64>) {
        let mut journal = Journal::open(Arc::clone(log)).unwrap();
        for n in entries {
            let mut bytes = Vec::new();
            Entry { fenced: false, ..entry(n) }.encode(&mut bytes);
            if entry(n).fenced {
                Entry::fence(&mut bytes);
            }
            journal.push(&bytes, entry(n).wall_ns);
            if n % 3 == 0 {
                journal.write();
            }
        }
        journal.write();
        log.flush().unwrap();
    }

    #[test]
    fn entries_are_read_as_written_across_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        write(&log, 0..10);
        write(&log, 10..20);
        let mut n = 0;
        let totals = read(&log, |read| {
            assert_eq!(*read, entry(n));
            n += 1;
        });
        assert_eq!(totals.unwrap(), Totals { entries: 20, wall_ns: (0..20).map(|n| 1_700 + n).sum() });
        let last = Journal::open(Arc::clone(&log)).unwrap().link;
        assert_eq!(last.totals.entries, 20);
    }

    #[test]
    fn what_is_fenced_costs_nothing_and_stays_in_the_totals() {
        let mut table = CostTable::new(cost::By::Tenant);
        (0..8).for_each(|n| table.add(&entry(n)));
        let total = table.total;
        assert_eq!((total.attempts, total.fenced), (6, 2));
        assert_eq!(total.wall_ns, [0, 1, 2, 4, 5, 6].iter().map(|n| 1_700 + n).sum::<u64>());
    }

    /// With all names in each entry; the chain goes on over it.
    #[test]
    fn segments_of_format_6_are_read() {
        let mut old = vec![6];
        old.extend_from_slice(&Link::default().digest);
        let mut head = Writer(&mut old);
        [2, entry(0).wall_ns + entry(1).wall_ns, 2].into_iter().for_each(|number| head.varint(number));
        (0..2).for_each(|n| before::encode(&entry(n), &mut old));
        let digest = *blake3::hash(&old).as_bytes();
        old.extend_from_slice(&digest);
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        log.append(old);
        log.flush().unwrap();
        write(&log, 2..5);
        let mut n = 0;
        let totals = read(&log, |read| {
            assert_eq!(*read, entry(n));
            n += 1;
        });
        assert_eq!(totals.unwrap().entries, 5);
    }

    #[test]
    fn a_changed_a_missing_and_a_foreign_segment_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        write(&log, 0..3);
        let good = log.get(0).unwrap().unwrap();
        let mut bad = good.clone();
        *bad.get_mut(50).unwrap() ^= 1;
        log.append(bad);
        log.flush().unwrap();
        assert!(matches!(read(&log, |_| ()), Err(JournalError::Corrupt(2, _))));
        let other = tempfile::tempdir().unwrap();
        let log = Log::open(other.path(), Default::default()).unwrap();
        log.append(good.clone());
        log.append(good);
        log.flush().unwrap();
        assert!(matches!(read(&log, |_| ()), Err(JournalError::Broken(1))));
    }
}
