//! Another table comes into force. What is in flight goes on under its trigger, by whatever that says now; what is left of
//! a trigger that is gone is given up: where it would have been run, it becomes a dead letter.

use std::sync::Arc;

use super::core::Core;
use super::delivery::{Key, State};
use super::message::Effect;
use super::table::Table;
use super::timers::Timer;
use crate::time::Moment;

impl Core {
    pub(super) fn reloaded<R>(&mut self, table: Arc<Table>, now: Moment, effects: &mut Vec<Effect<R>>) {
        self.forget_gone();
        let gone = self.roster.replace(&table);
        self.table = table;
        self.memo.clear();
        self.make_room();
        for number in self.roster.numbers() {
            self.limits_changed(number);
            let remote = self.roster.policy(number).remote;
            self.turns.set_remote(number, remote);
            self.load.set_remote(number, remote);
            // Without a trip there is nobody to say when its pause is over.
            if self.roster.policy(number).trip.is_none() {
                self.end_pause(number);
            }
        }
        gone.into_iter().for_each(|number| self.abandon(number, now));
        self.route_unmet(effects);
    }

    /// For each number that a trigger may have.
    pub(super) fn make_room(&mut self) {
        self.turns.grow(self.roster.end());
        self.load.grow(self.roster.end());
    }

    fn forget_gone(&mut self) {
        let mut parked = vec![false; self.roster.end()];
        self.stubs.note_routes(&mut parked);
        let load = &self.load;
        let free = self.roster.forget(|number| parked[number as usize] || load.has(number));
        free.into_iter().for_each(|number| self.turns.forget(number));
    }

    pub(super) fn end_pause(&mut self, trigger: u32) {
        if self.turns.breaker(trigger).succeeded() {
            self.load.pause(trigger, false);
            self.turns.give_turn(trigger);
        }
    }

    /// What waits for its time has waited long enough: its turn is now.
    fn abandon(&mut self, trigger: u32, now: Moment) {
        for key in self.deliveries.keys(|d| d.trigger == trigger && d.state == State::Retrying) {
            self.deliveries[key].due = now;
            self.timers.set(now, Timer::Retry(key));
        }
        let mut lanes = self.stubs.make_due(trigger, &mut self.turns);
        lanes.sort_unstable();
        lanes.dedup();
        lanes.into_iter().for_each(|lane| self.advance(lane));
    }

    /// What is to be given up is due at once.
    pub(super) fn due_of(&self, trigger: u32, due: Moment) -> Moment {
        if self.roster.is_gone(trigger) { Moment(0) } else { due }
    }

    /// In place of being run. It stays in its lane until that is durable: its trigger may be back by then, and what follows
    /// must not overtake it should it be lost.
    pub(super) fn give_up<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) {
        let delivery = &mut self.deliveries[key];
        assert_eq!(delivery.state, State::Waiting, "what runs goes on to its end");
        delivery.state = State::Ended;
        self.load.busy(delivery.trigger);
        match self.partitions[self.events[delivery.event].partition].direct {
            true => self.counts.returned += 1,
            false => self.counts.dead_lettered += 1,
        }
        let event = &self.events[delivery.event];
        effects.push(Effect::GiveUp {
            delivery: key,
            trigger: self.roster.uid(delivery.trigger),
            attempts: delivery.counted.attempts,
            replay: delivery.counted.replay,
            record: delivery.record,
            envelope: event.envelope.clone(),
            broker: event.broker,
        });
    }
}
