//! Budgets: what a trigger may take in a day. Whoever adds up what its attempts take says when that is used up; from then on
//! nothing more of it begins, as if its limit were nothing, until the day is over.

use super::core::Core;
use super::delivery::{Key, State};
use super::message::Effect;
use crate::event::Uid;
use crate::time::Moment;

impl Core {
    /// What waits is written aside: it may be for a day. What runs comes to its end.
    pub(super) fn spent<R>(&mut self, trigger: Uid, until: Option<Moment>, effects: &mut Vec<Effect<R>>) {
        // One that is gone has nothing that it may not take.
        let Some(number) = self.roster.known(trigger) else { return };
        if self.turns.shut(number, until) && until.is_some() {
            self.turn_away_waiting(number, effects);
            if self.policy(number).parks() {
                self.park_paused(number, effects);
            }
        }
    }

    /// Those that wait at a gate which does not open today, and have senders who wait for them.
    pub(super) fn turn_away_waiting<R>(&mut self, trigger: u32, effects: &mut Vec<Effect<R>>) {
        let waits = |d: &super::delivery::Delivery| d.trigger == trigger && d.state == State::Waiting;
        let keys: Vec<Key> = self.deliveries.keys(waits);
        for key in keys {
            if self.is_direct(key) {
                self.leave(key);
                self.turn_away(key, effects);
            }
        }
    }
}
