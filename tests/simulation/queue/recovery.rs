//! What a start finds is held against what there was: each delivery is in one place, where it was or where it was to go.

use std::collections::{BTreeMap, BTreeSet};

use weir::dispatch::Reason;
use weir::dispatch::ledger::Ledger;
use weir::event::segment::Ended;
use weir::event::{Uid, record};
use weir::worker::archive::Archive;
use weir::worker::recovery::Recovered;

use super::super::plan::trigger_uid;
use super::super::truth::broken;
use super::World;
use super::truth::{Change, Duty, Letter, Place, uid_of};

/// What the disk says of a delivery.
#[derive(Clone, Copy, Debug)]
struct Found {
    queued: bool,
    /// After so many attempts.
    parked: Option<u32>,
    letter: Option<u32>,
}

impl Found {
    fn is(self, place: Place, gone: bool) -> bool {
        let Found { queued, parked, letter } = self;
        let (parked, letter) = (parked.is_some(), letter.is_some());
        match place {
            Place::Queue => queued && !parked && !letter,
            Place::Parked => !queued && (parked && !letter || gone && letter && !parked),
            Place::Letter => !queued && letter && !parked,
            Place::Over | Place::Nowhere => !queued && !parked && !letter,
        }
    }
}

/// A letter's id and attempts.
type Letters = BTreeMap<Letter, (u64, u32)>;

impl World {
    /// All dead letters there are, each of something known, none twice.
    pub(super) fn letters(&self, archive: &mut Archive) -> Letters {
        let mut letters = Letters::new();
        let scanned = archive.dead_letters().scan(0, |id, letter| {
            let Some(&duty) = self.truth.uids.get(&letter.delivery) else {
                broken("a letter of nobody", &format!("{letter:?}"))
            };
            let event = record::decode(letter.record).expect("it was an event").id.into_owned();
            let which = match letter.reason {
                Reason::Hops => Letter::Loop(duty, event),
                _ if event != self.truth.fates[&duty].event => {
                    broken("a letter of another event", &format!("{duty:?} is of {event}"))
                }
                _ => Letter::Of(duty),
            };
            if letters.insert(which, (id, letter.attempts)).is_some() {
                broken("dead letter twice", &format!("{duty:?}, the second is {id}"));
            }
        });
        scanned.unwrap_or_else(|error| broken("unreadable", &error.to_string()));
        letters
    }

    pub(super) fn resolve(&mut self, archive: &mut Archive, recovered: &Recovered) {
        let Recovered { progress, ended, parked, .. } = recovered;
        if self.truth.settling.as_ref() == Some(progress) {
            self.truth.settled = progress.clone();
        } else if self.truth.settled != *progress {
            broken("another progress", &format!("{progress:?}, it was {:?}", self.truth.settled));
        }
        self.truth.settling = None;
        let mut labels: BTreeMap<Uid, _> = BTreeMap::new();
        for label in parked {
            if !self.truth.uids.contains_key(&label.delivery) {
                broken("parked by nobody", &format!("{label:?}"));
            }
            if let Some(other) = labels.insert(label.delivery, label) {
                broken("parked twice", &format!("{label:?} and {other:?}"));
            }
        }
        let letters = self.letters(archive);
        let ended: BTreeSet<Ended> = ended.iter().copied().collect();
        let settled = Ledger::resume(progress);
        let duties: Vec<Duty> = self.truth.fates.keys().copied().collect();
        let mut replays = Vec::new();
        for duty in duties {
            let (offset, trigger, replay) = duty;
            let is_done = settled.is_settled(offset)
                || ended.contains(&Ended { offset, trigger: trigger_uid(trigger) });
            let found = Found {
                queued: replay == 0 && !is_done,
                parked: labels.get(&uid_of(duty)).map(|label| label.attempts),
                letter: letters.get(&Letter::Of(duty)).map(|letter| letter.1),
            };
            replays.extend(self.found(duty, found));
        }
        self.resolve_loops(&letters);
        for (duty, letter) in replays {
            self.resolve_replay(duty, &letter);
        }
    }

    /// Returns a replay of which it was not known whether it had come about, and its letter.
    fn found(&mut self, duty: Duty, found: Found) -> Option<(Duty, Letter)> {
        let (offset, _, replay) = duty;
        let fate = self.truth.fates.get_mut(&duty).expect("it is known");
        let change = fate.perhaps.take();
        let replay_of = fate.letter.clone().filter(|_| fate.place == Place::Nowhere);
        // An event settles, and no mark is needed, where its trigger is gone.
        let settled_without =
            fate.place == Place::Queue && self.truth.settled.is_complete(offset) && replay == 0;
        let attempts = found.parked.or(found.letter);
        let came = change.as_ref().filter(|change| {
            found.is(change.place, fate.gone) && attempts.is_none_or(|attempts| attempts == change.attempts)
        });
        if !found.is(fate.place, fate.gone)
            && came.is_none()
            && !(settled_without && found.is(Place::Over, false))
        {
            broken(
                "in another place",
                &format!("{duty:?} is {found:?}, it was {fate:?}, perhaps {change:?}"),
            );
        }
        // Where both are possible, as for one delivered whose event settled without it, it makes no difference.
        let goes = |id: &String| !matches!(&came, Some(change) if change.events.contains(id));
        if let Some(Change { events, .. }) = &change {
            for id in events {
                let known = self.truth.events.get_mut(id).expect("it was made");
                known.void = goes(id);
                known.promised |= !known.void;
            }
        }
        if let Some(change) = came {
            fate.come_true(change);
        }
        if attempts.is_some_and(|attempts| attempts != fate.attempts) {
            broken("attempts were forgotten", &format!("{duty:?} has had {attempts:?}: {fate:?}"));
        }
        if fate.place == Place::Parked && found.letter.is_some() {
            fate.place = Place::Letter;
            fate.ended = true;
        }
        fate.gone = false;
        replay_of.map(|letter| (duty, letter))
    }

    fn resolve_loops(&mut self, letters: &Letters) {
        for ((duty, id), of_reply) in &mut self.truth.loops {
            let there = letters.contains_key(&Letter::Loop(*duty, id.clone()));
            let perhaps = of_reply.perhaps.take();
            if there != of_reply.there && Some(there) != perhaps {
                broken(
                    "another letter of a reply",
                    &format!("{id} of {duty:?}: {there}, was {}", of_reply.there),
                );
            }
            if perhaps == Some(true) && there != (self.truth.fates[duty].place == Place::Over) {
                broken("a reply's letter without an end", &format!("{id} of {duty:?}: {there}"));
            }
            of_reply.there = there;
        }
    }

    fn resolve_replay(&mut self, duty: Duty, letter: &Letter) {
        let came = self.truth.fates[&duty].place != Place::Nowhere;
        let there = match letter {
            Letter::Of(duty) => self.truth.fates[duty].place == Place::Letter,
            Letter::Loop(duty, id) => self.truth.loops[&(*duty, id.clone())].there,
        };
        if came == there {
            broken(
                "half a replay",
                &format!("{duty:?} of {letter:?}: it came: {came}, the letter is there: {there}"),
            );
        }
        if !came {
            self.truth.fates.remove(&duty);
            self.truth.uids.remove(&uid_of(duty));
        }
    }
}
