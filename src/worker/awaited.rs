//! Answers that wait for billing, where the worker's data does not outlive it: what has settled is committed, and what it cost
//! would be gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::scribe::Settled;
use crate::journal::shipped::Shipped;

/// How often it is looked whether billing has them.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// As many as are in flight.
#[derive(Debug, Default)]
pub struct Awaited {
    /// `None`: nobody is waited for.
    shipped: Option<Arc<Shipped>>,
    /// By the segment below which all has to have gone.
    waiting: VecDeque<(u64, Settled)>,
}

impl Awaited {
    pub fn of(shipped: Arc<Shipped>) -> Awaited {
        Awaited { shipped: Some(shipped), waiting: VecDeque::new() }
    }

    /// What can be told at once. `end`: where the journal ends with these entries.
    pub(super) fn keep(&mut self, mut settled: Settled, end: u64) -> Settled {
        if self.shipped.is_some() {
            let (answers, over) = (std::mem::take(&mut settled.answers), std::mem::take(&mut settled.over));
            if !answers.is_empty() || !over.is_empty() {
                self.waiting.push_back((end, Settled { answers, over, ..Settled::default() }));
            }
        }
        settled
    }

    /// What billing has by now, oldest first.
    pub(super) fn next(&mut self) -> Option<Settled> {
        let below = self.shipped.as_ref()?.below()?;
        self.waiting.front().filter(|(end, _)| *end <= below)?;
        self.waiting.pop_front().map(|(_, settled)| settled)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Stream, Uid};

    #[test]
    fn an_answer_waits_until_everybody_has_what_it_cost() {
        let over: Vec<(Stream, u64)> = vec![((Uid(1), 0), 7)];
        let settled = || Settled { over: over.clone(), evict_below: Some(3), ..Settled::default() };
        let mut nobody = Awaited::default();
        assert_eq!(nobody.keep(settled(), 5).over, over);
        assert!(nobody.is_empty() && nobody.next().is_none());

        let shipped = Arc::new(Shipped::by(2));
        let mut awaited = Awaited::of(Arc::clone(&shipped));
        let at_once = awaited.keep(settled(), 5);
        assert_eq!((at_once.over.len(), at_once.evict_below), (0, Some(3)));
        awaited.keep(settled(), 6);
        shipped.note(0, 9);
        assert!(awaited.next().is_none());
        shipped.note(1, 5);
        assert_eq!(awaited.next().unwrap().over, over);
        assert!(awaited.next().is_none() && !awaited.is_empty());
        shipped.note(1, 6);
        assert!(awaited.next().is_some() && awaited.is_empty());
    }
}
