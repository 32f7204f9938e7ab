//! The places for instances of a function, which all pools share: who keeps an instance has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many are taken.
#[derive(Debug, Default)]
pub(super) struct Places(AtomicU32);

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<Places>>);

impl Places {
    pub(super) fn taken(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// `None`: there are `max` already.
    pub(super) fn take(self: &Arc<Places>, max: u32) -> Option<Place> {
        let more = |taken| (taken < max).then_some(taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(Some(Arc::clone(self))))
    }
}

impl Place {
    /// Gives it back now, unless that left fewer than `min`.
    pub(super) fn give_up(&mut self, min: u32) -> bool {
        let fewer = |taken| (taken > min).then_some(taken - 1);
        let given =
            |places: &Arc<Places>| places.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok();
        self.0.take_if(|places| given(places)).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Places(taken)) = self.0.as_deref() {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_most_and_none_is_given_up_below_the_least() {
        let places = Arc::<Places>::default();
        let mut kept: Vec<Place> = (0..5).filter_map(|_| places.take(3)).collect();
        assert_eq!(kept.len(), 3);
        assert!(kept[0].give_up(2), "the third was not spare");
        assert!(!kept[0].give_up(0), "it was given back twice");
        kept.remove(0);
        assert!(!kept[0].give_up(2), "one of two was spare");
        assert_eq!(places.0.load(Ordering::Relaxed), 2);
        kept.clear();
        assert_eq!(places.0.load(Ordering::Relaxed), 0);
    }
}
