//! What the attempts of deliveries that failed so far have cost together, until these end or are written aside: a dead letter
//! says it. What was parked counts from when it came back.

use std::collections::HashMap;

use crate::dispatch::{Fate, Key};

/// In trillionths.
#[derive(Debug, Default)]
pub(super) struct Spent(HashMap<Key, u64>);

/// Of as many deliveries it is known. There are more only where many were lost without a word, with their partitions.
const MOST: usize = 100_000;

impl Spent {
    /// With this attempt.
    pub(super) fn with(&mut self, delivery: Key, price: u64, fate: &Fate) -> u64 {
        match fate {
            Fate::Retried if price > 0 => {
                if self.0.len() >= MOST {
                    self.0.clear();
                }
                let spent = self.0.entry(delivery).or_default();
                *spent = spent.saturating_add(price);
                *spent
            }
            Fate::Retried => price,
            _ => price.saturating_add(self.forget(delivery)),
        }
    }

    /// It has ended, or is somebody else's.
    pub(super) fn forget(&mut self, delivery: Key) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.remove(&delivery).unwrap_or_default() }
    }
}
