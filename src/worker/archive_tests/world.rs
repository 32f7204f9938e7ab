//! A worker as the archive sees it, with perfect memory of what it did. Whatever crashes, each delivery is in one place
//! afterwards: where it was, or where it was to go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::delivery::{Action, BROKER, Delivery, Place, REPLIES, TRIGGERS, entry, letter, parked, uid_of};
use crate::dispatch::ledger::Ledger;
use crate::dispatch::{Outcome, Reason};
use crate::event::segment::{Ended, Mark};
use crate::event::{Event, Uid, record};
use crate::journal;
use crate::sink::dead_letter::DeadLetter;
use crate::source::queue::QueueSource;
use crate::store::simulated::{Fault, SimulatedDisk};
use crate::store::{self, Log, StoreError};
use crate::worker::archive::{Archive, ArchiveError, Aside, Attempt, Limits};
use crate::worker::query::Store;
use crate::worker::recovery::Recovered;

const LIMITS: Limits = Limits { queue_bytes: u64::MAX, journal_bytes: u64::MAX, journal_keep: u64::MAX };
const VOLUMES: store::Limits = store::Limits { volume_bytes: 1_500 };
use crate::worker::queue_uid::SHARED as QUEUE;

pub(super) struct World {
    open: Box<Open>,
    pub(super) disk: SimulatedDisk,
    pub(super) archive: Archive,
    source: QueueSource,
    pub(super) ledger: Ledger,
    pub(super) deliveries: BTreeMap<Uid, Delivery>,
    events: BTreeMap<u64, String>,
    /// Pushed and not told to be durable.
    published: Vec<String>,
    acknowledged: BTreeSet<String>,
    replays: Vec<(Uid, Uid)>,
    count: u32,
}

type Open = dyn Fn(&str) -> Result<Log, StoreError>;

fn start(open: &Open, gone: bool) -> Result<(Archive, Recovered), ArchiveError> {
    let store = Store::of(open)?;
    let known = |trigger| trigger == uid_of(TRIGGERS[0]) || (!gone && trigger == uid_of(TRIGGERS[1]));
    Archive::open(Arc::new(store), LIMITS, known, 9)
}

impl World {
    pub(super) fn new() -> World {
        let disk = SimulatedDisk::new();
        let simulated = disk.clone();
        World::on(disk, Box::new(move |name| Log::open_on(simulated.directory(name), VOLUMES)))
    }

    /// On a real disk, which does not fail.
    pub(super) fn in_directory(directory: &Path) -> World {
        let directory = directory.to_owned();
        let open = move |name: &str| Log::open(&directory.join(name), VOLUMES);
        World::on(SimulatedDisk::new(), Box::new(open))
    }

    fn on(disk: SimulatedDisk, open: Box<Open>) -> World {
        let (archive, recovered) = start(&*open, false).unwrap();
        World {
            open,
            source: QueueSource::open(Arc::clone(&archive.store.queue), QUEUE, 0).unwrap(),
            ledger: Ledger::resume(&recovered.progress),
            disk,
            archive,
            deliveries: BTreeMap::new(),
            events: BTreeMap::new(),
            published: Vec::new(),
            acknowledged: BTreeSet::new(),
            replays: Vec::new(),
            count: 0,
        }
    }

    fn record(id: &str) -> Vec<u8> {
        let event = Event {
            id: id.to_owned().into(),
            source: "/test".into(),
            ty: "t".into(),
            subject: Some("-".repeat(100).into()),
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: Vec::new(),
            data: None,
        };
        let mut bytes = Vec::new();
        record::encode(&event, &mut bytes);
        bytes
    }

    pub(super) fn publish(&mut self, count: u8) {
        for _ in 0..count {
            self.count += 1;
            let id = self.count.to_string();
            self.archive.accept(BROKER, &World::record(&id));
            self.published.push(id);
        }
    }

    /// Takes in what is durable.
    pub(super) fn read(&mut self) {
        while let Some(arrivals) = self.source.read().unwrap() {
            for arrival in arrivals {
                let position = arrival.envelope.position;
                let id = arrival.envelope.event().id.into_owned();
                match self.events.get(&position.offset) {
                    Some(known) => assert_eq!(*known, id),
                    None => {
                        assert!(self.events.values().all(|known| *known != id), "{id} is there twice");
                        self.events.insert(position.offset, id);
                        for trigger in TRIGGERS.iter().filter(|_| arrival.broker == BROKER) {
                            let delivery = Delivery {
                                position,
                                trigger,
                                replay: 0,
                                attempts: 0,
                                place: Place::Queue,
                                perhaps: Vec::new(),
                                parked: None,
                                busy: false,
                                replied: false,
                                looped: false,
                                record: arrival.envelope.record().to_vec(),
                            };
                            let uid = Uid::of_delivery(position, uid_of(trigger), 0);
                            assert!(self.deliveries.insert(uid, delivery).is_none());
                        }
                    }
                }
                if self.ledger.begin(position.offset) && !self.is_open(position.offset) {
                    self.ledger.complete(position.offset);
                }
            }
        }
    }

    fn is_open(&self, offset: u64) -> bool {
        let own = |d: &Delivery| d.position.offset == offset && d.replay == 0 && d.place == Place::Queue;
        self.deliveries.values().any(own)
    }

    pub(super) fn act(&mut self, uid: Uid, action: Action) {
        let d = self.deliveries.get_mut(&uid).unwrap();
        d.attempts += 1;
        let failed = |reason| (Outcome::Retryable, reason);
        let (outcome, reason) = match action {
            Action::Deliver | Action::Loop => (Outcome::Succeeded, Reason::None),
            _ => failed(Reason::Guest),
        };
        let mut attempt = Attempt { entry: entry(uid, d, outcome, reason), wall_ns: 5, ..Attempt::default() };
        let mark = match d.parked {
            Some(id) => Mark::Unparked(id),
            None => Mark::Ended(Ended { offset: d.position.offset, trigger: uid_of(d.trigger) }),
        };
        let place = match action {
            Action::Retry => {
                self.archive.push(attempt);
                return;
            }
            Action::Deliver | Action::Loop => {
                attempt.events.push((REPLIES, World::record(&format!("reply to {uid}"))));
                d.replied = true;
                if matches!(action, Action::Loop) {
                    d.looped = true;
                    attempt.dead_letters.push(letter(uid, d, Reason::Hops));
                }
                attempt.marks.push(mark);
                Place::Over
            }
            Action::DeadLetter => {
                attempt.dead_letters.push(letter(uid, d, Reason::Guest));
                attempt.marks.push(mark);
                Place::Letter
            }
            Action::Park => {
                attempt.marks.extend(Some(mark).filter(|_| d.parked.is_none()));
                attempt.parked =
                    Some(Aside { record: parked(uid, d).encode(), was: d.parked, lane: Vec::new() });
                Place::Parked
            }
        };
        d.busy = true;
        d.perhaps.push(place);
        let id = self.archive.push(attempt);
        if place == Place::Parked {
            self.deliveries.get_mut(&uid).unwrap().parked = Some(id.unwrap());
        }
    }

    pub(super) fn letters(&mut self) -> Vec<(u64, Uid, Reason, u32, u32)> {
        let mut found = Vec::new();
        let visit = |id, l: &DeadLetter<'_>| found.push((id, l.delivery, l.reason, l.attempts, l.replay));
        self.archive.dead_letters().scan(0, visit).unwrap();
        found
    }

    fn letter_of(&mut self, uid: Uid) -> u64 {
        let found = self.letters().into_iter().find(|l| l.1 == uid && l.2 != Reason::Hops);
        found.expect("a letter that is durable is there").0
    }

    pub(super) fn replay(&mut self, uid: Uid) {
        let id = self.letter_of(uid);
        let trigger = self.deliveries[&uid].trigger;
        let labels = self.archive.replay(&[id, id], uid_of(trigger), 3).unwrap();
        assert!(self.archive.replay(&[id], uid_of(trigger), 3).unwrap().is_empty(), "once is enough");
        assert_eq!(self.archive.drop_letters(&[id]), 0, "it is being replayed");
        let [label] = &labels[..] else { panic!("one letter, {} replays", labels.len()) };
        let old = self.deliveries.get_mut(&uid).unwrap();
        old.busy = true;
        old.perhaps.push(Place::Over);
        let replay = Delivery {
            replay: old.replay + 1,
            attempts: 0,
            place: Place::Nowhere,
            perhaps: vec![Place::Parked],
            parked: Some(label.id),
            busy: true,
            replied: false,
            looped: false,
            ..old.clone()
        };
        assert!(self.deliveries.insert(label.delivery, replay).is_none());
        self.replays.push((uid, label.delivery));
    }

    pub(super) fn drop_letter(&mut self, uid: Uid) {
        let id = self.letter_of(uid);
        assert_eq!(self.archive.drop_letters(&[id, id]), 1);
        let delivery = self.deliveries.get_mut(&uid).unwrap();
        delivery.busy = true;
        delivery.perhaps.push(Place::Over);
    }

    pub(super) fn write(&mut self, settle: bool) {
        if settle {
            self.archive.settle(&self.ledger.progress());
        }
        if self.archive.write().is_err() {
            return;
        }
        self.acknowledged.extend(self.published.drain(..));
        self.replays.clear();
        let mut ended = BTreeSet::new();
        for delivery in self.deliveries.values_mut().filter(|d| d.busy) {
            delivery.busy = false;
            if delivery.replay == 0 && delivery.place == Place::Queue {
                ended.insert(delivery.position.offset);
            }
            delivery.place = delivery.perhaps.pop().unwrap();
            delivery.perhaps.clear();
        }
        for offset in ended {
            if !self.is_open(offset) {
                self.ledger.complete(offset);
            }
        }
        self.read();
        let known: BTreeSet<&String> = self.events.values().collect();
        assert!(self.acknowledged.iter().all(|id| known.contains(id)), "nothing acknowledged is lost");
        for (&uid, delivery) in self.deliveries.iter().filter(|(_, d)| d.place == Place::Parked) {
            let id = delivery.parked.unwrap();
            let record = self.archive.parked(id).unwrap().expect("what is parked can be read");
            assert_eq!((record.delivery, record.record), (uid, &delivery.record[..]));
        }
    }

    pub(super) fn forget(&mut self) {
        if self.deliveries.values().all(|d| !d.busy) && self.published.is_empty() {
            let _ = self.archive.forget();
        }
    }

    pub(super) fn crash(&mut self, gone: bool) {
        self.crash_twice(gone, None);
    }

    pub(super) fn crash_twice(&mut self, gone: bool, interrupted: Option<Fault>) {
        self.disk.crash();
        // A real disk is locked until the old process has let go of it.
        let nowhere = SimulatedDisk::new();
        let (archive, _) =
            start(&move |name: &str| Log::open_on(nowhere.directory(name), VOLUMES), false).unwrap();
        self.source = QueueSource::open(Arc::clone(&archive.store.queue), QUEUE, 0).unwrap();
        self.archive = archive;
        if let Some(fault) = interrupted {
            // The start is stopped in its turn, wherever it is by then.
            self.disk.fail(fault);
            drop(start(&*self.open, gone));
            self.disk.crash();
        }
        let (archive, recovered) = start(&*self.open, gone).unwrap();
        self.archive = archive;
        let watermark = recovered.progress.watermark;
        self.source = QueueSource::open(Arc::clone(&self.archive.store.queue), QUEUE, watermark).unwrap();
        self.ledger = Ledger::resume(&recovered.progress);
        self.published.clear();

        let ended: BTreeSet<Ended> = recovered.ended.iter().copied().collect();
        let mut parked = BTreeMap::new();
        for label in &recovered.parked {
            assert!(parked.insert(label.delivery, label).is_none(), "parked twice");
            assert!(!gone || label.trigger == uid_of(TRIGGERS[0]), "its trigger is gone");
        }
        let mut letters = BTreeMap::new();
        let mut loops = BTreeSet::new();
        for (id, uid, reason, attempts, _) in self.letters() {
            if reason == Reason::Hops {
                assert!(loops.insert(uid), "two letters of one reply");
            } else {
                assert!(letters.insert(uid, (id, reason, attempts)).is_none(), "two letters of one delivery");
            }
        }
        let settled = Ledger::resume(&recovered.progress);
        for (uid, d) in &mut self.deliveries {
            let end = Ended { offset: d.position.offset, trigger: uid_of(d.trigger) };
            let in_queue = d.replay == 0 && !settled.is_settled(end.offset) && !ended.contains(&end);
            let found = match (in_queue, parked.get(uid), letters.get(uid)) {
                (false, None, None) if d.place == Place::Nowhere => Place::Nowhere,
                (false, None, None) => Place::Over,
                (true, None, None) => Place::Queue,
                (false, Some(_), None) => Place::Parked,
                (false, None, Some(_)) => Place::Letter,
                more => panic!("{uid} is in two places: {more:?}"),
            };
            let given_up = found == Place::Letter && letters[uid].1 == Reason::TriggerGone;
            let expected = |place: &Place| *place == found || (given_up && *place == Place::Parked);
            assert!(expected(&d.place) || d.perhaps.iter().any(expected), "{uid} is in {found:?}: {d:?}");
            d.place = found;
            d.replied &= found == Place::Over;
            d.looped &= found == Place::Over;
            assert_eq!(d.looped, loops.contains(uid), "{uid}: its reply's letter goes with its end");
            d.perhaps.clear();
            d.busy = false;
            d.parked = parked.get(uid).map(|label| label.id);
            // Attempts of which no entry was durable were not made, as far as anybody is charged.
            let attempts = parked.get(uid).map(|l| l.attempts).or(letters.get(uid).map(|l| l.2));
            d.attempts = attempts.unwrap_or(0);
        }
        let mut charged = BTreeSet::new();
        journal::read(&self.archive.store.journal, |entry| {
            charged.insert((entry.delivery, entry.attempt));
        })
        .unwrap();
        for (uid, d) in &self.deliveries {
            for attempt in 1..=d.attempts {
                assert!(charged.contains(&(*uid, attempt)), "{uid} was attempted at no cost: {d:?}");
            }
        }
        for (letter, replay) in std::mem::take(&mut self.replays) {
            let places = (self.deliveries[&letter].place, self.deliveries[&replay].place);
            let whole = places.0 == Place::Over && matches!(places.1, Place::Parked | Place::Letter);
            assert!(whole || places == (Place::Letter, Place::Nowhere), "half a replay: {places:?}");
        }
        self.deliveries.retain(|_, d| d.place != Place::Nowhere);
        self.read();
        let known: BTreeSet<&String> = self.events.values().collect();
        assert!(self.acknowledged.iter().all(|id| known.contains(id)), "nothing acknowledged is lost");
        for (uid, _) in self.deliveries.iter().filter(|(_, d)| d.replied) {
            assert!(known.contains(&format!("reply to {uid}")), "the reply is lost");
        }
    }

    /// Everything comes to an end, and its disk comes back.
    pub(super) fn finish(&mut self) {
        self.disk.mend();
        self.write(true);
        let open: Vec<Uid> = self.deliveries.keys().copied().collect();
        for uid in open {
            match self.deliveries[&uid].place {
                Place::Queue | Place::Parked => self.act(uid, Action::Deliver),
                Place::Letter => self.drop_letter(uid),
                Place::Nowhere | Place::Over => {}
            }
        }
        let loops: Vec<u64> = self.letters().iter().filter(|l| l.2 == Reason::Hops).map(|l| l.0).collect();
        self.archive.drop_letters(&loops);
        self.deliveries.values_mut().for_each(|d| d.looped = false);
        for _ in 0..4 {
            self.write(true);
        }
        assert_eq!(self.ledger.incomplete(), 0);
        for _ in 0..4 {
            self.archive.rest().unwrap();
        }
        let Store { queue, parking, dead_letters, .. } = &*self.archive.store;
        for log in [queue, parking, dead_letters] {
            assert!(log.volumes_held() == 1 && !log.is_full(), "{} of {}", log.bytes(), log.name());
        }
        self.crash(false);
        let parked = self.archive.parking.shelf().live();
        assert_eq!((self.letters().len(), parked, self.ledger.incomplete()), (0, 0, 0));
    }
}
