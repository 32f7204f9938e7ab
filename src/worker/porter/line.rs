//! What stands in line for one topic: it goes out in the order in which it came, also what has to be sent again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sink::parcel::Outlet;
use crate::sink::receipt::{Kind, Refusal};
use crate::worker::patience::Patience;

/// How soon a producer that is full is asked again.
const FULL: Duration = Duration::from_millis(5);
/// While so many are under way, those that come gather, so many or so long: brokers and clients pay by the request.
const FEW: usize = 64;
const MANY: usize = 512;
const GATHERING: Duration = Duration::from_millis(2);
/// How long nothing may be acknowledged before that is said, and how often it is.
const SILENCE: Duration = Duration::from_secs(10);
const SAID_AGAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Line {
    pub(super) outlet: Arc<Outlet>,
    /// By their tokens, which rise.
    waiting: BTreeSet<usize>,
    /// Handed to the producer, and nothing is known of them yet.
    under_way: usize,
    /// Nothing is sent before.
    until: Option<Instant>,
    /// Nor before this, where that is only for more to come.
    gathers: Option<Instant>,
    /// It is being asked whether the topic is there; nothing is sent until that is known.
    pub(super) inquires: bool,
    /// The topic was not there when it was last asked after.
    pub(super) is_lost: bool,
    /// One at a time: a batch was refused, for one that was in it, or for all of them together.
    alone: bool,
    /// What went out so.
    solo: Option<usize>,
    patience: Patience,
    /// Something was refused, and nothing taken since.
    in_trouble: bool,
    /// When it last got on, or had nothing to do.
    moved: Instant,
    said: Option<Instant>,
}

/// What becomes of a parcel that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It waits in its place.
    Again,
    /// And it is to be asked whether the topic is there.
    Inquire,
    Final,
}

impl Line {
    pub(super) fn new(outlet: Arc<Outlet>, now: Instant) -> Line {
        Line {
            outlet,
            waiting: BTreeSet::new(),
            under_way: 0,
            until: None,
            gathers: None,
            inquires: false,
            is_lost: false,
            alone: false,
            solo: None,
            patience: Patience::begin(),
            in_trouble: false,
            moved: now,
            said: None,
        }
    }

    pub(super) fn put(&mut self, token: usize, now: Instant) {
        if self.is_idle() {
            self.moved = now;
        }
        if self.waiting.is_empty() {
            self.gathers = (self.under_way >= FEW).then(|| now + GATHERING);
        }
        self.waiting.insert(token);
        if self.waiting.len() >= MANY {
            self.gathers = None;
        }
    }

    /// Which goes out now.
    pub(super) fn next(&self, now: Instant) -> Option<usize> {
        let waits = self.until.max(self.gathers).is_some_and(|until| until > now);
        if self.inquires || self.is_lost || waits || self.waits_for_one() {
            return None;
        }
        self.waiting.first().copied()
    }

    fn waits_for_one(&self) -> bool {
        self.alone && self.under_way > 0
    }

    pub(super) fn sent(&mut self, token: usize) {
        self.waiting.remove(&token);
        self.solo = self.alone.then_some(token);
        self.under_way += 1;
    }

    /// The producer had no room for it.
    pub(super) fn full(&mut self, now: Instant) {
        self.until = Some(now + FULL);
    }

    /// Nobody wants it any more.
    pub(super) fn forget(&mut self, token: usize) {
        self.waiting.remove(&token);
        self.rest();
    }

    /// Was it the first after trouble?
    pub(super) fn acknowledged(&mut self, now: Instant) -> bool {
        self.under_way -= 1;
        if self.under_way < FEW {
            self.gathers = None;
        }
        self.moved = now;
        self.said = None;
        self.patience = Patience::begin();
        self.rest();
        std::mem::take(&mut self.in_trouble)
    }

    /// The producer gave it back.
    pub(super) fn came_back(&mut self, token: usize, refusal: &Refusal, now: Instant) -> Verdict {
        self.under_way -= 1;
        let was_alone = self.solo == Some(token);
        let verdict = match refusal.kind {
            Kind::TooLarge | Kind::Invalid if was_alone => Verdict::Final,
            Kind::TooLarge | Kind::Invalid => {
                self.alone = true;
                Verdict::Again
            }
            _ => self.judge(refusal, now),
        };
        match verdict {
            Verdict::Final => self.rest(),
            Verdict::Again | Verdict::Inquire => drop(self.waiting.insert(token)),
        }
        verdict
    }

    /// The producer did not take it, alone as it was.
    pub(super) fn not_taken(&mut self, token: usize, refusal: &Refusal, now: Instant) -> Verdict {
        let verdict = match refusal.kind {
            Kind::TooLarge | Kind::Invalid => Verdict::Final,
            _ => self.judge(refusal, now),
        };
        if verdict == Verdict::Final {
            self.forget(token);
        }
        verdict
    }

    /// What can't be refused for good stays in line all the same.
    pub(super) fn insist(&mut self, token: usize, now: Instant) {
        self.waiting.insert(token);
        self.wait(now);
    }

    fn judge(&mut self, refusal: &Refusal, now: Instant) -> Verdict {
        match refusal.kind {
            Kind::Never => return Verdict::Final,
            Kind::NoTopic => {
                self.wait(now);
                return if self.inquires { Verdict::Again } else { Verdict::Inquire };
            }
            Kind::Again | Kind::TooLarge | Kind::Invalid => {
                self.wait(now);
            }
        }
        Verdict::Again
    }

    /// Once for all that come back together.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.in_trouble = true;
        let left =
            self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero());
        left.unwrap_or_else(|| {
            let wait = self.patience.next();
            self.until = Some(now + wait);
            wait
        })
    }

    /// The topic is there.
    pub(super) fn found(&mut self, now: Instant) {
        self.is_lost = false;
        self.until = None;
        self.moved = now;
    }

    /// When to look at it again.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = !self.waiting.is_empty() && !self.inquires && !self.waits_for_one();
        self.until.max(self.gathers).filter(|_| waits)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.under_way
    }

    /// For how long it has stood still, where that is to be said now.
    pub(super) fn stands_still(&mut self, now: Instant) -> Option<Duration> {
        let still = now.saturating_duration_since(self.moved);
        let is_due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= SAID_AGAIN);
        if self.is_idle() || still < SILENCE || !is_due {
            return None;
        }
        self.said = Some(now);
        Some(still)
    }

    /// May a refusal be told now? Those that come together are one, and what goes on is told from time to time.
    pub(super) fn may_say(&mut self, now: Instant) -> bool {
        let is_due = self.said.is_none_or(|said| now.saturating_duration_since(said) >= SAID_AGAIN);
        if is_due {
            self.said = Some(now);
        }
        is_due
    }

    fn rest(&mut self) {
        self.alone &= !self.waiting.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::parcel::Cluster;

    fn line() -> (Line, Instant) {
        let outlet = Outlet {
            name: "KafkaSink default/out".into(),
            cluster: Arc::new(Cluster::new([])),
            topic: "out".into(),
            is_structured: false,
            create: None,
            stream: None,
            partitions: None,
        };
        let now = Instant::now();
        (Line::new(Arc::new(outlet), now), now)
    }

    fn refusal(kind: Kind) -> Refusal {
        Refusal { kind, why: "no".to_owned() }
    }

    /// Sends whatever goes out now.
    fn send(line: &mut Line, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| {
            let token = line.next(now)?;
            line.sent(token);
            Some(token)
        })
        .collect()
    }

    #[test]
    fn what_comes_while_others_are_under_way_gathers() {
        let (mut line, now) = line();
        let mut tokens = 0..;
        let mut put = |line: &mut Line, count: usize, now: Instant| {
            let put: Vec<usize> = tokens.by_ref().take(count).collect();
            put.iter().for_each(|token| line.put(*token, now));
            put
        };
        // A few go out as they come.
        for _ in 0..FEW {
            let one = put(&mut line, 1, now);
            assert_eq!(send(&mut line, now), one);
        }
        let gathered = put(&mut line, 2, now);
        assert_eq!((send(&mut line, now), line.due()), (vec![], Some(now + GATHERING)));
        assert_eq!(send(&mut line, now + GATHERING), gathered);
        let many = put(&mut line, MANY, now);
        assert_eq!(send(&mut line, now), many);
        // Once there is little under way again, nothing waits.
        let last = put(&mut line, 1, now);
        for _ in 0..2 + MANY {
            line.acknowledged(now);
        }
        assert!(send(&mut line, now).is_empty());
        line.acknowledged(now);
        assert_eq!(send(&mut line, now), last);
    }

    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn what_comes_back_goes_out_again_before_what_came_after_it() {
        let (mut line, now) = line();
        (1..=3).for_each(|token| line.put(token, now));
        assert_eq!(send(&mut line, now), [1, 2, 3]);
        // In whatever order they come back.
        for token in [2, 1, 3] {
            assert_eq!(line.came_back(token, &refusal(Kind::Again), now), Verdict::Again);
        }
        line.put(4, now);
        assert!(send(&mut line, now).is_empty(), "not before it is time");
        assert_eq!(send(&mut line, now + LATER), [1, 2, 3, 4]);
        assert!(line.acknowledged(now), "it goes on again");
        assert!(!line.acknowledged(now));
    }

    #[test]
    fn one_that_is_refused_is_found_among_those_that_went_with_it() {
        for kind in [Kind::TooLarge, Kind::Invalid] {
            finds(kind);
        }
    }

    fn finds(kind: Kind) {
        let (mut line, now) = line();
        (1..=3).for_each(|token| line.put(token, now));
        assert_eq!(send(&mut line, now), [1, 2, 3]);
        for token in 1..=3 {
            assert_eq!(line.came_back(token, &refusal(kind), now), Verdict::Again);
        }
        assert_eq!(send(&mut line, now), [1], "each alone");
        line.acknowledged(now);
        assert_eq!(send(&mut line, now), [2]);
        assert_eq!(line.came_back(2, &refusal(kind), now), Verdict::Final);
        assert_eq!(send(&mut line, now), [3]);
        line.acknowledged(now);
        (4..=5).for_each(|token| line.put(token, now));
        assert_eq!(send(&mut line, now), [4, 5], "together again");
    }

    #[test]
    fn a_topic_that_is_not_there_is_asked_after_once() {
        let (mut line, now) = line();
        (1..=2).for_each(|token| line.put(token, now));
        send(&mut line, now);
        assert_eq!(line.came_back(1, &refusal(Kind::NoTopic), now), Verdict::Inquire);
        line.inquires = true;
        assert_eq!(line.came_back(2, &refusal(Kind::NoTopic), now), Verdict::Again);
        assert_eq!((line.next(now + LATER), line.due()), (None, None));
        line.inquires = false;
        assert_eq!(line.next(now + LATER), Some(1));
    }

    #[test]
    fn standing_still_is_said_from_time_to_time() {
        let (mut line, now) = line();
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(line.stands_still(at(100)), None, "there is nothing to do");
        line.put(1, at(100));
        send(&mut line, at(100));
        assert_eq!(line.stands_still(at(109)), None);
        assert_eq!(line.stands_still(at(111)), Some(Duration::from_secs(11)));
        assert_eq!(line.stands_still(at(112)), None);
        assert!(line.stands_still(at(142)).is_some());
        line.acknowledged(at(143));
        assert_eq!(line.stands_still(at(200)), None);
    }
}
