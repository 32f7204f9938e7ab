//! What is incomplete in a partition, and so how far it is safe to commit.

use std::collections::VecDeque;

use super::progress::Progress;

/// The positions of one partition: those in flight, and what an earlier life completed ahead of this one.
///
/// Whatever was begun and not completed holds the watermark back, so a commit can never pass it. Only words with a
/// position that was begun are held, so what it takes grows with the events that come and not with the gaps between.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every position below was begun or left out in this life, or is complete since an earlier one.
    frontier: u64,
    /// Ascending. The first one has something in flight: the watermark.
    words: VecDeque<Word>,
    incomplete: usize,
    /// Complete since an earlier life, as (first, count): ascending and apart, all beyond the frontier.
    ahead: VecDeque<(u64, u64)>,
}

/// The positions from 64 times `number` on, a bit each.
#[derive(Clone, Copy, Debug)]
struct Word {
    number: u64,
    in_flight: u64,
}

impl Ledger {
    /// Goes on from what was committed. Positions that `progress` calls complete are not to be begun again.
    pub fn resume(progress: &Progress) -> Ledger {
        let progress = progress.canonical().into_owned();
        Ledger { frontier: progress.watermark, ahead: progress.runs.into(), ..Ledger::default() }
    }

    /// Every position below is complete.
    pub fn watermark(&self) -> u64 {
        match self.words.front() {
            Some(word) => word.number * 64 + u64::from(word.in_flight.trailing_zeros()),
            None => self.frontier,
        }
    }

    /// How many were begun and are not complete.
    pub fn incomplete(&self) -> usize {
        self.incomplete
    }

    /// From the watermark to the last position that came or was passed in this life. What an earlier life completed
    /// ahead is not counted: who waits for the span to shrink would wait for the very events that must come.
    pub fn span(&self) -> u64 {
        self.frontier - self.watermark()
    }

    /// Complete, as far as this ledger has been told.
    pub fn is_settled(&self, position: u64) -> bool {
        if position < self.frontier {
            return !self.is_in_flight(position);
        }
        let after = self.ahead.partition_point(|&(first, _)| first <= position);
        after.checked_sub(1).is_some_and(|run| position - self.ahead[run].0 < self.ahead[run].1)
    }

    /// Must be called for every position, ascending, before anything else is done with its event. False: it is
    /// complete or in flight already. A source leaves nothing out that stands there: what it skips is complete, also
    /// where it was in flight in an earlier life and has been compacted away since.
    pub fn begin(&mut self, position: u64) -> bool {
        self.pass(position);
        if position < self.frontier {
            return false;
        }
        match self.words.back_mut() {
            Some(word) if word.number == position / 64 => word.in_flight |= bit(position),
            _ => self.words.push_back(Word { number: position / 64, in_flight: bit(position) }),
        }
        self.incomplete += 1;
        self.pass(position.checked_add(1).expect("a partition ends before the last number there is"));
        true
    }

    /// Nothing below `position` is still to come.
    pub fn pass(&mut self, position: u64) {
        self.frontier = self.frontier.max(position);
        while let Some(&(first, count)) = self.ahead.front()
            && first <= self.frontier
        {
            self.frontier = self.frontier.max(first + count);
            self.ahead.pop_front();
        }
    }

    /// # Panics
    /// If the position was not begun or is complete: an event would have settled twice.
    pub fn complete(&mut self, position: u64) {
        let slot = self.slot(position).filter(|slot| self.words[*slot].in_flight & bit(position) != 0);
        let Some(slot) = slot else {
            panic!(
                "position {position} completed, but it is not in flight ({} to {})",
                self.watermark(),
                self.frontier
            )
        };
        self.words[slot].in_flight &= !bit(position);
        self.incomplete -= 1;
        while self.words.front().is_some_and(|word| word.in_flight == 0) {
            self.words.pop_front();
        }
    }

    pub fn progress(&self) -> Progress {
        let watermark = self.watermark();
        let mut runs = Vec::new();
        let mut from = watermark;
        for word in &self.words {
            let mut rest = word.in_flight;
            while rest != 0 {
                let position = word.number * 64 + u64::from(rest.trailing_zeros());
                rest &= rest - 1;
                if from < position {
                    runs.push((from, position - from));
                }
                from = position + 1;
            }
        }
        if from < self.frontier {
            runs.push((from, self.frontier - from));
        }
        runs.extend(&self.ahead);
        Progress { watermark, runs }
    }

    fn is_in_flight(&self, position: u64) -> bool {
        self.slot(position).is_some_and(|slot| self.words[slot].in_flight & bit(position) != 0)
    }

    /// Where the word of this position is, if there is one.
    fn slot(&self, position: u64) -> Option<usize> {
        let number = position / 64;
        let distance = number.checked_sub(self.words.front()?.number)?;
        // Where no gap is wider than a word, and that is nearly always, its number tells its place.
        let slot = usize::try_from(distance).ok();
        match slot.and_then(|slot| self.words.get(slot)) {
            Some(word) if word.number == number => slot,
            _ => self.words.binary_search_by_key(&number, |word| word.number).ok(),
        }
    }
}

fn bit(position: u64) -> u64 {
    1 << (position % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn progress(watermark: u64, runs: &[(u64, u64)]) -> Progress {
        Progress { watermark, runs: runs.to_vec() }
    }

    #[test]
    fn the_watermark_waits_for_the_first_incomplete_position() {
        let mut ledger = Ledger::resume(&progress(60, &[]));
        (60..70).for_each(|p| assert!(ledger.begin(p)));
        (61..70).for_each(|p| ledger.complete(p));
        assert_eq!(ledger.progress(), progress(60, &[(61, 9)]));
        assert_eq!((ledger.incomplete(), ledger.span()), (1, 10));
        ledger.complete(60);
        assert_eq!(ledger.progress(), progress(70, &[]));
        assert_eq!((ledger.incomplete(), ledger.span()), (0, 0));
    }

    #[test]
    fn what_was_complete_before_a_restart_is_not_begun_again() {
        let mut ledger = Ledger::resume(&progress(5, &[(7, 2)]));
        assert!(!ledger.begin(4));
        assert!(ledger.begin(5));
        assert!(ledger.begin(6));
        assert!(!ledger.begin(7));
        assert!(!ledger.begin(8));
        assert!(ledger.begin(9));
    }

    /// What lies between complete runs was in flight: taking it for a gap before it has been passed would lose it.
    #[test]
    fn what_was_in_flight_before_a_restart_holds_the_watermark_and_is_begun_again() {
        let mut ledger = Ledger::resume(&progress(0, &[(1, 1), (62, 130)]));
        for position in (0..192).filter(|p| *p != 1 && !(62..192).contains(p)) {
            assert!(!ledger.is_settled(position), "{position}");
            assert!(ledger.begin(position), "{position}");
            assert_eq!(ledger.watermark(), if position == 0 { 0 } else { position });
            ledger.complete(position);
        }
        assert_eq!(ledger.progress(), progress(192, &[]));
    }

    /// Compacted away since the earlier life: it never comes again, and must not hold the watermark for ever.
    #[test]
    fn what_was_in_flight_before_a_restart_and_is_left_out_now_is_complete() {
        let resumed = progress(5, &[(7, 2), (20, 3)]);
        let mut begun = Ledger::resume(&resumed);
        assert!(begun.begin(15));
        assert_eq!(begun.progress(), progress(15, &[(20, 3)]));
        assert!(!begun.begin(21));
        assert_eq!(begun.progress(), progress(15, &[(16, 7)]));

        let mut passed = Ledger::resume(&resumed);
        passed.pass(9);
        assert_eq!(passed.progress(), progress(9, &[(20, 3)]));
        assert!(passed.begin(10));
        passed.pass(21);
        assert_eq!(passed.progress(), progress(10, &[(11, 12)]));
        assert!(!passed.begin(22));
        passed.complete(10);
        assert_eq!(passed.progress(), progress(23, &[]));
    }

    #[test]
    fn what_is_in_flight_is_not_begun_a_second_time() {
        let mut ledger = Ledger::default();
        assert!(ledger.begin(0));
        assert!(ledger.begin(3));
        assert!(!ledger.begin(0));
        assert!(!ledger.begin(3));
        assert_eq!((ledger.incomplete(), ledger.progress()), (2, progress(0, &[(1, 2)])));
        ledger.complete(0);
        ledger.complete(3);
        assert_eq!((ledger.incomplete(), ledger.watermark()), (0, 4));
    }

    /// Who waits for the span to shrink must not wait for what an earlier life completed far ahead.
    #[test]
    fn the_span_is_what_came_in_this_life() {
        let mut ledger = Ledger::resume(&progress(5, &[(1_000_000, 1)]));
        assert_eq!(ledger.span(), 0);
        ledger.begin(5);
        ledger.begin(9);
        assert_eq!(ledger.span(), 5);
        ledger.pass(1_000_000);
        assert_eq!(ledger.span(), 1_000_001 - 5);
        ledger.complete(5);
        assert_eq!(ledger.span(), 1_000_001 - 9);
    }

    #[test]
    fn a_gap_takes_no_memory_however_wide() {
        let mut ledger = Ledger::default();
        let positions: Vec<u64> = (0..100).map(|n| n << 50).collect();
        positions.iter().for_each(|p| assert!(ledger.begin(*p)));
        ledger.pass(u64::MAX);
        assert_eq!((ledger.words.len(), ledger.progress().runs.len()), (100, 100));
        positions[1..].iter().rev().for_each(|p| ledger.complete(*p));
        assert_eq!(ledger.progress(), progress(0, &[(1, u64::MAX - 1)]));
        ledger.complete(0);
        assert_eq!((ledger.words.len(), ledger.watermark()), (0, u64::MAX));
    }

    #[test]
    #[should_panic(expected = "not in flight")]
    fn nothing_completes_twice() {
        let mut ledger = Ledger::default();
        ledger.begin(0);
        ledger.begin(1);
        ledger.complete(1);
        ledger.complete(1);
    }

    #[test]
    #[should_panic(expected = "not in flight")]
    fn what_was_not_begun_does_not_complete() {
        let mut ledger = Ledger::default();
        ledger.begin(0);
        ledger.begin(200);
        ledger.complete(100);
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// The next position that stands there.
        Read,
        ReadAgain(prop::sample::Index),
        Complete(prop::sample::Index),
        /// So far towards the next position that stands there.
        Pass(u64),
        /// A new life: some positions are gone, reading starts so far before the watermark, progress had so much room.
        Restart {
            gone: Vec<prop::sample::Index>,
            back: u64,
            room: usize,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let gone = prop::collection::vec(any::<prop::sample::Index>(), 0..8);
        let room = prop_oneof![3 => Just(usize::MAX), 1 => 12usize..24];
        prop_oneof![
            12 => Just(Step::Read),
            1 => any::<prop::sample::Index>().prop_map(Step::ReadAgain),
            9 => any::<prop::sample::Index>().prop_map(Step::Complete),
            2 => (0u64..300).prop_map(Step::Pass),
            1 => (gone, 0u64..50, room).prop_map(|(gone, back, room)| Step::Restart { gone, back, room }),
        ]
    }

    /// What the ledger should say, as sets; and what is true whatever it says.
    #[derive(Default)]
    struct Model {
        /// What stands in the partition.
        there: BTreeSet<u64>,
        /// What was ever completed, in whichever life.
        done: BTreeSet<u64>,
        known: BTreeSet<u64>,
        in_flight: BTreeSet<u64>,
        /// The next position to read.
        next: u64,
        start: u64,
        watermark: u64,
    }

    impl Model {
        /// Whatever is below and has not come in this life never will.
        fn pass(&mut self, position: u64) {
            let skipped = (self.next..position).filter(|p| !self.in_flight.contains(p));
            self.known.extend(skipped);
            self.next = self.next.max(position);
        }

        fn begin(&mut self, position: u64) -> bool {
            self.pass(position);
            self.next = self.next.max(position + 1);
            position >= self.start && !self.known.contains(&position) && self.in_flight.insert(position)
        }

        fn is_settled(&self, position: u64) -> bool {
            position < self.start || self.known.contains(&position)
        }

        fn check(&mut self, ledger: &Ledger) {
            let progress = ledger.progress();
            let first = self.in_flight.first().copied();
            let watermark = (self.start..).find(|p| !self.known.contains(p)).unwrap();
            assert_eq!(ledger.watermark(), watermark);
            assert_eq!(ledger.incomplete(), self.in_flight.len());
            let frontier = (self.next..).find(|p| !self.known.contains(p)).unwrap();
            assert_eq!(ledger.span(), frontier - watermark);
            assert!(first.is_none_or(|first| watermark <= first), "the watermark passed {first:?}");
            assert!(watermark >= self.watermark, "the watermark fell");
            assert!(matches!(progress.canonical(), std::borrow::Cow::Borrowed(_)));
            self.watermark = watermark;
            for &there in &self.there {
                for position in [there, there + 1, there.saturating_sub(1)] {
                    assert_eq!(ledger.is_settled(position), self.is_settled(position), "{position}");
                    assert_eq!(progress.is_complete(position), self.is_settled(position), "{position}");
                }
                let lost = ledger.is_settled(there) && !self.done.contains(&there);
                assert!(!lost, "{there} is settled and was never completed");
            }
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_sets_over_many_lives(
            start in 0u64..200,
            gaps in prop::collection::vec(prop_oneof![6 => 1u64..3, 2 => 1u64..30, 1 => 1u64..400], 1..100),
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut model = Model { start, next: start, ..Model::default() };
            let mut end = start;
            for gap in gaps {
                model.there.insert(end);
                end += gap;
            }
            let mut ledger = Ledger::resume(&progress(start, &[]));
            for step in steps {
                match step {
                    Step::Read => {
                        let Some(&position) = model.there.range(model.next..).next() else { continue };
                        prop_assert_eq!(ledger.begin(position), model.begin(position));
                    }
                    Step::ReadAgain(pick) => {
                        let read: Vec<_> = model.there.range(..model.next).copied().collect();
                        if !read.is_empty() {
                            prop_assert!(!ledger.begin(*pick.get(&read)));
                        }
                    }
                    Step::Complete(pick) => {
                        let open: Vec<_> = model.in_flight.iter().copied().collect();
                        if !open.is_empty() {
                            let position = *pick.get(&open);
                            ledger.complete(position);
                            model.in_flight.remove(&position);
                            model.known.insert(position);
                            model.done.insert(position);
                        }
                    }
                    Step::Pass(far) => {
                        let next = model.there.range(model.next..).next().copied().unwrap_or(end);
                        let position = next.min(model.next + far);
                        ledger.pass(position);
                        model.pass(position);
                    }
                    Step::Restart { gone, back, room } => {
                        let committed = Progress::decode(&ledger.progress().encode_within(room)).unwrap();
                        ledger = Ledger::resume(&committed);
                        for pick in gone {
                            if model.there.len() > 1 {
                                let index = pick.index(model.there.len());
                                let gone = *model.there.iter().nth(index).unwrap();
                                model.there.remove(&gone);
                            }
                        }
                        model.in_flight.clear();
                        model.known = committed.runs.iter().flat_map(|&(first, n)| first..first + n).collect();
                        (model.start, model.watermark) = (committed.watermark, committed.watermark);
                        // A source may begin to read before the watermark: nothing there is begun.
                        for &position in model.there.range(committed.watermark.saturating_sub(back)..committed.watermark) {
                            prop_assert!(!ledger.begin(position));
                        }
                        model.next = committed.watermark;
                    }
                }
                model.check(&ledger);
            }
            // A last life that reads and completes all to the end.
            let mut last = Ledger::resume(&ledger.progress());
            for &position in &model.there {
                let settled = ledger.is_settled(position);
                prop_assert_eq!(last.begin(position), !settled);
                if !settled {
                    last.complete(position);
                }
            }
            last.pass(end);
            prop_assert_eq!(last.progress(), progress(end.max(last.frontier), &[]));
        }
    }
}
