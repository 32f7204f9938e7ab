//! Attempts come back: what their outcome makes of the delivery, its lane and its route.

use std::time::Duration;

use super::breaker::Failed;
use super::core::Core;
use super::delivery::{Key, State};
use super::message::{Effect, End, Fate};
use super::outcome::Outcome;
use super::timers::Timer;
use crate::time::Moment;

impl Core {
    pub(super) fn attempted<R>(
        &mut self,
        key: Key,
        (outcome, retry_after): (Outcome, Option<Duration>),
        report: R,
        now: Moment,
        effects: &mut Vec<Effect<R>>,
    ) {
        let Some(delivery) = self.deliveries.get_mut(key).filter(|d| d.state == State::Running) else {
            self.counts.fenced += 1;
            self.turns.found(key);
            effects.push(Effect::Journal { delivery: key, report, fate: Fate::Fenced });
            return;
        };
        if !self.roster.policy(delivery.trigger).remote {
            self.pace.attempted();
        }
        self.load.came_back(delivery.trigger);
        self.turns.came_back(delivery.trigger);
        self.counts.attempts += 1;
        delivery.counted.attempts += 1;
        if let Some(lane) = delivery.lane {
            self.lanes[lane].handed -= 1;
        }
        let trigger = delivery.trigger;
        match self.due_again(key, outcome, retry_after, now) {
            Some(_) if self.roster.is_gone(trigger) => self.ended(key, End::GivenUp, report, effects),
            Some(due) => self.failed(key, due, report, now, effects),
            None if outcome == Outcome::Succeeded => self.ended(key, End::Delivered, report, effects),
            None if self.is_direct(key) => self.ended(key, End::Returned, report, effects),
            None => self.ended(key, End::DeadLettered, report, effects),
        }
        let trigger = self.deliveries.get(key).map(|delivery| delivery.trigger);
        if let Some(trigger) = trigger.filter(|_| self.draining)
            && !self.turns.breaker(trigger).is_closed()
        {
            self.park_paused(trigger, effects);
        }
    }

    /// When the delivery runs again; `None`: never. What it says about the route is noted.
    fn due_again(
        &mut self,
        key: Key,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Moment,
    ) -> Option<Moment> {
        let trigger = self.deliveries[key].trigger;
        if !outcome.retries() {
            self.end_pause(trigger);
            return None;
        }
        let delivery = &mut self.deliveries[key];
        let trip = self.roster.policy(trigger).trip;
        let failed = self.turns.breaker(trigger).failed(trip, key, &mut delivery.counted.series, now);
        if !matches!(failed, Failed::Excused(_)) {
            delivery.counted.failures += 1;
        }
        let (attempts, failures) = (delivery.counted.attempts, delivery.counted.failures);
        if let Failed::Pauses(until) = failed {
            self.load.pause(trigger, true);
            self.timers.set(until, Timer::Route(trigger));
            self.counts.pauses += 1;
        }
        if self.is_direct(key) {
            return None;
        }
        let wait = self.policy(trigger).wait_after(failures, retry_after)?;
        let due = now.after(wait + jitter(wait, self.offset_of(key), attempts));
        Some(match failed {
            Failed::Counts => due,
            Failed::Pauses(until) | Failed::Excused(until) => due.max(until),
        })
    }

    fn failed<R>(&mut self, key: Key, due: Moment, report: R, now: Moment, effects: &mut Vec<Effect<R>>) {
        self.counts.retries += 1;
        let delivery = &mut self.deliveries[key];
        delivery.due = due;
        let since = *delivery.failing_since.get_or_insert(now);
        let (trigger, lane, was_parked) = (delivery.trigger, delivery.lane, delivery.record.is_some());
        let policy = self.policy(trigger);
        let behind = lane.map_or(0, |lane| self.lanes[lane].members.len() - 1);
        let lane_parked = lane.is_some_and(|lane| self.lanes[lane].is_parked());
        let beyond = since.until(due) > policy.hold.time
            || behind > policy.hold.deliveries
            || was_parked
            || self.is_burdened();
        let needed = behind + usize::from(!was_parked);
        let draining = self.draining || self.is_leaving(key);
        if (draining || lane_parked || beyond && policy.parks()) && self.may_park(needed) {
            let parked = self.begin_parking(key, due);
            effects.push(Effect::Journal { delivery: key, report, fate: Fate::Parked(parked) });
            if let Some(lane) = lane {
                self.park_lane(lane, effects);
            }
            return;
        }
        self.deliveries[key].state = State::Retrying;
        self.load.not_busy(trigger);
        self.timers.set(due, Timer::Retry(key));
        effects.push(Effect::Journal { delivery: key, report, fate: Fate::Retried });
        match lane {
            Some(lane) => self.hold_lane(lane),
            None => self.set_held(key, true),
        }
    }

    fn ended<R>(&mut self, key: Key, end: End, report: R, effects: &mut Vec<Effect<R>>) {
        let delivery = &mut self.deliveries[key];
        delivery.state = State::Ended;
        let fate = Fate::Ended { end, record: delivery.record };
        effects.push(Effect::Journal { delivery: key, report, fate });
        // What follows a dead letter in its lane waits until that is durable: were it lost, order would be too.
        match end {
            End::Delivered => {
                self.counts.delivered += 1;
                self.leave(key);
            }
            End::DeadLettered | End::GivenUp => self.counts.dead_lettered += 1,
            // Nothing is promised of the order in which its sender comes again.
            End::Returned => {
                self.counts.returned += 1;
                self.leave(key);
            }
        }
    }

    /// It ran no further than the failure before it: it waits behind that again.
    pub(super) fn skipped<R>(&mut self, key: Key, effects: &mut Vec<Effect<R>>) {
        let Some(delivery) = self.deliveries.get_mut(key).filter(|d| d.state == State::Running) else {
            self.counts.fenced += 1;
            self.turns.found(key);
            return;
        };
        self.load.came_back(delivery.trigger);
        self.turns.came_back(delivery.trigger);
        self.load.not_busy(delivery.trigger);
        delivery.state = State::Waiting;
        let lane = delivery.lane.expect("what follows in a run stands in a lane");
        self.lanes[lane].handed -= 1;
        self.hold_with_lane(key);
        if (self.lanes[lane].is_parked() || self.is_leaving(key)) && self.may_park_one(key) {
            self.park(key, Moment(0), effects);
        }
        self.advance(lane);
    }

    /// What it has written is durable: its end, or the record that it is parked as.
    pub(super) fn journaled(&mut self, key: Key, parked: Option<u64>) {
        // Of a partition that was lost meanwhile there is nothing left.
        let Some(delivery) = self.deliveries.get(key) else { return };
        match (delivery.state, parked) {
            (State::Ended, None) => {
                self.leave(key);
                self.settle(key);
            }
            (State::Parking, Some(id)) => self.parked_as(key, id),
            (state, parked) => unreachable!("a delivery that is {state:?} was journaled as {parked:?}"),
        }
    }

    /// It makes room in its lane, if it is in one still.
    pub(super) fn leave(&mut self, key: Key) {
        if let Some(lane) = self.deliveries[key].lane.take() {
            let members = &mut self.lanes[lane].members;
            // The first, but for those that are given up together.
            let at = members.iter().position(|&member| member == key).expect("a delivery is in its lane");
            members.remove(at);
            self.advance(lane);
        }
    }

    /// The delivery is gone from memory; an event of which it was the last has settled.
    pub(super) fn settle(&mut self, key: Key) {
        let delivery = self.deliveries.remove(key).expect("it was found");
        self.load.remove(delivery.trigger, delivery.held, delivery.state.is_busy());
        let event = &mut self.events[delivery.event];
        event.unsettled -= 1;
        if event.unsettled > 0 {
            return;
        }
        let event = self.events.remove(delivery.event);
        self.bytes -= event.envelope.record().len();
        if event.fetched {
            self.stubs.fetched -= 1;
            self.turns[delivery.trigger].fetched -= 1;
            self.turns.stir(delivery.trigger);
        } else {
            self.counts.settled += 1;
            let partition = &mut self.partitions[event.partition];
            partition.incomplete.complete(event.envelope.position.offset);
            if partition.answers() {
                self.settled.push(event.envelope.position);
            }
        }
    }
}

/// Up to a tenth of the wait, the same for the same attempt: so that what failed together doesn't come back together.
fn jitter(wait: Duration, offset: u64, attempt: u32) -> Duration {
    let mixed = (offset ^ u64::from(attempt).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    wait / 10 * u32::try_from(mixed).expect("16 bits") / 65_536
}
