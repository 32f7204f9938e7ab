//! Partitions come and go; events arrive and become deliveries.

use super::core::Core;
use super::delivery::{Counted, Delivery, InFlight, Key, State};
use super::lane::LaneId;
use super::message::{Effect, Stub};
use super::progress::Progress;
use super::route::Ready;
use super::unmet::Unmet;
use crate::event::segment::Ended;
use crate::event::{Envelope, Epoch, Position, Uid};
use crate::time::Moment;

impl Core {
    pub(super) fn assigned(
        &mut self,
        (source, number): (Uid, u32),
        epoch: Epoch,
        progress: &Progress,
        ended: Vec<Ended>,
        parked: Vec<Stub>,
    ) {
        self.revoked(source, number);
        let index = self.partitions.assign((source, number), epoch, progress, ended);
        for stub in parked.iter().filter(|stub| stub.replay == 0 && stub.offset >= progress.watermark) {
            // That it was parked may not have been noted before its worker ended.
            self.partitions[index].note_ended(stub.offset, stub.trigger);
        }
        self.restore(index, parked);
    }

    /// What runs for it goes on running; its results find nothing here and are fenced.
    pub(super) fn revoked(&mut self, source: Uid, number: u32) {
        let Some(index) = self.partitions.index_of(source, number) else { return };
        let partition = &mut self.partitions[index];
        partition.epoch = None;
        partition.waiting.clear();
        self.bytes -= partition.forget_unmet();
        for lane in self.lanes.of_partition(index) {
            self.release_lane(lane);
            self.lanes.remove(lane);
        }
        for key in self.deliveries.keys(|d| self.events[d.event].partition == index) {
            let delivery = self.deliveries.remove(key).expect("it was found");
            if delivery.state == State::Running {
                self.load.came_back(delivery.trigger);
            }
            self.load.remove(delivery.trigger, delivery.held, delivery.state.is_busy());
            self.turns[delivery.trigger].fetched -= usize::from(self.events[delivery.event].fetched);
            self.turns.stir(delivery.trigger);
            match delivery.state {
                State::Running => {
                    self.turns.lost(delivery.trigger, key);
                }
                State::Parking => self.stubs.parking -= 1,
                _ => {}
            }
        }
        let (bytes, fetched) = (&mut self.bytes, &mut self.stubs.fetched);
        self.events.retain(|_, event| {
            if event.partition == index {
                *bytes -= event.envelope.record().len();
                *fetched -= usize::from(event.fetched);
            }
            event.partition != index
        });
        self.stubs.forget(index, &mut self.turns);
        let (deliveries, lanes) = (&self.deliveries, &self.lanes);
        self.turns.retain(|ready| match ready {
            Ready::Delivery(key) => deliveries.get(key).is_some(),
            Ready::Lane(key) => lanes.get(key).is_some(),
        });
    }

    pub(super) fn passed(&mut self, position: Position, epoch: Epoch) {
        // Under an earlier assignment more had been read than under this one: it says nothing about what is to come.
        let Some(index) = self.partitions.index_under(position, epoch) else { return };
        self.partitions[index].incomplete.pass(position.offset);
        self.reach(index, position.offset);
    }

    pub(super) fn arrived<R>(&mut self, envelope: Envelope, broker: Uid, effects: &mut Vec<Effect<R>>) {
        self.counts.arrived += 1;
        let Some(index) = self.partitions.index_under(envelope.position, envelope.epoch) else {
            self.counts.fenced += 1;
            return;
        };
        let offset = envelope.position.offset;
        let partition = &mut self.partitions[index];
        if !partition.incomplete.begin(offset) {
            self.counts.repeated += 1;
            self.reach(index, offset + 1);
            return;
        }
        self.route(index, envelope, broker, effects);
        self.reach(index, offset + 1);
    }

    /// Finds its triggers and makes their deliveries.
    pub(super) fn route<R>(
        &mut self,
        index: u32,
        envelope: Envelope,
        broker: Uid,
        effects: &mut Vec<Effect<R>>,
    ) {
        let (partition, offset) = (&mut self.partitions[index], envelope.position.offset);
        let event = envelope.event();
        let mut matched = std::mem::take(&mut self.matched);
        matched.clear();
        self.table.routes.matching(broker, &event, &mut self.memo, &mut matched);
        let unrouted = matched.is_empty();
        match unrouted {
            false => partition.met.0 += 1,
            true => {
                partition.met.1 += 1;
                match self.table.unmet.get(&envelope.position.source) {
                    None => {}
                    Some(Unmet::Wait) => {
                        drop(event);
                        self.matched = matched;
                        return self.wait_unmet(index, envelope, broker);
                    }
                    Some(Unmet::Take(other)) => {
                        self.table.routes.matching(*other, &event, &mut self.memo, &mut matched);
                    }
                }
            }
        }
        self.counts.routed += u64::from(!unrouted);
        self.counts.unrouted += u64::from(unrouted);
        let ended = partition.ended_before(offset);
        if !ended.is_empty() {
            matched.retain(|&trigger| !ended.contains(&self.table.uids[trigger as usize]));
        }
        if matched.is_empty() {
            self.counts.settled += 1;
            partition.incomplete.complete(offset);
            if partition.answers() {
                self.settled.push(envelope.position);
            }
        } else {
            let key = self.keys.of(&event);
            drop(event);
            self.bytes += envelope.record().len();
            let unsettled = u32::try_from(matched.len()).expect("triggers are far fewer than u32");
            let event = self.events.insert(InFlight {
                envelope,
                broker,
                partition: index,
                matched: unsettled,
                unsettled,
                fetched: false,
            });
            for &met in &matched {
                let trigger = self.roster.number(met);
                let lane = self.lane_of(trigger, index, key);
                let delivery = self.add(Delivery::new(event, trigger, offset));
                self.join(delivery, lane, effects);
            }
        }
        self.matched = matched;
    }

    pub(super) fn add(&mut self, delivery: Delivery) -> Key {
        self.load.add(delivery.trigger);
        self.deliveries.insert(delivery)
    }

    /// A delivery that is new in memory takes its place.
    pub(super) fn join<R>(&mut self, key: Key, lane: Option<LaneId>, effects: &mut Vec<Effect<R>>) {
        let trigger = self.deliveries[key].trigger;
        // While a route waits for a probe, whatever comes may be it.
        let paused = self.turns.breaker(trigger).allows() == Some(0);
        if (paused || self.turns.is_shut(trigger).is_some()) && self.is_direct(key) {
            return self.turn_away(key, effects);
        }
        let Some(id) = lane else {
            if (paused && self.is_burdened() || self.is_crowded(key)) && self.may_park_one(key) {
                let until = self.turns.breaker(trigger).until();
                self.park(key, until.unwrap_or_default(), effects);
            } else {
                self.turns.push(trigger, Ready::Delivery(key));
            }
            return;
        };
        let lane_key = self.lanes.enter(id);
        self.deliveries[key].lane = Some(lane_key);
        self.lanes[lane_key].members.push_back(key);
        self.hold_with_lane(key);
        if self.lanes[lane_key].is_parked() && self.may_park_one(key) {
            // Until what is parked of its lane is done, whatever follows is parked, too.
            self.park(key, Moment(0), effects);
            return;
        }
        if self.policy(trigger).parks() && self.is_crowded(key) && self.may_park_one(key) {
            self.park(key, Moment(0), effects);
            return;
        }
        let lane = &self.lanes[lane_key];
        let (held, length) = (lane.is_held, lane.members.len());
        let policy = self.policy(trigger);
        let too_many = length > policy.hold.deliveries || self.is_burdened();
        if (held || paused) && too_many && policy.parks() {
            self.park_lane(lane_key, effects);
        } else {
            self.advance(lane_key);
        }
    }

    fn reach(&mut self, index: u32, offset: u64) {
        for lane in self.partitions[index].reach(offset) {
            self.advance(lane);
        }
    }
}

impl Delivery {
    pub(super) fn new(event: usize, trigger: u32, order: u64) -> Delivery {
        Delivery {
            event,
            trigger,
            lane: None,
            order,
            counted: Counted::default(),
            state: State::Waiting,
            held: false,
            record: None,
            due: Moment(0),
            failing_since: None,
        }
    }
}
