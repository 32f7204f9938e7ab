//! Another table of triggers comes into force, and what is left of those that are gone with it is given up.

use std::sync::Arc;

use weir::dispatch::{Input, Key, Reason, Table};
use weir::event::segment::Ended;
use weir::event::{Envelope, Uid};
use weir::time::Moment;
use weir::worker::attempt::Attempt;

use super::super::plan::trigger_uid;
use super::super::truth::broken;
use super::World;
use super::life::{Job, Under};
use super::truth::{Change, Place};

/// A delivery that the core gives up.
pub(super) struct Left {
    pub(super) delivery: Key,
    pub(super) trigger: Uid,
    pub(super) attempts: u32,
    pub(super) replay: u32,
    pub(super) record: Option<u64>,
    pub(super) envelope: Envelope,
    pub(super) broker: Uid,
}

impl World {
    /// As the watch asks for it. A worker that stops does not change any more.
    pub(super) fn reload(&mut self) {
        if self.life().stopping {
            return;
        }
        let mut triggers: Vec<u32> = (0..self.scenario.triggers).filter(|_| self.dice.chance(60)).collect();
        if triggers.is_empty() {
            triggers.push(self.dice.within(0..u64::from(self.scenario.triggers)) as u32);
        }
        let by = self.dice.within(0..triggers.len() as u64) as usize;
        triggers.rotate_left(by);
        self.totals.reloads += 1;
        let table = self.plan.table_of(&triggers);
        self.life().inbox.push(Input::Reloaded { table });
        self.plan_step();
    }

    /// Before a step: which triggers are gone.
    pub(super) fn look_who_is_gone(&mut self) {
        let all = 0..self.scenario.triggers;
        let life = self.life();
        life.gone = all.filter(|trigger| !life.triggers.contains(trigger)).collect();
    }

    /// What comes after it is routed by it.
    pub(super) fn reloaded(&mut self, table: &Arc<Table>) {
        let all = 0..self.scenario.triggers;
        let triggers: Vec<u32> = table.uids.iter().map(|&uid| self.plan.trigger_of(uid)).collect();
        let life = self.life();
        let is_gone = |trigger: u32| !triggers.contains(&trigger);
        life.gone.extend(all.filter(|&trigger| is_gone(trigger)));
        life.meter.forget(is_gone);
        // It waits no longer, even if it is back before it is given up.
        life.known
            .iter_mut()
            .filter(|(duty, _)| is_gone(duty.1))
            .for_each(|(_, under)| under.due = Moment(0));
        (life.table, life.triggers) = (Arc::clone(table), triggers);
    }

    pub(super) fn given_up(&mut self, left: Left) {
        let Left { delivery, trigger, attempts, replay, record, envelope, broker } = left;
        let offset = envelope.position.offset;
        let duty = (offset, self.plan.trigger_of(trigger), replay);
        let wrong = |check: &str| -> ! { broken(check, &format!("{duty:?} after {attempts} attempts")) };
        let life = self.life();
        if !life.gone.contains(&duty.1) {
            wrong("given up in vain");
        }
        if life.handed_over.contains(&delivery) {
            wrong("given up while it runs");
        }
        if record.is_some_and(|id| life.records.get(&id) != Some(&duty)) {
            wrong("ends another's record");
        }
        let Under { attempts: had, ended, parked, .. } = life.known.entry(duty).or_default();
        if *ended || *parked {
            wrong("given up where it is not");
        }
        if *had != attempts {
            wrong("attempts are counted wrongly");
        }
        *ended = true;
        self.totals.given_up += 1;
        let job = Job::given_up(delivery, duty, attempts, envelope, broker);
        let letter = self.letter(&job, Reason::TriggerGone, job.envelope.record());
        let mark = Ended { offset, trigger: trigger_uid(duty.1) };
        let change = Change { duty, place: Place::Letter, attempts, events: Vec::new(), loops: Vec::new() };
        let attempt = Attempt::given_up(delivery, letter, mark, record);
        self.life().unwritten.attempts.push((attempt, Some(change)));
    }
}
