//! What the attempts of triggers with a budget have taken and cost in a day of UTC. It is kept beside the journal's segments, and
//! written with the entries that it sums up: it needs none of them to be there still.

use std::collections::BTreeMap;

use crate::event::Uid;
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::store::Log;

/// The name under which it is kept.
const STATE: &str = "day";
const FORMAT: u8 = 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub wall_ns: u64,
    /// In trillionths.
    pub price: u64,
}

/// What one attempt adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Since 1970.
    pub day: u64,
    pub trigger: Uid,
    pub used: Used,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Since 1970.
    pub number: u64,
    used: BTreeMap<Uid, Used>,
}

impl Used {
    pub fn add(&mut self, other: Used) {
        self.wall_ns = self.wall_ns.saturating_add(other.wall_ns);
        self.price = self.price.saturating_add(other.price);
    }
}

impl Day {
    /// What was durable last.
    pub fn read(log: &Log) -> Result<Day, super::JournalError> {
        let Some(bytes) = log.state(STATE)? else { return Ok(Day::default()) };
        Day::decode(&bytes).map_err(super::JournalError::Day)
    }

    /// A day is over with the first that comes of the next.
    pub fn add(&mut self, one: &Use) {
        if one.day > self.number {
            *self = Day { number: one.day, ..Day::default() };
        }
        if one.day == self.number {
            self.used.entry(one.trigger).or_default().add(one.used);
        }
    }

    /// Nothing, where another day is asked for.
    pub fn of(&self, day: u64, trigger: Uid) -> Used {
        self.used.get(&trigger).filter(|_| day == self.number).copied().unwrap_or_default()
    }

    /// Durable with the log's next flush.
    pub(super) fn note(&self, log: &Log) {
        log.set_state(STATE, self.encode());
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let mut out = Writer(&mut bytes);
        out.varint(self.number);
        out.varint(self.used.len() as u64);
        for (trigger, used) in &self.used {
            out.u128(trigger.0);
            out.varint(used.wall_ns);
            out.varint(used.price);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Day, Corrupt> {
        let mut reader = Reader::new(bytes);
        reader.version(FORMAT)?;
        let mut day = Day { number: reader.varint()?, used: BTreeMap::new() };
        for _ in 0..reader.length()? {
            let trigger = Uid(reader.u128()?);
            day.used.insert(trigger, Used { wall_ns: reader.varint()?, price: reader.varint()? });
        }
        reader.finish()?;
        Ok(day)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::Journal;
    use super::super::tests::entry;
    use super::*;

    fn one(day: u64, trigger: u128, wall_ns: u64, price: u64) -> Use {
        Use { day, trigger: Uid(trigger), used: Used { wall_ns, price } }
    }

    proptest! {
        #[test]
        fn it_reads_back_as_it_was_written(uses: Vec<(u8, u128, u64, u64)>) {
            let mut day = Day::default();
            uses.iter().for_each(|&(number, trigger, wall, price)| day.add(&one(number.into(), trigger, wall, price)));
            prop_assert_eq!(Day::decode(&day.encode()), Ok(day));
        }
    }

    #[test]
    fn a_day_ends_with_the_next_and_nothing_is_added_to_it_later() {
        let mut day = Day::default();
        [one(5, 1, 10, 1), one(5, 1, 20, 2), one(5, 2, 1, u64::MAX), one(5, 2, 1, 1)]
            .iter()
            .for_each(|u| day.add(u));
        assert_eq!(day.of(5, Uid(1)), Used { wall_ns: 30, price: 3 });
        assert_eq!(day.of(5, Uid(2)), Used { wall_ns: 2, price: u64::MAX });
        assert_eq!(day.of(6, Uid(1)), Used::default());
        day.add(&one(6, 1, 7, 0));
        day.add(&one(5, 1, 100, 100));
        assert_eq!((day.of(6, Uid(1)).wall_ns, day.of(5, Uid(1)).wall_ns), (7, 0));
    }

    #[test]
    fn it_is_durable_with_the_entries_and_outlives_them() {
        let home = tempfile::tempdir().unwrap();
        let open = || Arc::new(Log::open(home.path(), crate::store::Limits { volume_bytes: 300 }).unwrap());
        let log = open();
        let mut journal = Journal::open(Arc::clone(&log)).unwrap();
        let mut bytes = Vec::new();
        entry(1).encode(&mut bytes);
        for n in 1..=9 {
            journal.push(&bytes, entry(1).wall_ns);
            journal.uses(&one(3, 1, 10, 1));
            journal.write();
            if n < 9 {
                log.flush().unwrap();
            }
        }
        assert_eq!(journal.day().of(3, Uid(1)).wall_ns, 90);
        drop((journal, log));
        let log = open();
        assert_eq!(
            Day::read(&log).unwrap().of(3, Uid(1)),
            Used { wall_ns: 80, price: 8 },
            "the last was not flushed"
        );
        assert!(log.drop_below(log.flushed()).unwrap() > 0);
        drop(log);
        assert_eq!(Day::read(&open()).unwrap().of(3, Uid(1)).wall_ns, 80);
        let log = open();
        log.set_state(STATE, vec![9]);
        log.flush().unwrap();
        let error = Journal::open(log).unwrap_err().to_string();
        assert!(error.starts_with("what triggers have used today can't be read"), "{error}");
    }
}
