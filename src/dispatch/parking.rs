//! Parking: deliveries that would be in memory for too long are written aside, and come back when it is their time. What
//! stays of each is a stub. A lane of which something is parked runs that first.

use super::core::{Core, TURN};
use super::delivery::{Counted, Delivery, InFlight, Key, State};
use super::lane::LaneKey;
use super::message::{Effect, Parked, Stub};
use super::stub::{Due, Place, StubKey};
use super::timers::Timer;
use crate::event::{Envelope, Uid};
use crate::time::Moment;

/// Of a lane, so many records are fetched together at most with what stands between them: what stands further away is
/// fetched when the sweep has come there.
const NEAR: u64 = 4096;

impl Core {
    /// Is there room to park so many? What has been fetched has its place still.
    pub(super) fn may_park(&self, count: usize) -> bool {
        let parked = self.stubs.len() + self.stubs.parking + self.stubs.fetched;
        count == 0 || parked + count <= self.limits.parked
    }

    /// Is there room for this one? A record that it has already makes room for the next. One whose sender waits is never
    /// parked.
    pub(super) fn may_park_one(&self, key: Key) -> bool {
        !self.is_direct(key) && self.may_park(usize::from(self.deliveries[key].record.is_none()))
    }

    /// The record of one that has been fetched and not run: what stands on disk still holds.
    fn stands_parked(&self, key: Key) -> Option<u64> {
        let delivery = &self.deliveries[key];
        delivery.record.filter(|_| delivery.failing_since.is_none())
    }

    /// Has the delivery written aside. It stays in its lane until that is durable.
    pub(super) fn park<R>(&mut self, key: Key, due: Moment, effects: &mut Vec<Effect<R>>) {
        if self.stands_parked(key).is_some() {
            return self.unfetch(key);
        }
        let parked = self.begin_parking(key, due);
        effects.push(Effect::Park { delivery: key, parked });
    }

    pub(super) fn begin_parking(&mut self, key: Key, due: Moment) -> Parked {
        self.unhold(key);
        let delivery = &mut self.deliveries[key];
        if !delivery.state.is_busy() {
            self.load.busy(delivery.trigger);
        }
        delivery.state = State::Parking;
        delivery.due = due;
        self.stubs.parking += 1;
        self.counts.parked += 1;
        if let Some(lane) = delivery.lane {
            self.lanes[lane].parking += 1;
        }
        let event = &self.events[delivery.event];
        Parked {
            trigger: self.roster.uid(delivery.trigger),
            attempts: delivery.counted.attempts,
            failures: delivery.counted.failures,
            replay: delivery.counted.replay,
            due,
            holds: delivery.lane.is_some(),
            was: delivery.record,
            envelope: event.envelope.clone(),
            broker: event.broker,
        }
    }

    /// Parks what waits in a lane. What runs is parked when it comes back and has not succeeded.
    pub(super) fn park_lane<R>(&mut self, lane: LaneKey, effects: &mut Vec<Effect<R>>) {
        self.release_lane(lane);
        let members: Vec<Key> = self.lanes[lane].members.iter().copied().collect();
        for key in members {
            // Gone with one before it, perhaps: what was fetched and has not run is a stub again at once.
            let Some(delivery) = self.deliveries.get(key) else { continue };
            let due = delivery.due;
            match delivery.state {
                _ if !self.may_park_one(key) => {}
                State::Waiting => self.park(key, Moment(0), effects),
                State::Retrying => self.park(key, due, effects),
                State::Running | State::Parking | State::Ended => {}
            }
        }
        let first = self.lanes[lane].members.front();
        if first.is_some_and(|&first| self.deliveries[first].state == State::Retrying) {
            self.hold_lane(lane);
        }
        self.advance(lane);
    }

    /// The record is durable.
    pub(super) fn parked_as(&mut self, key: Key, id: u64) {
        self.stubs.parking -= 1;
        let delivery = &self.deliveries[key];
        let due = delivery.due;
        if let Some(lane) = delivery.lane {
            self.lanes[lane].parking -= 1;
        }
        if self.is_shared(key) {
            // Whoever is given it when it is due has it.
            return self.settle(key);
        }
        self.become_stub(key, id, due);
    }

    /// A delivery leaves memory for what is on disk of it.
    fn become_stub(&mut self, key: Key, id: u64, due: Moment) {
        let trigger = self.deliveries[key].trigger;
        let due = self.due_of(trigger, due);
        let delivery = &mut self.deliveries[key];
        let event = &self.events[delivery.event];
        let place = Place {
            id,
            order: delivery.order,
            due,
            partition: event.partition,
            trigger,
            counted: delivery.counted,
            lane: delivery.lane.take(),
            fetching: false,
        };
        if let Some(lane) = place.lane {
            let members = &mut self.lanes[lane].members;
            let at = members.iter().position(|&member| member == key).expect("a delivery is in its lane");
            members.remove(at);
        }
        self.settle(key);
        self.place(place);
    }

    fn place(&mut self, place: Place) {
        let (lane, order, due) = (place.lane, place.order, place.due);
        self.turns[place.trigger].parked += 1;
        let key = self.stubs.places.insert(place);
        let Some(lane) = lane else {
            self.timers.set(due, Timer::Stub(key));
            return;
        };
        let parked = &self.lanes[lane].parked;
        let behind = parked.iter().rev().take_while(|&&stub| self.stubs[stub].order > order).count();
        let at = parked.len() - behind;
        self.lanes[lane].parked.insert(at, key);
        // What was fetched and stands behind it would only take up room: it is a stub again.
        let waits = |member: &&Key| {
            let delivery = &self.deliveries[**member];
            delivery.order >= order
                && delivery.state == State::Waiting
                && self.stands_parked(**member).is_some()
        };
        match self.lanes[lane].members.iter().find(waits) {
            Some(&member) => self.unfetch(member),
            None => self.advance(lane),
        }
    }

    fn unfetch(&mut self, key: Key) {
        self.unhold(key);
        let id = self.stands_parked(key).expect("it was looked at");
        self.become_stub(key, id, self.deliveries[key].due);
    }

    /// What was parked in an earlier life, or by someone else.
    pub(super) fn restore(&mut self, partition: u32, mut parked: Vec<Stub>) {
        // In order, so that no lane begins with its second.
        parked.sort_by_key(|stub| (stub.offset, stub.replay));
        let mut lanes = Vec::new();
        for stub in parked {
            let trigger = self.roster.number_of(stub.trigger);
            self.make_room();
            let lane = self.lane_of(trigger, partition, stub.key);
            let holds = lane.filter(|_| stub.holds).map(|lane| self.lanes.enter(lane));
            self.turns[trigger].parked += 1;
            let key = self.stubs.places.insert(Place {
                id: stub.id,
                order: stub.offset,
                due: self.due_of(trigger, stub.due),
                partition,
                trigger,
                counted: Counted {
                    attempts: stub.attempts,
                    failures: stub.failures,
                    replay: stub.replay,
                    series: 0,
                },
                lane: holds,
                fetching: false,
            });
            match holds {
                Some(lane) => {
                    self.lanes[lane].parked.push_back(key);
                    lanes.push(lane);
                }
                None => self.timers.set(self.stubs[key].due, Timer::Stub(key)),
            }
        }
        lanes.into_iter().for_each(|lane| self.advance(lane));
    }

    pub(super) fn unparked(&mut self, source: Uid, number: u32, parked: Vec<Stub>) {
        // Where the partition is not ours, whoever is assigned it finds them.
        if let Some(index) = self.partitions.index_of(source, number)
            && self.partitions[index].epoch.is_some()
        {
            self.restore(index, parked);
        }
    }

    /// A lane's first is parked: it is fetched when it is due, and when nothing of the lane can come before it any more.
    pub(super) fn await_parked(&mut self, lane: LaneKey) {
        let first = &self.stubs[*self.lanes[lane].parked.front().expect("it was looked at")];
        let partition = &mut self.partitions[first.partition];
        if partition.reached < first.order {
            let waiting = partition.waiting.entry(first.order).or_default();
            if !waiting.contains(&lane) {
                waiting.push(lane);
            }
            return;
        }
        let due = first.due;
        let lane_state = &mut self.lanes[lane];
        if lane_state.fetch_due.is_none_or(|before| due < before) {
            lane_state.fetch_due = Some(due);
            self.timers.set(due, Timer::Lane(lane));
        }
    }

    pub(super) fn lane_due(&mut self, key: LaneKey, now: Moment) {
        let Some(lane) = self.lanes.get(key) else { return };
        if lane.fetch_due.is_none_or(|due| due > now) {
            return;
        }
        let trigger = lane.id.trigger;
        self.lanes[key].fetch_due = None;
        match self.pause_of(trigger, now) {
            Some(until) => {
                self.lanes[key].fetch_due = Some(until);
                self.timers.set(until, Timer::Lane(key));
            }
            None => match self.lanes[key].parked.front() {
                Some(&first) => self.stubs.due_now(first, Due::Lane(key), &mut self.turns),
                None => self.advance(key),
            },
        }
    }

    pub(super) fn stub_due(&mut self, key: StubKey, now: Moment) {
        let Some(place) = self.stubs.places.get(key) else { return };
        match self.pause_of(place.trigger, now) {
            Some(until) => self.timers.set(until, Timer::Stub(key)),
            None => self.stubs.due_now(key, Due::Stub(key), &mut self.turns),
        }
    }

    /// Until when there is no use in fetching anything for a route.
    fn pause_of(&mut self, trigger: u32, now: Moment) -> Option<Moment> {
        let wait = self.policy(trigger).trip.map(|trip| trip.wait)?;
        let breaker = self.turns.breaker(trigger);
        match breaker.allows() {
            Some(0) => Some(breaker.until().unwrap_or(now.after(wait)).max(now.after(wait / 16))),
            _ => None,
        }
    }

    /// Fetches what is due while there is room, and leaves half of the room to what is new.
    pub(super) fn fetch<R>(&mut self, now: Moment, effects: &mut Vec<Effect<R>>) {
        while !self.draining && !self.stubs.due.is_empty() && self.may_fetch() {
            match self.stubs.due.next() {
                None => return,
                Some((_, due)) => self.fetch_due(due, TURN, now, effects),
            }
        }
    }

    /// Fetches it, or so many of it at most.
    pub(super) fn fetch_due<R>(&mut self, due: Due, most: usize, now: Moment, effects: &mut Vec<Effect<R>>) {
        match due {
            Due::Stub(key) => {
                if self.stubs.places.get(key).is_some_and(|place| !place.fetching) {
                    self.fetch_one(key, effects);
                }
            }
            Due::Lane(lane) => self.fetch_run(lane, most, now, effects),
        }
    }

    fn may_fetch(&self) -> bool {
        let fetched = self.stubs.fetching + self.stubs.fetched - self.turns.fetched_apart();
        // One always: all that fills the room may stand behind it.
        if fetched == 0 {
            return true;
        }
        let share = (self.limits.deliveries.min(self.pace.limit()) / 2).max(1);
        fetched < share && self.has_room_for_active() && self.bytes < self.limits.bytes
    }

    fn fetch_run<R>(&mut self, key: LaneKey, most: usize, now: Moment, effects: &mut Vec<Effect<R>>) {
        let Some(lane) = self.lanes.get(key) else { return };
        let leaving = self.partitions[lane.id.partition].leaving;
        if leaving || lane.handed > 0 || lane.fetching > 0 || lane.fetch_due.is_some() {
            return;
        }
        let before = lane.members.front().map_or(u64::MAX, |&member| self.deliveries[member].order);
        let reached = self.partitions[lane.id.partition].reached;
        let id = lane.parked.front().map_or(0, |&first| self.stubs[first].id);
        // One that was the first in an earlier life may have to wait for longer than those before it.
        let next = |stub: &&StubKey| {
            let place = &self.stubs[**stub];
            let near = place.id.abs_diff(id) < NEAR;
            place.order < before && place.order <= reached && place.due <= now && near
        };
        let count = lane.parked.iter().take(most).take_while(next).count();
        if count == 0 {
            return self.advance(key);
        }
        let run: Vec<StubKey> = self.lanes[key].parked.drain(..count).collect();
        self.lanes[key].fetching = count;
        run.into_iter().for_each(|stub| self.fetch_one(stub, effects));
    }

    fn fetch_one<R>(&mut self, key: StubKey, effects: &mut Vec<Effect<R>>) {
        let place = self.stubs.places.get_mut(key).expect("it is parked");
        if self.partitions[place.partition].leaving {
            return;
        }
        place.fetching = true;
        self.stubs.fetching += 1;
        self.turns.begin_fetch(place.trigger);
        let partition = &self.partitions[place.partition];
        let (source, partition) = (partition.source, partition.number);
        effects.push(Effect::Fetch { stub: key, source, partition, id: place.id });
    }

    pub(super) fn fetched<R>(
        &mut self,
        stub: StubKey,
        envelope: Envelope,
        broker: Uid,
        effects: &mut Vec<Effect<R>>,
    ) {
        // Of a partition that was lost meanwhile there is nothing left.
        let Some(place) = self.stubs.places.remove(stub) else { return };
        assert!(place.fetching, "nothing is fetched that was not asked for");
        self.stubs.fetching -= 1;
        self.stubs.fetched += 1;
        self.turns.end_fetch(place.trigger);
        let route = &mut self.turns[place.trigger];
        route.parked -= 1;
        route.fetched += 1;
        self.turns.stir(place.trigger);
        self.counts.fetched += 1;
        self.bytes += envelope.record().len();
        let hash = self.keys.of(&envelope.event());
        let event = InFlight {
            envelope,
            broker,
            partition: place.partition,
            matched: 1,
            unsettled: 1,
            fetched: true,
        };
        let event = self.events.insert(event);
        let mut delivery = Delivery::new(event, place.trigger, place.order);
        delivery.counted = place.counted;
        delivery.record = Some(place.id);
        let Some(lane_key) = place.lane else {
            // A replay stands behind all that has come before it was fetched.
            delivery.order = self.partitions[place.partition].reached;
            let lane = self.lane_of(place.trigger, place.partition, hash);
            let key = self.add(delivery);
            return self.join(key, lane, effects);
        };
        delivery.lane = Some(lane_key);
        let order = delivery.order;
        let key = self.add(delivery);
        let lane = &self.lanes[lane_key];
        let at = lane.members.iter().take_while(|&&member| self.deliveries[member].order <= order).count();
        let lane = &mut self.lanes[lane_key];
        lane.members.insert(at, key);
        lane.fetching -= 1;
        self.hold_with_lane(key);
        let lane = &self.lanes[lane_key];
        match lane.parked.front() {
            // What it was to follow is a stub again.
            Some(&first) if self.stubs[first].order < order => self.unfetch(key),
            _ => self.advance(lane_key),
        }
    }

    /// The log's oldest volume is to go: what it still holds is parked, whatever its order.
    pub(super) fn evicted<R>(
        &mut self,
        (source, number): (Uid, u32),
        below: u64,
        effects: &mut Vec<Effect<R>>,
    ) {
        let Some(index) = self.partitions.index_of(source, number) else { return };
        let keys = self.deliveries.keys(|delivery| {
            let event = &self.events[delivery.event];
            event.partition == index && !event.fetched && event.envelope.position.offset < below
        });
        self.park_all(keys, effects);
    }

    /// The worker stops: who waits for a retry would not see it in this life.
    pub(super) fn drain<R>(&mut self, effects: &mut Vec<Effect<R>>) {
        self.draining = true;
        let keys = self.deliveries.keys(|delivery| delivery.state == State::Retrying);
        self.park_all(keys, effects);
        for trigger in self.roster.numbers() {
            if !self.turns.breaker(trigger).is_closed() {
                self.park_paused(trigger, effects);
            }
            self.turns.stir(trigger);
        }
    }

    /// Also what waits for a limit.
    pub(super) fn park_paused<R>(&mut self, trigger: u32, effects: &mut Vec<Effect<R>>) {
        let keys = self.deliveries.keys(|delivery| delivery.trigger == trigger);
        self.park_all(keys, effects);
    }

    pub(super) fn park_all<R>(&mut self, keys: Vec<Key>, effects: &mut Vec<Effect<R>>) {
        for key in keys {
            // Gone with its lane, perhaps: who was fetched and has not run is a stub again at once.
            let Some(delivery) = self.deliveries.get(key) else { continue };
            if !matches!(delivery.state, State::Waiting | State::Retrying) || !self.may_park_one(key) {
                continue;
            }
            match delivery.lane {
                Some(lane) => self.park_lane(lane, effects),
                None => self.park(key, delivery.due, effects),
            }
        }
    }
}
