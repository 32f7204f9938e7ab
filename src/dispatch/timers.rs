//! Which deliveries run again, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::delivery::Key;
use crate::time::Moment;

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Moment, Key)>>,
}

impl Timers {
    pub fn set(&mut self, due: Moment, delivery: Key) {
        self.heap.push(Reverse((due, delivery)));
    }

    pub fn next_due(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    pub fn pop_due(&mut self, now: Moment) -> Option<Key> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, delivery))| delivery)
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}
