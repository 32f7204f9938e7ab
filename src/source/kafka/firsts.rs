//! The types of the first events that a source has: what a person wants to know where none of them met a trigger.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many are looked at.
pub const MANY: u64 = 1000;
/// Types that a line of the log has room for.
const TYPES: usize = 10;

#[derive(Debug, Default)]
pub struct Firsts {
    seen: AtomicU64,
    types: Mutex<BTreeSet<String>>,
}

impl Firsts {
    pub(super) fn note(&self, ty: &str) {
        // One thread does.
        let seen = self.seen.load(Ordering::Relaxed);
        if seen >= MANY {
            return;
        }
        self.seen.store(seen + 1, Ordering::Relaxed);
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if types.len() <= TYPES && !types.contains(ty) {
            types.insert(ty.to_owned());
        }
    }

    /// `order.created, order.paid`
    pub fn types(&self) -> String {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown: Vec<&str> = types.iter().take(TYPES).map(String::as_str).collect();
        if types.len() > TYPES {
            shown.push("and more");
        }
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_the_first_are_named() {
        let firsts = Firsts::default();
        (0..2).for_each(|_| ["b", "a"].iter().for_each(|ty| firsts.note(ty)));
        assert_eq!(firsts.types(), "a, b");
        (0..100).for_each(|n| firsts.note(&format!("t{n:03}")));
        assert_eq!(firsts.types(), "a, b, t000, t001, t002, t003, t004, t005, t006, t007, and more");
        let late = Firsts::default();
        (0..MANY).for_each(|_| late.note("first"));
        late.note("late");
        assert_eq!(late.types(), "first");
    }
}
