//! What really happened, which the worker does not remember: where each delivery is, or where it may be while it is not
//! known whether a write is durable.

use std::collections::{BTreeMap, BTreeSet};

use weir::dispatch::{Order, Policy, Progress};
use weir::event::{Position, Uid};

use super::super::plan::trigger_uid;
use super::super::truth::broken;
use super::events::{Known, QUEUE};

/// A delivery: the event's number in the queue, the trigger, the replay.
pub(crate) type Duty = (u64, u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of a replay that has not come about.
    Nowhere,
    Queue,
    Parked,
    Letter,
    /// Delivered, sent to a broker as a dead letter, or its own letter replayed or dropped.
    Over,
}

/// What is on its way to the disk.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) duty: Duty,
    pub(crate) place: Place,
    /// So many attempts it rests on.
    pub(crate) attempts: u32,
    /// Events that go to the queue with it.
    pub(crate) events: Vec<String>,
    /// Replies that become dead letters with it.
    pub(crate) loops: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// The id of the event that is delivered. For a reply that was a dead letter it is not the one at the offset.
    pub(crate) event: String,
    pub(crate) place: Place,
    pub(crate) perhaps: Option<Change>,
    pub(crate) attempts: u32,
    /// What follows it in its lane may run.
    pub(crate) ended: bool,
    /// Its trigger was gone when the worker started, or tried to: a parked record may have become a letter.
    pub(crate) gone: bool,
    /// The letter that it replays.
    pub(crate) letter: Option<Letter>,
}

/// A dead letter: of a delivery, or of a reply that has gone round too often.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Letter {
    Of(Duty),
    Loop(Duty, String),
}

/// Is a reply's letter there, and will it be?
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loop {
    pub(crate) there: bool,
    pub(crate) perhaps: Option<bool>,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) events: BTreeMap<String, Known>,
    pub(crate) at: BTreeMap<u64, String>,
    pub(crate) fates: BTreeMap<Duty, Fate>,
    pub(crate) uids: BTreeMap<Uid, Duty>,
    pub(crate) loops: BTreeMap<(Duty, String), Loop>,
    /// The events of each lane by trigger and key.
    lanes: BTreeMap<(u32, Option<u64>), BTreeSet<u64>>,
    /// What has been written down as settled, and what perhaps has.
    pub(crate) settled: Progress,
    pub(crate) settling: Option<Progress>,
    checked: u64,
    /// Attempts, with the life that made each last.
    pub(crate) made: BTreeMap<(Duty, u32), u32>,
}

pub(crate) fn uid_of((offset, trigger, replay): Duty) -> Uid {
    Uid::of_delivery(Position { source: QUEUE, partition: 0, offset }, trigger_uid(trigger), replay)
}

impl Truth {
    /// A worker has read an event of the queue.
    pub(crate) fn read(&mut self, offset: u64, id: &str) {
        match self.at.get(&offset) {
            Some(known) if known == id => return,
            Some(known) => {
                broken("another event at its place", &format!("{id} at {offset}, where {known} was"))
            }
            None => drop(self.at.insert(offset, id.to_owned())),
        }
        let Some(known) = self.events.get_mut(id) else { broken("an event of nobody", id) };
        if let Some(before) = known.offset.replace(offset) {
            broken("stored twice", &format!("{id} at {before} and at {offset}"));
        }
        if known.void {
            broken("a reply without an end", &format!("{id} at {offset}, and its delivery is to run again"));
        }
    }

    /// The event's delivery to a trigger is under way, if it is not already.
    pub(crate) fn route(&mut self, duty: Duty, event: &str, policy: &Policy) -> bool {
        if self.fates.contains_key(&duty) {
            return false;
        }
        self.add(duty, event, Place::Queue);
        let key = self.events[event].key;
        let lane = match policy.order {
            Order::Ordered => (duty.1, None),
            Order::Key if key.is_some() => (duty.1, key),
            _ => return true,
        };
        self.lanes.entry(lane).or_default().insert(duty.0);
        true
    }

    pub(crate) fn add(&mut self, duty: Duty, event: &str, place: Place) {
        let fate = Fate {
            event: event.to_owned(),
            place,
            perhaps: None,
            attempts: 0,
            ended: false,
            gone: false,
            letter: None,
        };
        if let Some(other) = self.uids.insert(uid_of(duty), duty) {
            broken("one id for two deliveries", &format!("{duty:?} of {event} and {other:?}"));
        }
        self.fates.insert(duty, fate);
    }

    pub(crate) fn push(&mut self, change: Change) {
        for id in &change.loops {
            self.loops.entry((change.duty, id.clone())).or_default().perhaps = Some(true);
        }
        for id in &change.events {
            self.events.get_mut(id).expect("it was made").void = false;
        }
        let fate = self.fates.get_mut(&change.duty).expect("it is known");
        if let Some(other) = fate.perhaps.replace(change.clone()) {
            broken("two ends at once", &format!("{other:?} and {change:?}"));
        }
    }

    /// A letter goes.
    pub(crate) fn take_away(&mut self, letter: &Letter) {
        match letter {
            Letter::Of(duty) => {
                let attempts = self.fates[duty].attempts;
                let (events, loops) = (Vec::new(), Vec::new());
                self.push(Change { duty: *duty, place: Place::Over, attempts, events, loops });
            }
            Letter::Loop(duty, id) => {
                self.loops.get_mut(&(*duty, id.clone())).expect("it is known").perhaps = Some(false);
            }
        }
    }

    /// All that was pushed is durable.
    pub(crate) fn durable(&mut self) {
        for fate in self.fates.values_mut().filter(|fate| fate.perhaps.is_some()) {
            let change = fate.perhaps.take().expect("it is in doubt");
            fate.come_true(&change);
            for id in &change.events {
                self.events.get_mut(id).expect("it was made").promised = true;
            }
        }
        for of_reply in self.loops.values_mut() {
            of_reply.there = of_reply.perhaps.take().unwrap_or(of_reply.there);
        }
        if let Some(progress) = self.settling.take() {
            self.settled = progress;
        }
    }

    /// May it begin, as far as its lane goes? `run`: what ran before it in its run and has succeeded.
    /// `progress` and `routed`: of this life.
    pub(crate) fn begins(
        &self,
        duty: Duty,
        policy: &Policy,
        run: &[u64],
        (progress, routed): (&Progress, &BTreeSet<Duty>),
    ) {
        let (offset, trigger, replay) = duty;
        let key = self.events[&self.fates[&duty].event].key;
        let lane = match policy.order {
            _ if replay > 0 => return,
            Order::Ordered => (trigger, None),
            Order::Key if key.is_some() => (trigger, key),
            _ => return,
        };
        for &before in self.lanes[&lane].range(..offset) {
            let fate = &self.fates[&(before, trigger, 0)];
            // While the trigger was gone, its events settled, or came, without it.
            let is_owed = routed.contains(&(before, trigger, 0)) && !progress.is_complete(before);
            let is_over = fate.ended || fate.place == Place::Queue && !is_owed;
            if !is_over && !run.contains(&before) {
                broken("order", &format!("{duty:?} begins, but {before} before it in its lane is {fate:?}"));
            }
        }
    }

    /// What is said to be complete has ended durably, or stands parked: all that was `routed` in this life.
    pub(crate) fn settles(&mut self, progress: &Progress, routed: &BTreeSet<Duty>) {
        for (&duty, fate) in self.fates.range((self.checked, 0, 0)..) {
            let is_open = matches!(fate.place, Place::Queue | Place::Nowhere);
            if is_open && routed.contains(&duty) && progress.is_complete(duty.0) {
                broken("commit covers what is not done", &format!("{progress:?}, but {duty:?} is {fate:?}"));
            }
        }
        self.checked = progress.watermark;
    }

    pub(crate) fn letters(&self) -> usize {
        let of_replies = self.loops.values().filter(|of_reply| of_reply.there).count();
        self.fates.values().filter(|fate| fate.place == Place::Letter).count() + of_replies
    }
}

impl Fate {
    pub(crate) fn come_true(&mut self, change: &Change) {
        self.place = change.place;
        self.attempts = change.attempts;
        self.ended |= matches!(self.place, Place::Letter | Place::Over);
    }
}
