//! The triggers by number. A trigger keeps its number from one table to the next, and one that is gone keeps it for as long
//! as anything of it is in flight: so nothing in flight need be touched when the table changes.

use foldhash::HashMap;

use super::policy::{Flow, Order, Policy};
use super::table::Table;
use crate::event::Uid;

#[derive(Debug, Default)]
pub(super) struct Roster {
    numbers: HashMap<Uid, u32>,
    /// By the index in the table.
    standing: Vec<u32>,
    /// By number. `None`: the number is free.
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    uid: Uid,
    /// The table's, or the last one that it had.
    policy: Policy,
    /// In the table. `None`: it is gone.
    index: Option<u32>,
}

impl Roster {
    pub(super) fn new(table: &Table) -> Roster {
        let mut roster = Roster::default();
        roster.replace(table);
        roster
    }

    /// Returns the numbers of the triggers that are gone with that.
    pub(super) fn replace(&mut self, table: &Table) -> Vec<u32> {
        let before = std::mem::take(&mut self.standing);
        for &number in &before {
            self.entry_mut(number).index = None;
        }
        for ((index, &uid), policy) in (0..).zip(&table.uids).zip(&table.policies) {
            let number = self.enter(Entry { uid, policy: policy.clone(), index: Some(index) });
            self.standing.push(number);
        }
        let gone = |&number: &u32| self.is_gone(number);
        let gone: Vec<u32> = before.into_iter().filter(gone).collect();
        // Nothing is learned any more from how it fails, and nothing of it runs that could be too much.
        for &number in &gone {
            let policy = &mut self.entry_mut(number).policy;
            (policy.trip, policy.flow) = (None, Flow::default());
        }
        gone
    }

    /// The number of a trigger that something is in flight of, in the table or not.
    pub(super) fn number_of(&mut self, uid: Uid) -> u32 {
        match self.numbers.get(&uid) {
            Some(&number) => number,
            None => {
                let policy = Policy { order: Order::Unordered, trip: None, ..Policy::default() };
                self.enter(Entry { uid, policy, index: None })
            }
        }
    }

    /// The same, if there is one.
    pub(super) fn known(&self, uid: Uid) -> Option<u32> {
        self.numbers.get(&uid).copied()
    }

    /// Forgets those that are gone and of which nothing is in flight. Returns their numbers.
    pub(super) fn forget(&mut self, is_in_flight: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut forgotten = Vec::new();
        for (number, entry) in (0..).zip(&mut self.entries) {
            if let Some(Entry { uid, index: None, .. }) = entry
                && !is_in_flight(number)
            {
                self.numbers.remove(uid);
                forgotten.push(number);
                *entry = None;
            }
        }
        self.free.extend(&forgotten);
        forgotten
    }

    /// Of the trigger at this index of the table.
    pub(super) fn number(&self, index: u32) -> u32 {
        self.standing[index as usize]
    }

    /// In the table; `None`: it is gone.
    pub(super) fn index(&self, number: u32) -> Option<u32> {
        self.entry(number).index
    }

    pub(super) fn is_gone(&self, number: u32) -> bool {
        self.index(number).is_none()
    }

    pub(super) fn uid(&self, number: u32) -> Uid {
        self.entry(number).uid
    }

    pub(super) fn policy(&self, number: u32) -> &Policy {
        &self.entry(number).policy
    }

    /// All that are known, in the order of their numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let known: Vec<u32> =
            (0..).zip(&self.entries).filter(|(_, entry)| entry.is_some()).map(|(n, _)| n).collect();
        known.into_iter()
    }

    /// Every number is below this.
    pub(super) fn end(&self) -> usize {
        self.entries.len()
    }

    fn enter(&mut self, entry: Entry) -> u32 {
        let number = match self.numbers.get(&entry.uid) {
            Some(&number) => number,
            None => self.free.pop().unwrap_or_else(|| {
                self.entries.push(None);
                u32::try_from(self.entries.len() - 1).expect("triggers are far fewer than u32")
            }),
        };
        self.numbers.insert(entry.uid, number);
        self.entries[number as usize] = Some(entry);
        number
    }

    fn entry(&self, number: u32) -> &Entry {
        self.entries[number as usize].as_ref().expect("a number is kept while anything has it")
    }

    fn entry_mut(&mut self, number: u32) -> &mut Entry {
        self.entries[number as usize].as_mut().expect("a number is kept while anything has it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::{Filter, Routes};

    fn table(uids: &[u128]) -> Table {
        Table {
            routes: Routes::new(uids.iter().map(|_| (Uid(1), Filter::exact([])))),
            policies: uids.iter().map(|&uid| Policy { retry: uid as u32, ..Policy::default() }).collect(),
            uids: uids.iter().copied().map(Uid).collect(),
            ..Table::default()
        }
    }

    #[test]
    fn a_number_stays_a_trigger_s_and_is_another_s_only_when_nothing_has_it() {
        let mut roster = Roster::new(&table(&[7, 8, 9]));
        assert_eq!(roster.replace(&table(&[9, 10, 8])), [0]);
        let places = [7, 8, 9, 10].map(|uid| {
            let number = roster.number_of(Uid(uid));
            (number, roster.index(number), roster.policy(number).retry)
        });
        assert_eq!(places, [(0, None, 7), (1, Some(2), 8), (2, Some(0), 9), (3, Some(1), 10)]);
        assert_eq!((0..3).map(|index| roster.number(index)).collect::<Vec<_>>(), [2, 3, 1]);

        roster.forget(|number| number == 0);
        assert_eq!(roster.number_of(Uid(11)), 4, "what is in flight of the one that is gone has its number");
        roster.forget(|_| false);
        assert_eq!(roster.replace(&table(&[9, 12])), [3, 1]);
        assert_eq!((roster.number_of(Uid(12)), roster.numbers().count()), (4, 4));
        let first = roster.number_of(Uid(7));
        assert!(roster.is_gone(first));

        assert_eq!(roster.replace(&table(&[10])), [2, 4], "back again, as the same");
        assert_eq!((roster.number_of(Uid(10)), roster.number(0)), (3, 3));
    }
}
