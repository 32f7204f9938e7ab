//! What matching remembers from one event to the next, within bounds: what triggers said of some attributes' values.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::super::data::Found;

/// What may be remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub answers: usize,
    /// Of keys and answers together.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { answers: 16_384, bytes: 16 << 20 }
    }
}

/// Attributes whose values are longer are not worth it.
const MAX_KEY: usize = 1_024;
/// Places where an answer may stand: as many are compared when it is looked for, whoever chose the keys.
const WAYS: usize = 4;
/// So many questions tell whether remembering pays, and for so many it is then not tried.
const TRIED: u32 = 1_024;
const RESTED: u32 = 64 * TRIED;
/// As many filters are asked in the time of a question that nobody remembers the answer to.
const EFFORT: u64 = 8;

/// It changes what matching costs, never what it says.
#[derive(Debug, Default)]
pub struct Memo {
    /// Of which routes; 0: of none.
    of: u64,
    limits: Limits,
    hasher: RandomState,
    answers: Vec<Option<Kept>>,
    /// For each place, who was last turned away there: what was asked once may never be asked again.
    asked_once: Vec<u64>,
    bytes: usize,
    uses: Vec<Use>,
    key: Vec<u8>,
    /// Used again for each event.
    pub(super) first: Answer,
    pub(super) second: Answer,
    pub(super) found: Found,
}

/// What is found by some attributes alone.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Triggers that are met, by their number.
    pub matched: Vec<u32>,
    /// Triggers that are left to be asked, by their index.
    pub candidates: Vec<u32>,
    /// Lists in which there is more to be found.
    pub lists: Vec<u32>,
}

#[derive(Debug)]
struct Kept {
    hash: u64,
    key: Box<[u8]>,
    /// The three parts of an answer, and where the second and third of them begin.
    all: Box<[u32]>,
    ends: [u32; 2],
    /// Since it was last nearly given up.
    used: bool,
}

/// How well it goes with one question.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    asked: u32,
    known: u32,
    rest: u32,
}

impl Memo {
    pub fn with_limits(limits: Limits) -> Memo {
        Memo { limits, ..Memo::default() }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Memo::with_limits(self.limits);
    }

    /// What other routes said is forgotten. `questions`: how many these have.
    pub(super) fn belong_to(&mut self, routes: u64, questions: u32) {
        if self.of != routes {
            self.clear();
            self.of = routes;
            self.uses.resize(questions as usize, Use::default());
        }
    }

    /// The answer to a question about the attributes that `write` puts into the key, remembered or found. `effort`: how
    /// many filters finding it asks.
    pub(super) fn answer(
        &mut self,
        question: u32,
        effort: usize,
        write: impl FnOnce(&mut Vec<u8>),
        answer: &mut Answer,
        find: impl FnOnce(&mut Answer),
    ) {
        answer.clear();
        if self.uses[question as usize].rests() {
            return find(answer);
        }
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend_from_slice(&question.to_le_bytes());
        write(&mut key);
        if key.len() > MAX_KEY {
            find(answer);
        } else {
            let hash = self.hasher.hash_one(&*key);
            let known = self.look_up(hash, &key, answer);
            self.uses[question as usize].note(known, effort);
            if !known {
                find(answer);
                self.keep(hash, &key, answer);
            }
        }
        self.key = key;
    }

    fn look_up(&mut self, hash: u64, key: &[u8], answer: &mut Answer) -> bool {
        let places = self.places(hash);
        let Some(places) = self.answers.get_mut(places) else { return false };
        let same = |kept: &&mut Kept| kept.hash == hash && *kept.key == *key;
        let Some(kept) = places.iter_mut().flatten().find(same) else { return false };
        kept.used = true;
        let [first, second] = kept.ends.map(|end| end as usize);
        answer.matched.extend_from_slice(&kept.all[..first]);
        answer.candidates.extend_from_slice(&kept.all[first..second]);
        answer.lists.extend_from_slice(&kept.all[second..]);
        true
    }

    /// Those where an answer of that hash may stand.
    fn places(&self, hash: u64) -> std::ops::Range<usize> {
        let sets = (self.limits.answers / WAYS).max(1);
        let first = (hash >> 16) as usize % sets * WAYS;
        first..first + WAYS
    }

    fn keep(&mut self, hash: u64, key: &[u8], answer: &Answer) {
        if self.answers.is_empty() {
            let places = (self.limits.answers / WAYS).max(1) * WAYS;
            self.answers.resize_with(places, || None);
            self.asked_once.resize(places, 0);
        }
        let places = self.places(hash);
        let once = places.start + hash as usize % WAYS;
        if std::mem::replace(&mut self.asked_once[once], hash) != hash {
            return;
        }
        let Some(kept) = Kept::new(hash, key, answer).filter(|kept| kept.bytes() <= self.limits.bytes / 16)
        else {
            return;
        };
        let free = self.answers[places.clone()].iter().position(Option::is_none);
        // One that was not used since, else the first.
        let at = places.start
            + free.unwrap_or_else(|| {
                let mut all = self.answers[places].iter_mut().flatten();
                all.position(|kept| !std::mem::take(&mut kept.used)).unwrap_or_default()
            });
        self.forget(at);
        self.bytes += kept.bytes();
        self.answers[at] = Some(kept);
        // Some others go, whichever stand next to it.
        let mut next = at;
        while self.bytes > self.limits.bytes {
            next = (next + 1) % self.answers.len();
            self.forget(next);
        }
    }

    fn forget(&mut self, at: usize) {
        if let Some(kept) = self.answers[at].take() {
            self.bytes -= kept.bytes();
        }
    }
}

impl Answer {
    pub(super) fn clear(&mut self) {
        self.matched.clear();
        self.candidates.clear();
        self.lists.clear();
    }
}

impl Kept {
    /// `None`: there are more triggers in it than fit u32.
    fn new(hash: u64, key: &[u8], answer: &Answer) -> Option<Kept> {
        let first = answer.matched.len();
        let ends = [first, first + answer.candidates.len()];
        let all = [&answer.matched[..], &answer.candidates, &answer.lists].concat().into();
        let [Ok(first), Ok(second)] = ends.map(u32::try_from) else { return None };
        Some(Kept { hash, key: key.into(), all, ends: [first, second], used: false })
    }

    fn bytes(&self) -> usize {
        self.key.len() + size_of_val(&*self.all)
    }
}

impl Use {
    fn rests(&mut self) -> bool {
        self.rest = self.rest.saturating_sub(1);
        self.rest > 0
    }

    fn note(&mut self, known: bool, effort: usize) {
        self.asked += 1;
        self.known += u32::from(known);
        if self.asked == TRIED {
            if u64::from(self.known) * (effort as u64) < u64::from(TRIED) * EFFORT {
                self.rest = RESTED;
            }
            (self.asked, self.known) = (0, 0);
        }
    }
}

#[cfg(test)]
impl Memo {
    pub(super) fn remembered(&self) -> usize {
        self.answers.iter().flatten().count()
    }

    /// Its bounds hold, and its sums are right.
    pub(super) fn check(&self) {
        let bytes: usize = self.answers.iter().flatten().map(Kept::bytes).sum();
        assert_eq!(bytes, self.bytes);
        assert!(bytes <= self.limits.bytes && self.remembered() <= self.limits.answers.max(WAYS));
    }
}
