//! The scribe, as its thread goes: it gathers a group, writes it until that succeeds, tells, and gives disk back.

use weir::dispatch::Input;
use weir::event::{Envelope, Epoch, Uid};
use weir::store::StoreError;
use weir::time::Moment;
use weir::worker::archive::{Archive, Written};

use super::super::plan::{BROKER, trigger_uid};
use super::super::scenario::Fault;
use super::super::truth::broken;
use super::events::QUEUE;
use super::life::{Ask, Group, Told};
use super::truth::{Change, Letter, Place};
use super::{Happens, World};

/// How long it waits for something to do.
const LOOK: std::ops::Range<u64> = 50_000..51_000;

impl World {
    pub(super) fn plan_group(&mut self) {
        let late = if self.has(Fault::LateAcks) { 60_000 } else { 2_000 };
        let life = self.life();
        if !life.group_planned && life.group.is_none() {
            life.group_planned = true;
            let number = life.number;
            self.soon(0..late, Happens::Group(number));
        }
    }

    pub(super) fn group(&mut self) {
        let chosen = self.dice.next() as usize;
        let life = self.life();
        life.group_planned = false;
        let number = life.number;
        let is_full = life.archive.is_full();
        let mut group = Group::default();
        let mut changes = Vec::new();
        let mut refused = Vec::new();
        for post in std::mem::take(&mut life.intake) {
            if is_full {
                refused.push(post.publication);
            } else {
                group.posts.push(post);
            }
        }
        let count = (chosen % 4 + 1).min(life.batches.len());
        for batch in life.batches.drain(..count) {
            for (attempt, change) in batch.attempts {
                life.archive.push(attempt);
                changes.extend(change);
            }
            group.fetches.extend(batch.fetches);
            group.progress = batch.progress.or(group.progress);
        }
        let asks = std::mem::take(&mut life.asks);
        let is_empty = group.posts.is_empty() && refused.is_empty() && count == 0 && asks.is_empty();
        self.totals.refused += refused.len() as u64;
        refused.into_iter().for_each(|publication| self.publish_again(publication));
        if is_empty {
            return self.end_if_flushed();
        }
        let ids: Vec<String> = group.posts.iter().flat_map(|post| post.ids.clone()).collect();
        for id in ids {
            let record = self.truth.events[&id].record.clone();
            self.life().archive.accept(BROKER, &record);
        }
        changes.into_iter().for_each(|change| self.truth.push(change));
        let mut life = self.life.take().expect("it is alive");
        for ask in asks {
            self.ask(&mut life.archive, ask, &life.triggers, &mut group);
        }
        if let Some(progress) = &group.progress {
            life.archive.settle(progress);
            self.truth.settling = Some(progress.clone());
        }
        life.group = Some(group);
        self.life = Some(life);
        let store = &self.life().store;
        let held = [&store.queue, &store.parking, &store.dead_letters].map(|log| log.bytes());
        self.trace.say(self.now, || format!("a group, and {held:?} bytes are held"));
        // Some disks are slow.
        let late = if self.has(Fault::LateAcks) { 20_000 } else { 500 };
        self.soon(0..late, Happens::Write(number));
    }

    pub(super) fn write(&mut self) {
        let tears = self.has(Fault::TornWrites) && self.dice.chance(4);
        if tears {
            self.totals.torn_writes += 1;
            self.tear(0..7);
        }
        let written = self.life().archive.write();
        if tears {
            return self.crash();
        }
        match written {
            Ok(written) => self.written(written),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &StoreError) {
        self.trace.say(self.now, || error.to_string());
        if self.is_calm() {
            broken("a sound disk fails", &error.to_string());
        }
        self.totals.failed_writes += 1;
        let life = self.life();
        let number = life.number;
        let posts = std::mem::take(&mut life.group.as_mut().expect("it is being written").posts);
        let intake = std::mem::take(&mut life.intake);
        posts.into_iter().chain(intake).for_each(|post| self.publish_again(post.publication));
        self.soon(5_000..50_000, Happens::Write(number));
    }

    fn written(&mut self, written: Written) {
        self.truth.durable();
        let life = self.life.as_mut().expect("it is alive");
        let group = life.group.take().expect("it was written");
        let number = life.number;
        let mut fetched = Vec::new();
        for (stub, id) in group.fetches {
            let parked = life.archive.parked(id);
            let parked = parked.unwrap_or_else(|error| broken("unreadable", &error.to_string()));
            let Some(parked) = parked else { broken("a parked record is gone", &id.to_string()) };
            let envelope = Envelope::new(parked.position, Epoch(1), parked.record.to_vec().into());
            fetched.push((stub, id, envelope.expect("it was an event"), parked.broker));
        }
        let tears = self.has(Fault::TornWrites) && self.dice.chance(3);
        if tears {
            self.tear(0..5);
        }
        let forgotten = self.life().archive.forget();
        if tears {
            self.totals.torn_forgets += 1;
            return self.crash();
        }
        // What fails is made up for the next time.
        let evict_below = forgotten.ok().and_then(|forgotten| forgotten.evict_below);
        let told = Told { posts: group.posts, written, fetched, unparked: group.unparked, evict_below };
        let late = if self.has(Fault::LateAcks) { 60_000 } else { 1_000 };
        let wait = self.dice.micros(0..late);
        let now = self.now;
        let life = self.life();
        let at = now.after(wait).max(Moment(life.last_told.0 + 1));
        (life.last_told, life.untold) = (at, life.untold + 1);
        let has_more = !life.batches.is_empty() || !life.intake.is_empty() || !life.asks.is_empty();
        self.agenda.plan(at, Happens::Told(number, Box::new(told)));
        if has_more {
            self.plan_group();
        } else {
            self.plan_look();
        }
        self.end_if_flushed();
    }

    /// Nothing came: what is done with can be given back.
    pub(super) fn look_around(&mut self) {
        let life = self.life();
        life.look_planned = false;
        if life.group.is_some() || life.closed.is_some() {
            return;
        }
        let before = life.archive.bytes();
        match life.archive.rest() {
            Ok(forgotten) => {
                let is_tidy = life.archive.bytes() == before;
                if let Some(below) = forgotten.evict_below {
                    self.evict(below);
                }
                if is_tidy {
                    return;
                }
            }
            Err(error) if self.is_calm() => broken("a sound disk fails", &error.to_string()),
            Err(_) => {}
        }
        self.plan_look();
    }

    pub(super) fn plan_look(&mut self) {
        let life = self.life();
        if !life.look_planned {
            life.look_planned = true;
            let number = life.number;
            self.soon(LOOK, Happens::Look(number));
        }
    }

    pub(super) fn evict(&mut self, below: u64) {
        self.totals.evictions += 1;
        self.life().inbox.push(Input::Evicted { source: QUEUE, partition: 0, below });
        self.plan_step();
    }

    /// Dead letters are to be replayed or dropped: some of those that are there.
    pub(super) fn ask(&mut self, archive: &mut Archive, ask: Ask, triggers: &[u32], group: &mut Group) {
        let letters = self.letters(archive);
        let is_certain = |letter: &Letter| match letter {
            Letter::Of(duty) => {
                let fate = &self.truth.fates[duty];
                fate.place == Place::Letter && fate.perhaps.is_none()
            }
            Letter::Loop(duty, id) => {
                let of_reply = self.truth.loops[&(*duty, id.clone())];
                of_reply.there && of_reply.perhaps.is_none()
            }
        };
        let chance = if ask == Ask::DropAll { 100 } else { 50 };
        let chosen: Vec<(Letter, u64)> = letters
            .into_iter()
            .filter(|(letter, _)| is_certain(letter))
            .map(|(letter, (id, _))| (letter, id))
            .filter(|_| self.dice.chance(chance))
            .collect();
        self.trace.say(self.now, || format!("{ask:?} of {chosen:?}"));
        if ask != Ask::Replay {
            let ids: Vec<u64> = chosen.iter().map(|(_, id)| *id).collect();
            let dropped = archive.drop_letters(&ids);
            if dropped != ids.len() {
                broken("a letter can't be dropped", &format!("{dropped} of {chosen:?}"));
            }
            self.totals.drops += ids.len() as u64;
            chosen.iter().for_each(|(letter, _)| self.truth.take_away(letter));
            return;
        }
        for (letter, id) in chosen {
            let (Letter::Of(failed) | Letter::Loop(failed, _)) = &letter;
            let own = failed.1;
            let stays = triggers.contains(&own) && self.dice.chance(60);
            let to = if stays { own } else { self.dice.pick(triggers) };
            self.totals.replays += 1;
            self.totals.replays_to_others += u64::from(to != own);
            self.replay(archive, (letter, id), to, group);
        }
    }

    fn replay(&mut self, archive: &mut Archive, (letter, id): (Letter, u64), to: u32, group: &mut Group) {
        let labels = archive.replay(&[id, id], trigger_uid(to), self.wall());
        let labels = labels.unwrap_or_else(|error| broken("unreadable", &error.to_string()));
        let [label] = &labels[..] else {
            broken("not replayed once", &format!("{letter:?} as {labels:?}"));
        };
        let duty = (label.position.offset, to, label.replay);
        if label.delivery != super::truth::uid_of(duty) || label.letter != Some(id) {
            broken("replayed as another", &format!("{letter:?} as {label:?}"));
        }
        let event = match &letter {
            Letter::Of(duty) => self.truth.fates[duty].event.clone(),
            Letter::Loop(_, id) => id.clone(),
        };
        self.truth.add(duty, &event, Place::Nowhere);
        self.truth.fates.get_mut(&duty).expect("it was added").letter = Some(letter.clone());
        let (events, loops) = (Vec::new(), Vec::new());
        self.truth.push(Change { duty, place: Place::Parked, attempts: 0, events, loops });
        self.truth.take_away(&letter);
        group.unparked.extend(labels);
    }

    /// The broker of dead letters is that of all.
    pub(super) fn broker_of_letters(&self, trigger: u32) -> Option<Uid> {
        let sends = self.scenario.has(Fault::LetterBrokers)
            && super::super::dice::dice_of(self.scenario.seed, &[24, u64::from(trigger)]).chance(50);
        sends.then_some(BROKER)
    }
}
