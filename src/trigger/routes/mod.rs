//! From an event to the triggers that it meets, without asking every trigger.
//!
//! Triggers stand in lists by what they want of type and source, so that an event looks into four at most: those of its own
//! type and of any, and in each those of its own source and of any. In a list they are found by another part of an attribute
//! that they want, if there is one: by the whole of it, its beginning or its end. What is left is asked one by one, and what
//! it says is remembered: by the values of the steady attributes for all of a broker together, and by those of other
//! attributes for the triggers that ask for these.

mod demand;
mod index;
mod list;
mod memo;
#[cfg(test)]
mod tests;

pub use memo::{Limits, Memo};

use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::HashMap;

use super::data::{DataFilters, Found};
use super::{Criteria, Filter};
use crate::event::{Event, Uid};
use index::Index;

/// The triggers of all brokers. A trigger is named by its index in the list that this was made from.
#[derive(Debug)]
pub struct Routes {
    /// Other routes have another, so that a memo knows whose it is.
    own: u64,
    brokers: HashMap<Uid, Index>,
    /// How many questions there are whose answers may be remembered.
    questions: u32,
    data: DataFilters,
    /// By trigger, which of them it has.
    data_of: Vec<Option<usize>>,
}

/// So many filters are asked one by one, rather than that one remembers what they said.
const ASKED: usize = 8;

impl Default for Routes {
    fn default() -> Routes {
        Routes::new(std::iter::empty::<(Uid, Filter)>())
    }
}

impl Routes {
    pub fn new(triggers: impl IntoIterator<Item = (Uid, impl Into<Criteria>)>) -> Routes {
        Routes::with(triggers, ASKED)
    }

    fn with(triggers: impl IntoIterator<Item = (Uid, impl Into<Criteria>)>, asked: usize) -> Routes {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (mut data, mut data_of) = (DataFilters::default(), Vec::new());
        let mut by_broker: HashMap<Uid, Vec<(u32, Filter)>> = HashMap::default();
        for (trigger, (broker, criteria)) in (0..).zip(triggers) {
            let criteria = criteria.into();
            data_of.push(criteria.data.map(|filter| data.add(&filter)));
            by_broker.entry(broker).or_default().push((trigger, criteria.filter));
        }
        let mut questions = 0;
        let index = |(broker, triggers)| (broker, Index::new(triggers, asked, &mut questions));
        let brokers = by_broker.into_iter().map(index).collect();
        Routes { own: NEXT.fetch_add(1, Ordering::Relaxed), brokers, questions, data, data_of }
    }

    /// Adds the triggers of `broker` that `event` meets to `matched`, in the order of the list.
    pub fn matching(&self, broker: Uid, event: &Event<'_>, memo: &mut Memo, matched: &mut Vec<u32>) {
        let Some(index) = self.brokers.get(&broker) else { return };
        memo.belong_to(self.own, self.questions);
        let first = matched.len();
        index.ask(event, memo, matched);
        matched[first..].sort_unstable();
        self.ask_data(event, &mut memo.found, matched, first);
    }

    /// Of those from `first` on, leaves the ones that the event's data meets. It is read if one of them asks for it, and once.
    fn ask_data(&self, event: &Event<'_>, found: &mut Found, matched: &mut Vec<u32>, first: usize) {
        let asks = |trigger: &u32| self.data_of[*trigger as usize].is_some();
        if !matched[first..].iter().any(asks) {
            return;
        }
        let read = self.data.read(event, found);
        let mut at = 0;
        matched.retain(|&trigger| {
            at += 1;
            let met = |filter| read.as_ref().is_some_and(|read| read.matches(filter));
            at <= first || self.data_of[trigger as usize].is_none_or(met)
        });
    }
}
