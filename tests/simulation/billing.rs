//! A worker's journal, which outlives it, and billing, which counts a charge once however often it is told of it.

use std::collections::{BTreeSet, VecDeque};

use weir::event::Uid;

/// What stands in a journal: an entry, or something that may be done only when all before it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `None`: of a fenced attempt, at no price.
    Entry(Option<Uid>),
    Then(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// In memory, to be written with the next flush.
    pending: VecDeque<Line>,
    /// So many of them are being written.
    flushing: usize,
    durable: Vec<Option<Uid>>,
    shipped: usize,
}

impl Journal {
    pub(crate) fn push(&mut self, line: Line) {
        self.pending.push_back(line);
    }

    /// False: one is under way, or there is nothing to do.
    pub(crate) fn begin_flush(&mut self) -> bool {
        let begins = self.flushing == 0 && !self.pending.is_empty();
        if begins {
            self.flushing = self.pending.len();
        }
        begins
    }

    /// All that was begun is durable. Returns what waited for that.
    pub(crate) fn flushed(&mut self) -> Vec<u64> {
        let mut then = Vec::new();
        for line in self.pending.drain(..std::mem::take(&mut self.flushing)) {
            match line {
                Line::Entry(charge) => self.durable.push(charge),
                Line::Then(write) => then.push(write),
            }
        }
        then
    }

    /// Of a flush under way some may be durable; the rest is gone.
    pub(crate) fn crash(&mut self, flushed: usize) {
        for line in self.pending.drain(..).take(flushed.min(self.flushing)) {
            if let Line::Entry(charge) = line {
                self.durable.push(charge);
            }
        }
        self.flushing = 0;
    }

    pub(crate) fn flushing(&self) -> usize {
        self.flushing
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// What billing has not acknowledged.
    pub(crate) fn unshipped(&self) -> &[Option<Uid>] {
        &self.durable[self.shipped..]
    }

    pub(crate) fn acknowledged(&mut self, count: usize) {
        self.shipped = self.shipped.max(count);
    }

    pub(crate) fn entries(&self) -> &[Option<Uid>] {
        &self.durable
    }
}

#[derive(Debug, Default)]
pub(crate) struct Billing {
    counted: BTreeSet<Uid>,
    pub(crate) repeats: u64,
}

impl Billing {
    pub(crate) fn receive(&mut self, entries: &[Option<Uid>]) {
        for charge in entries.iter().flatten() {
            self.repeats += u64::from(!self.counted.insert(*charge));
        }
    }

    pub(crate) fn counted(&self) -> &BTreeSet<Uid> {
        &self.counted
    }
}
