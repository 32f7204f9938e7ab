//! The messages of one consumer that are ours: what is under way, and what is done and not yet known to be acknowledged. A
//! message that NATS hands out again while it stands here is not read again.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use async_nats::Subject;
use foldhash::{HashMap, HashMapExt};

/// So many that are acknowledged are remembered: a server that falls forgets the newest.
const REMEMBERED: usize = 65_536;

/// What is answered for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ack,
    /// It has failed for good, and its dead letter is written.
    Term,
}

#[derive(Debug)]
pub(super) struct Held {
    messages: HashMap<u64, Message>,
    under_way: usize,
    /// What those take up.
    bytes: usize,
    remembered: Remembered,
}

#[derive(Debug)]
struct Message {
    /// Where it is answered.
    reply: Subject,
    /// When it was handed out, or NATS was told last that it is being worked on.
    touched: Instant,
    done: Option<Answer>,
    size: usize,
}

/// The newest of those that have been answered for.
#[derive(Debug, Default)]
struct Remembered {
    order: VecDeque<u64>,
    answers: HashSet<u64>,
}

/// What to do with a message that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    New,
    /// It is being worked on.
    UnderWay,
    /// It was done before: to be answered again.
    Done(Answer),
}

impl Held {
    pub(super) fn new() -> Held {
        Held { messages: HashMap::new(), under_way: 0, bytes: 0, remembered: Remembered::default() }
    }

    /// How many are being worked on.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Is it being worked on?
    pub(super) fn has(&self, sequence: u64) -> bool {
        self.messages.get(&sequence).is_some_and(|message| message.done.is_none())
    }

    /// What they take up.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn came(&mut self, sequence: u64, (reply, size): (Subject, usize), now: Instant) -> Came {
        if let Some(known) = self.messages.get_mut(&sequence) {
            (known.reply, known.touched) = (reply, now);
            return known.done.map_or(Came::UnderWay, Came::Done);
        }
        let done = self.remembered.answers.contains(&sequence).then_some(Answer::Ack);
        self.messages.insert(sequence, Message { reply, touched: now, done, size });
        if let Some(answer) = done {
            return Came::Done(answer);
        }
        self.under_way += 1;
        self.bytes += size;
        Came::New
    }

    /// It is done; false: it is not ours any more.
    pub(super) fn done(&mut self, sequence: u64, answer: Answer) -> bool {
        let Some(message) = self.messages.get_mut(&sequence).filter(|message| message.done.is_none()) else {
            return false;
        };
        message.done = Some(answer);
        self.under_way -= 1;
        self.bytes -= message.size;
        true
    }

    /// Where to answer for it, and what, if it is done.
    pub(super) fn answer(&self, sequence: u64) -> Option<(Subject, Answer)> {
        let message = self.messages.get(&sequence)?;
        Some((message.reply.clone(), message.done?))
    }

    /// NATS has the answers.
    pub(super) fn acknowledged(&mut self, sequences: &[u64]) {
        for &sequence in sequences {
            if self.messages.get(&sequence).is_some_and(|message| message.done.is_some()) {
                self.messages.remove(&sequence);
                self.remembered.add(sequence);
            }
        }
    }

    /// It is nobody's here: another may have it at once, or when it is due.
    pub(super) fn release(&mut self, sequence: u64) -> Option<Subject> {
        let message = self.messages.remove(&sequence)?;
        if message.done.is_none() {
            self.under_way -= 1;
            self.bytes -= message.size;
        }
        Some(message.reply)
    }

    /// Those being worked on of which NATS has not heard for so long. It is told now.
    pub(super) fn untouched(&mut self, since: Duration, now: Instant) -> Vec<Subject> {
        let mut silent = Vec::new();
        for message in self.messages.values_mut().filter(|message| message.done.is_none()) {
            if now.saturating_duration_since(message.touched) >= since {
                message.touched = now;
                silent.push(message.reply.clone());
            }
        }
        silent
    }

    /// What is being worked on is not ours any more, all of it.
    pub(super) fn give_back(&mut self) -> Vec<Subject> {
        (self.under_way, self.bytes) = (0, 0);
        let mut replies = Vec::new();
        self.messages.retain(|_, message| {
            let is_done = message.done.is_some();
            if !is_done {
                replies.push(message.reply.clone());
            }
            is_done
        });
        replies
    }

    /// The consumer was made anew: what it hands out again is meant to be done again, but for what is under way here.
    pub(super) fn forget_acknowledged(&mut self) {
        self.remembered = Remembered::default();
    }
}

impl Remembered {
    fn add(&mut self, sequence: u64) {
        if self.answers.insert(sequence) {
            self.order.push_back(sequence);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(text: &str) -> Subject {
        Subject::from(text.to_owned())
    }

    /// Of ten bytes.
    fn sent(text: &str) -> (Subject, usize) {
        (reply(text), 10)
    }

    #[test]
    fn what_is_handed_out_again_is_not_read_again() {
        let (mut held, now) = (Held::new(), Instant::now());
        assert_eq!(held.came(7, sent("a"), now), Came::New);
        assert_eq!(held.came(7, sent("b"), now), Came::UnderWay);
        assert!(held.done(7, Answer::Term));
        assert!(!held.done(7, Answer::Ack), "once");
        assert_eq!(held.answer(7), Some((reply("b"), Answer::Term)), "where it was asked last");
        assert_eq!(held.came(7, sent("c"), now), Came::Done(Answer::Term));
        held.acknowledged(&[7]);
        assert_eq!((held.answer(7), held.under_way()), (None, 0));
        assert_eq!(held.came(7, sent("d"), now), Came::Done(Answer::Ack), "the server forgot");
        held.acknowledged(&[7]);
        held.forget_acknowledged();
        assert_eq!(held.came(7, sent("e"), now), Came::New);
    }

    #[test]
    fn whoever_is_at_work_says_so_in_time_and_gives_back_what_it_leaves() {
        let (mut held, now) = (Held::new(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        held.came(1, sent("1"), at(0));
        held.came(2, sent("2"), at(5));
        held.came(3, sent("3"), at(0));
        held.done(3, Answer::Ack);
        assert_eq!(held.untouched(Duration::from_secs(10), at(10)), [reply("1")]);
        assert_eq!(held.untouched(Duration::from_secs(10), at(15)), [reply("2")]);
        let mut left = held.give_back();
        left.sort();
        assert_eq!(left, [reply("1"), reply("2")]);
        assert!(held.answer(3).is_some(), "what is done is answered for all the same");
    }

    proptest! {
        /// Whatever comes in whatever order: a sequence is new once, until it is given back.
        #[test]
        fn each_is_new_once(steps in prop::collection::vec((0u64..12, 0u8..5), 0..200)) {
            let (mut held, now) = (Held::new(), Instant::now());
            let (mut open, mut done) = (HashSet::new(), HashSet::new());
            for (sequence, step) in steps {
                match step {
                    0 | 1 => {
                        let came = held.came(sequence, sent("r"), now);
                        let expected = match (open.contains(&sequence), done.contains(&sequence)) {
                            (true, _) => Came::UnderWay,
                            (_, true) => Came::Done(Answer::Ack),
                            _ => Came::New,
                        };
                        prop_assert_eq!(came, expected);
                        if came == Came::New { open.insert(sequence); }
                    }
                    2 => {
                        prop_assert_eq!(held.done(sequence, Answer::Ack), open.remove(&sequence));
                        if held.answer(sequence).is_some() { done.insert(sequence); }
                    }
                    3 => held.acknowledged(&[sequence]),
                    _ => {
                        if open.remove(&sequence) { prop_assert!(held.release(sequence).is_some()); }
                    }
                }
                prop_assert_eq!((held.under_way(), held.bytes()), (open.len(), 10 * open.len()));
            }
            prop_assert_eq!(held.give_back().len(), open.len());
        }
    }
}
