//! The instances of one executor thread: of each function one at most, for a thread makes one call at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::failure::Failure;
use super::instance::Instance;
use super::log::Log;
use super::place::Place;
use super::sandbox::Executor;
use super::upkeep::{Isolation, Pooled};
use crate::dispatch::Reason;

/// A function's place in the list that its pool was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionIndex(pub u32);

/// Not `Send`: made in the thread that uses it.
pub struct Pool {
    executor: Rc<Executor>,
    slots: Vec<Slot>,
    /// Its instance is not kept: it is there for its answer alone.
    leaving: Option<FunctionIndex>,
}

struct Slot {
    function: Pooled,
    resident: Option<Resident>,
    /// When it was called last.
    used: Instant,
}

/// An instance, and what it has of the places for such.
struct Resident {
    instance: Instance,
    place: Option<Place>,
}

/// One call and what it cost.
#[derive(Debug)]
pub struct Called<'a> {
    /// The guest's output, in place.
    pub result: Result<&'a [u8], Failure>,
    /// The time of the call alone.
    pub wall: Duration,
    /// The work of the call alone.
    pub fuel: u64,
    /// What the instance's memory takes up after the call, in bytes.
    pub memory: u64,
    /// An instance had to be made first, which took `init`.
    pub cold: bool,
    pub init: Duration,
    /// What it had to say meanwhile.
    pub log: Log,
}

impl Pool {
    pub fn new(engine: &Engine, functions: impl IntoIterator<Item = impl Into<Pooled>>) -> Pool {
        let slots = functions.into_iter().map(|function| Slot::of(function.into())).collect();
        Pool { executor: engine.executor(), slots, leaving: None }
    }

    /// While a call takes long, `tell` is asked, again and again until it says true. It may do what it likes, but not call.
    pub fn on_long_calls(&self, tell: impl Fn() -> bool + 'static) {
        self.executor.running.on_long_calls(tell);
    }

    /// Others from here on. The instance of a function that stays is kept.
    pub fn replace(&mut self, functions: impl IntoIterator<Item = impl Into<Pooled>>) {
        self.rest();
        let mut before = std::mem::take(&mut self.slots);
        self.slots.extend(functions.into_iter().map(|function| {
            let mut slot = Slot::of(function.into());
            if let Some(same) = before.iter_mut().find(|before| before.is_of(&slot.function)) {
                slot.resident = same.resident.take();
                slot.used = same.used;
            }
            slot
        }));
    }

    /// Makes the instances that are to be there before the first event, as the only pool.
    pub fn prewarm(&mut self) -> Result<(), Failure> {
        self.prewarm_as(0, 1)
    }

    /// The same as one of several pools, which share the instances of all functions evenly.
    pub fn prewarm_as(&mut self, number: usize, pools: usize) -> Result<(), Failure> {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let upkeep = slot.function.upkeep;
            let its_turn = (index + number) % pools < upkeep.min as usize;
            if its_turn && upkeep.isolation != Isolation::Fresh && slot.resident.is_none() {
                slot.resident = Some(slot.make(&self.executor)?);
                slot.used = Instant::now();
            }
        }
        Ok(())
    }

    /// Runs a function on an event in structured JSON. What fails is replaced by a fresh instance at the next call.
    pub fn call(&mut self, function: FunctionIndex, input: &[u8]) -> Called<'_> {
        self.rest();
        let index = function.0 as usize;
        let mut called = Called {
            result: Ok(&[]),
            wall: Duration::ZERO,
            fuel: 0,
            memory: 0,
            cold: false,
            init: Duration::ZERO,
            log: Log::default(),
        };
        let found = self.slots[index].resident.take();
        let ready = found.and_then(|mut resident| resident.instance.renew().then_some(resident));
        let mut begun = Instant::now();
        let mut resident = match ready {
            Some(resident) => resident,
            None => {
                let made = self.make(index);
                let now = Instant::now();
                called.cold = true;
                called.init = now - begun;
                begun = now;
                match made {
                    Ok(resident) => resident,
                    Err(failure) => {
                        called.result = Err(failure);
                        return called;
                    }
                }
            }
        };
        let answered = resident.instance.call(input, begun);
        called.wall = begun.elapsed();
        called.fuel = resident.instance.fuel_used();
        called.memory = resident.instance.memory_bytes();
        called.log = resident.instance.take_log();
        if let Err(failure) = answered {
            called.result = Err(failure);
            return called;
        }
        if resident.place.is_none() {
            self.leaving = Some(function);
        }
        let slot = &mut self.slots[index];
        slot.used = begun;
        called.result = Ok(slot.resident.insert(resident).instance.output());
        called
    }

    /// Where the machine has no room for one more, the one that has waited longest makes room.
    fn make(&mut self, index: usize) -> Result<Resident, Failure> {
        let made = self.slots[index].make(&self.executor);
        match made {
            Err(failure) if failure.reason == Reason::Instantiate && self.make_room() => {
                self.slots[index].make(&self.executor)
            }
            made => made,
        }
    }

    fn make_room(&mut self) -> bool {
        let residents = self.slots.iter_mut().filter(|slot| slot.resident.is_some());
        let longest = residents.min_by_key(|slot| slot.used);
        longest.and_then(|slot| slot.resident.take()).is_some()
    }

    /// The last answer is not needed any more, nor what is not kept beyond it.
    pub fn rest(&mut self) {
        if let Some(leaving) = self.leaving.take() {
            self.slots[leaving.0 as usize].resident = None;
        }
    }

    /// Drops what has been idle too long, and says when to look again; `None`: there is nothing to drop.
    pub fn shrink(&mut self, now: Instant) -> Option<Instant> {
        self.rest();
        for slot in &mut self.slots {
            let upkeep = slot.function.upkeep;
            let Some(resident) = &mut slot.resident else { continue };
            if now.saturating_duration_since(slot.used) < upkeep.idle {
                continue;
            }
            if resident.place.as_mut().is_none_or(|place| place.give_up(upkeep.min)) {
                slot.resident = None;
            } else {
                // One of those that stay; another may be gone by then.
                slot.used = now;
            }
        }
        let idle = |slot: &Slot| slot.resident.is_some().then(|| slot.used + slot.function.upkeep.idle);
        self.slots.iter().filter_map(idle).min()
    }
}

impl Slot {
    fn of(function: Pooled) -> Slot {
        Slot { function, resident: None, used: Instant::now() }
    }

    /// Its instance would do for that.
    fn is_of(&self, function: &Pooled) -> bool {
        let isolation = |resident: &Resident| resident.instance.isolation() == function.upkeep.isolation;
        Arc::ptr_eq(&self.function.module, &function.module) && self.resident.as_ref().is_some_and(isolation)
    }

    fn make(&self, executor: &Rc<Executor>) -> Result<Resident, Failure> {
        let Pooled { module, upkeep } = &self.function;
        let instance = Instance::new(module, executor, upkeep.isolation)?;
        let place = if instance.is_for_one() { None } else { module.places.take(upkeep.max) };
        Ok(Resident { instance, place })
    }
}
