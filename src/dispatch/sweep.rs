//! What is to be visited, in the order of where it stands, round after round: who reads from disk in this order reads
//! everything once. A round ends where the last stood when it began, so nobody waits for more than two.

use std::collections::BTreeMap;
use std::ops::Bound;

#[derive(Debug)]
pub(super) struct Sweep<P, T> {
    waiting: BTreeMap<P, T>,
    /// Where it is, and where the round ends.
    round: Option<(P, P)>,
}

impl<P, T> Default for Sweep<P, T> {
    fn default() -> Sweep<P, T> {
        Sweep { waiting: BTreeMap::new(), round: None }
    }
}

impl<P: Copy + Ord, T> Sweep<P, T> {
    /// What waits at this place already is replaced.
    pub(super) fn insert(&mut self, place: P, thing: T) {
        self.waiting.insert(place, thing);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&P) -> bool) {
        self.waiting.retain(|place, _| wanted(place));
    }

    pub(super) fn next(&mut self) -> Option<(P, T)> {
        let ahead = self.round.and_then(|(at, end)| {
            let ahead = self.waiting.range((Bound::Excluded(at), Bound::Included(end))).next();
            ahead.map(|(&place, _)| (place, end))
        });
        let (place, end) = match ahead {
            Some(ahead) => ahead,
            None => (*self.waiting.first_key_value()?.0, *self.waiting.last_key_value()?.0),
        };
        self.round = Some((place, end));
        self.waiting.remove(&place).map(|thing| (place, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_in_order_and_what_is_added_at_the_end_waits_for_the_next_round() {
        let mut sweep = Sweep::default();
        [5, 1, 3].into_iter().for_each(|n| sweep.insert(n, n));
        assert_eq!((sweep.next(), sweep.next()), (Some((1, 1)), Some((3, 3))));
        // Ahead, behind, and beyond the end of the round.
        [4, 2, 6].into_iter().for_each(|n| sweep.insert(n, n));
        let rest: Vec<_> = std::iter::from_fn(|| sweep.next().map(|(_, n)| n)).collect();
        assert_eq!(rest, [4, 5, 2, 6]);
        sweep.insert(6, 7);
        assert_eq!((sweep.next(), sweep.next()), (Some((6, 7)), None));
    }

    /// Who always comes back at the end keeps nobody from his turn.
    #[test]
    fn nobody_starves() {
        let mut sweep = Sweep::default();
        (0..10).for_each(|n| sweep.insert(n, n));
        (0..5).for_each(|n| assert_eq!(sweep.next(), Some((n, n))));
        sweep.insert(0, 0);
        let turns = (10..).map(|new| {
            sweep.insert(new, new);
            sweep.next().unwrap().0
        });
        assert_eq!(turns.take(20).position(|n| n == 0), Some(5));
    }
}
