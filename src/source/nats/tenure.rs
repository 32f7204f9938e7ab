//! A partition while this worker has the pin of its durable. Whoever had it before may have messages of it that are neither
//! acknowledged nor handed out again, and what is new comes all the same: so nothing begins before all that is unacknowledged
//! is here, and then in the order of the stream. The same holds when a delivery has gone astray. Pure.

use std::collections::{BTreeMap, HashMap};

use async_nats::jetstream::consumer::Info;

#[derive(Debug)]
pub(super) struct Tenure<T> {
    /// What the server calls it.
    pub(super) pin: String,
    /// The durable counts what it hands out: the last that has come.
    last: u64,
    /// Here and not done: each with the number under which it was handed out last.
    ours: HashMap<u64, u64>,
    /// Came, and can't begin yet.
    waiting: BTreeMap<u64, T>,
    is_open: bool,
    /// What the durable said of itself last: what was on its way then comes after that.
    said: Option<Said>,
    /// All that begins from here on stands at this sequence or after it.
    next: u64,
}

/// What a durable says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Handed out and not acknowledged, to whomever.
    pub(super) unacknowledged: u64,
    /// How often it has handed out anything.
    pub(super) delivered: u64,
    /// The last sequence that it has handed out.
    pub(super) reached: u64,
}

impl Said {
    pub(super) fn of(info: &Info) -> Said {
        Said {
            unacknowledged: info.num_ack_pending as u64,
            delivered: info.delivered.consumer_sequence,
            reached: info.delivered.stream_sequence,
        }
    }
}

/// All that was unacknowledged is here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened<T> {
    /// In order.
    pub(super) begin: Vec<T>,
    /// Up to this sequence nothing else is to come.
    pub(super) reached: u64,
}

/// What to do with a message that is new.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    Begin(T),
    /// It is kept until the gate opens.
    Waits,
    /// It stands before something that has begun: only another tenure can put that right.
    Astray,
}

impl<T> Tenure<T> {
    /// `first`: the number of the delivery that it begins with.
    pub(super) fn new(pin: String, first: u64) -> Tenure<T> {
        Tenure {
            pin,
            last: first.saturating_sub(1),
            ours: HashMap::new(),
            waiting: BTreeMap::new(),
            is_open: false,
            said: None,
            next: 0,
        }
    }

    /// Nothing of it is anywhere: it is had without a pin, until a message brings one.
    pub(super) fn of_idle(said: Said) -> Tenure<T> {
        let next = said.reached + 1;
        Tenure { is_open: true, next, ..Tenure::new(String::new(), said.delivered + 1) }
    }

    /// Has nothing been handed out in between?
    pub(super) fn is_next(&self, delivery: u64) -> bool {
        delivery == self.last.wrapping_add(1)
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A message came, new or again; or one that is done here and has to be acknowledged again.
    pub(super) fn delivered(&mut self, sequence: u64, delivery: u64, is_done: bool) {
        if !self.is_next(delivery) {
            // Something was handed out and has not come: it will again, after what follows it.
            (self.is_open, self.said) = (false, None);
        }
        self.last = self.last.max(delivery);
        if !is_done {
            self.ours.insert(sequence, delivery);
        }
    }

    /// It is new.
    pub(super) fn came(&mut self, sequence: u64, thing: T) -> Next<T> {
        if sequence < self.next {
            return Next::Astray;
        }
        if !self.is_open {
            self.waiting.insert(sequence, thing);
            return Next::Waits;
        }
        self.next = sequence + 1;
        Next::Begin(thing)
    }

    /// It is done. Until the server knows, it counts there and not here, and the gate stays shut.
    pub(super) fn done(&mut self, sequence: u64) {
        self.ours.remove(&sequence);
    }

    /// What the durable says.
    pub(super) fn said(&mut self, said: Said) {
        if !self.is_open {
            self.said = Some(said);
        }
    }

    /// Opens the gate if all that is unacknowledged is here. (Of what is here, a predecessor may have acknowledged something: it
    /// was handed out again, for it was silent too long.)
    pub(super) fn open(&mut self) -> Option<Opened<T>> {
        let said = self.said?;
        let here = self.ours.values().filter(|delivery| **delivery <= said.delivered).count();
        if said.unacknowledged > here as u64 {
            return None;
        }
        (self.is_open, self.said) = (true, None);
        let waiting = std::mem::take(&mut self.waiting);
        let last = waiting.last_key_value().map_or(0, |(sequence, _)| *sequence);
        let reached = last.max(said.reached).max(self.next.saturating_sub(1));
        self.next = reached + 1;
        Some(Opened { begin: waiting.into_values().collect(), reached })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn said(unacknowledged: u64, delivered: u64, reached: u64) -> Said {
        Said { unacknowledged, delivered, reached }
    }

    #[test]
    fn what_is_new_waits_for_what_the_predecessor_had() {
        // It had 3 and 4 as deliveries 3 and 4, and fell.
        let mut tenure = Tenure::new("pin".to_owned(), 5);
        tenure.delivered(5, 5, false);
        assert_eq!(tenure.came(5, "five"), Next::Waits);
        tenure.said(said(3, 5, 5));
        assert_eq!(tenure.open(), None, "two are somewhere");
        tenure.delivered(3, 6, false);
        assert_eq!(tenure.came(3, "three"), Next::Waits);
        tenure.said(said(3, 7, 5));
        assert_eq!(tenure.open(), None, "one is on its way");
        tenure.delivered(4, 7, false);
        tenure.came(4, "four");
        assert_eq!(tenure.open(), Some(Opened { begin: vec!["three", "four", "five"], reached: 5 }));
        tenure.delivered(6, 8, false);
        assert_eq!(tenure.came(6, "six"), Next::Begin("six"));
    }

    #[test]
    fn what_went_astray_is_waited_for_and_what_stands_before_it_ends_the_tenure() {
        let mut tenure = Tenure::new("pin".to_owned(), 1);
        tenure.delivered(1, 1, false);
        tenure.came(1, 1);
        tenure.said(said(1, 1, 1));
        assert_eq!(tenure.open().unwrap().begin, [1]);
        tenure.delivered(3, 3, false);
        assert_eq!(tenure.came(3, 3), Next::Waits, "2 has not come");
        tenure.done(1);
        tenure.said(said(2, 3, 3));
        assert_eq!(tenure.open(), None);
        tenure.delivered(2, 4, false);
        tenure.came(2, 2);
        tenure.said(said(2, 4, 3));
        assert_eq!(tenure.open().unwrap().begin, [2, 3]);
        tenure.delivered(1, 5, false);
        assert_eq!(tenure.came(1, 1), Next::Astray);
    }

    /// A durable as NATS has it, whose deliveries get lost, and one who has its pin after another.
    #[derive(Default)]
    struct Durable {
        next: u64,
        deliveries: u64,
        pending: BTreeSet<u64>,
        again: VecDeque<u64>,
        way: VecDeque<(u64, u64)>,
    }

    impl Durable {
        fn hand_out(&mut self) -> (u64, u64) {
            let sequence = self.again.pop_front().unwrap_or_else(|| {
                self.next += 1;
                self.next
            });
            self.pending.insert(sequence);
            self.deliveries += 1;
            (sequence, self.deliveries)
        }

        /// It has waited for long enough for all of these.
        fn expire(&mut self, which: usize) {
            let out = self.pending.iter().filter(|sequence| !self.again.contains(sequence));
            let out: Vec<u64> = out.copied().collect();
            if !out.is_empty() {
                self.again.push_back(out[which % out.len()]);
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        HandOut,
        Lose,
        Expire(usize),
        Arrive,
        Ask,
        Acknowledge(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::HandOut),
            1 => Just(Step::Lose),
            2 => any::<usize>().prop_map(Step::Expire),
            8 => Just(Step::Arrive),
            4 => Just(Step::Ask),
            3 => any::<usize>().prop_map(Step::Acknowledge),
        ]
    }

    proptest! {
        #[test]
        fn all_begins_once_and_in_order_whatever_is_lost(
            before in 0u64..12, done in prop::collection::btree_set(1u64..12, 0..12),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let mut durable = Durable::default();
            for _ in 0..before {
                durable.hand_out();
            }
            durable.pending.retain(|sequence| !done.contains(sequence));
            let mut expected = durable.pending.clone();
            let mut tenure = Tenure::new("pin".to_owned(), durable.deliveries + 1);
            let (mut begun, mut known, mut finished) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
            let end = [Step::Ask, Step::Expire(0), Step::HandOut, Step::Arrive, Step::Arrive].repeat(60);
            for (n, step) in steps.iter().chain(&end).enumerate() {
                match *step {
                    Step::HandOut if n < steps.len() || !durable.again.is_empty() => {
                        let handed = durable.hand_out();
                        durable.way.push_back(handed);
                    }
                    Step::HandOut => {}
                    Step::Lose => drop(durable.way.pop_back()),
                    Step::Expire(which) => {
                        // What has come is said to be worked on.
                        let here = known.clone();
                        let out = durable.pending.clone();
                        durable.pending = &out - &here;
                        if n < steps.len() || durable.way.is_empty() { durable.expire(which); }
                        durable.pending = out;
                    }
                    Step::Arrive => {
                        let Some((sequence, delivery)) = durable.way.pop_front() else { continue };
                        tenure.delivered(sequence, delivery, finished.contains(&sequence));
                        if finished.contains(&sequence) {
                            durable.pending.remove(&sequence);
                            durable.again.retain(|other| *other != sequence);
                        }
                        if known.insert(sequence) {
                            match tenure.came(sequence, sequence) {
                                Next::Begin(sequence) => begun.push(sequence),
                                Next::Waits => {}
                                Next::Astray => prop_assert!(false, "{sequence} stands before {begun:?}"),
                            }
                        }
                    }
                    Step::Ask => tenure.said(Said {
                        unacknowledged: durable.pending.len() as u64,
                        delivered: durable.deliveries,
                        reached: durable.next,
                    }),
                    Step::Acknowledge(which) => {
                        if begun.is_empty() { continue }
                        let sequence = begun[which % begun.len()];
                        durable.pending.remove(&sequence);
                        durable.again.retain(|other| *other != sequence);
                        tenure.done(sequence);
                        finished.insert(sequence);
                    }
                }
                if let Some(Opened { begin, reached }) = tenure.open() {
                    begun.extend(begin);
                    prop_assert!(begun.last().is_none_or(|last| *last <= reached));
                }
            }
            expected.extend(before + 1..=durable.next);
            prop_assert!(begun.is_sorted_by(|a, b| a < b), "{:?}", begun);
            prop_assert_eq!(begun, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
