//! The instances of one executor thread: one warm instance per function.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::failure::Failure;
use super::instance::Instance;
use super::log::Log;
use super::module::Module;
use super::sandbox::Executor;

/// A function's place in the list that its pool was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionIndex(pub u32);

/// Not `Send`: made in the thread that uses it.
pub struct Pool {
    executor: Rc<Executor>,
    slots: Vec<Slot>,
}

struct Slot {
    module: Arc<Module>,
    /// None before the first call and after a failed one. A command's is spent after one call, and keeps its answer.
    warm: Option<Instance>,
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
    pub fn new(engine: &Engine, functions: impl IntoIterator<Item = Arc<Module>>) -> Pool {
        let slots = functions.into_iter().map(|module| Slot { module, warm: None }).collect();
        Pool { executor: engine.executor(), slots }
    }

    /// Others from here on. The instance of a module that stays is kept.
    pub fn replace(&mut self, functions: impl IntoIterator<Item = Arc<Module>>) {
        let mut before = std::mem::take(&mut self.slots);
        self.slots.extend(functions.into_iter().map(|module| {
            let kept = before.iter_mut().find(|slot| Arc::ptr_eq(&slot.module, &module));
            let warm = kept.and_then(|slot| slot.warm.take());
            Slot { module, warm }
        }));
    }

    /// Makes the instances that are not there, so that no event waits for one.
    pub fn prewarm(&mut self) -> Result<(), Failure> {
        for slot in self.slots.iter_mut().filter(|slot| slot.warm.as_ref().is_none_or(Instance::is_spent)) {
            slot.warm = Some(Instance::new(&slot.module, &self.executor)?);
        }
        Ok(())
    }

    /// Runs a function on an event in structured JSON. What fails is replaced by a fresh instance at the next call.
    pub fn call(&mut self, function: FunctionIndex, input: &[u8]) -> Called<'_> {
        let slot = &mut self.slots[function.0 as usize];
        let mut begun = Instant::now();
        let mut called = Called {
            result: Ok(&[]),
            wall: Duration::ZERO,
            fuel: 0,
            memory: 0,
            cold: false,
            init: Duration::ZERO,
            log: Log::default(),
        };
        let mut instance = match slot.warm.take().filter(|instance| !instance.is_spent()) {
            Some(instance) => instance,
            None => {
                let made = Instance::new(&slot.module, &self.executor);
                let now = Instant::now();
                called.cold = true;
                called.init = now - begun;
                begun = now;
                match made {
                    Ok(instance) => instance,
                    Err(failure) => {
                        called.result = Err(failure);
                        return called;
                    }
                }
            }
        };
        let answered = instance.call(input, begun);
        called.wall = begun.elapsed();
        called.fuel = instance.fuel_used();
        called.memory = instance.memory_bytes();
        called.log = instance.take_log();
        called.result = match answered {
            Ok(()) => Ok(slot.warm.insert(instance).output()),
            Err(failure) => Err(failure),
        };
        called
    }
}
