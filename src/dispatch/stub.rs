//! What stays in memory of parked deliveries.

use super::delivery::Counted;
use super::lane::{Keys, LaneKey};
use super::message::Stub;
use super::route::Turns;
use super::slots::{self, Slots};
use super::sweep::Sweep;
use crate::event::parked::Label;
use crate::time::Moment;

impl Label {
    /// What the core keeps of it. `wall` is `now` in nanoseconds since 1970.
    pub fn into_stub(self, keys: &Keys, now: Moment, wall: u64) -> Stub {
        Stub {
            id: self.id,
            offset: self.position.offset,
            trigger: self.trigger,
            key: self.key.map(|key| keys.of_text(&key)),
            attempts: self.attempts,
            failures: self.failures,
            replay: self.replay,
            due: Moment(now.0.saturating_add(self.due.saturating_sub(wall))),
            holds: self.holds,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfStub {}

/// Names a parked delivery.
pub type StubKey = slots::Key<OfStub>;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: u64,
    /// As a delivery's.
    pub(super) order: u64,
    pub(super) due: Moment,
    pub(super) partition: u32,
    pub(super) trigger: u32,
    pub(super) counted: Counted,
    /// It holds this lane. A replay holds none until it is fetched.
    pub(super) lane: Option<LaneKey>,
    pub(super) fetching: bool,
}

/// What may be fetched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Lane(LaneKey),
    Stub(StubKey),
}

/// All that is parked.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    pub(super) places: Slots<OfStub, Place>,
    /// What may be fetched as soon as there is room, by the partition and the id of the first record.
    pub(super) due: Sweep<(u32, u64), Due>,
    pub(super) fetching: usize,
    /// Deliveries on their way to being parked.
    pub(super) parking: usize,
    /// Events in memory that were fetched.
    pub(super) fetched: usize,
}

impl Stubs {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn fetching(&self) -> usize {
        self.fetching
    }

    /// At once where its route has no limits, else when its gate lets it through.
    pub(super) fn due_now(&mut self, first: StubKey, due: Due, turns: &mut Turns) {
        let place = &self.places[first];
        let at = (place.partition, place.id);
        match &mut turns[place.trigger].gate {
            None => self.due.insert(at, due),
            Some(gate) => {
                gate.backlog.insert(at, due);
                turns.stir(place.trigger);
            }
        }
    }

    /// What waited at a gate that is gone.
    pub(super) fn due_without_a_gate(&mut self, mut backlog: Sweep<(u32, u64), Due>) {
        while let Some((at, due)) = backlog.next() {
            self.due.insert(at, due);
        }
    }

    /// Notes the routes that anything is parked of.
    pub(super) fn note_routes(&self, routes: &mut [bool]) {
        self.places.values().for_each(|place| routes[place.trigger as usize] = true);
    }

    /// All of a route is due. Those that hold a lane are so with it: returns the lanes.
    pub(super) fn make_due(&mut self, trigger: u32, turns: &mut Turns) -> Vec<LaneKey> {
        let mut lanes = Vec::new();
        for key in self.places.keys(|place| place.trigger == trigger) {
            let place = &mut self.places[key];
            place.due = Moment(0);
            match place.lane {
                Some(lane) => lanes.push(lane),
                None if !place.fetching => self.due_now(key, Due::Stub(key), turns),
                None => {}
            }
        }
        lanes
    }

    /// Forgets those of a partition.
    pub(super) fn forget(&mut self, partition: u32, turns: &mut Turns) {
        for key in self.places.keys(|place| place.partition == partition) {
            let place = self.places.remove(key).expect("it was found");
            self.fetching -= usize::from(place.fetching);
            if place.fetching {
                turns.end_fetch(place.trigger);
            }
            turns[place.trigger].parked -= 1;
            turns.stir(place.trigger);
        }
        turns.retain_backlogs(|of| of != partition);
    }
}

impl std::ops::Index<StubKey> for Stubs {
    type Output = Place;

    fn index(&self, key: StubKey) -> &Place {
        &self.places[key]
    }
}
