//! What a function may use, and what the host knows of the call that runs.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::log::Log;
use super::meter;
use super::wasi::Process;
use crate::config::{FunctionLimits, Settings};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one output.
    pub output: u32,
    /// The time of one call.
    pub timeout: Duration,
    /// The fuel of one call; `None`: as much as it takes in its time.
    pub fuel: Option<u64>,
    /// The memory of an instance, in pages of 64 KiB.
    pub pages: u32,
    /// Bytes that one call may log.
    pub log: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            output: 1 << 20,
            timeout: Duration::from_secs(30),
            fuel: None,
            pages: 2_048,
            log: Log::BYTES,
        }
    }
}

impl Limits {
    /// What its document says, and of the rest what the settings say.
    pub fn of(function: &FunctionLimits, settings: &Settings) -> Limits {
        let output = function.max_output.unwrap_or(settings.function_max_output.0);
        let memory = function.memory.unwrap_or(settings.function_memory.0);
        Limits {
            output: u32::try_from(output).unwrap_or(u32::MAX),
            timeout: function.timeout.unwrap_or(settings.function_timeout),
            fuel: function.fuel,
            pages: u32::try_from(memory / PAGE).unwrap_or(u32::MAX),
            log: u32::try_from(function.log.unwrap_or(settings.function_log_bytes.0)).unwrap_or(u32::MAX),
        }
    }

    /// Of a start function and `_initialize` together. An event may wait for them, so they get no more than this.
    pub const START: Duration = Duration::from_secs(5);

    pub(super) fn at_start(self) -> Limits {
        Limits { timeout: self.timeout.min(Limits::START), fuel: None, ..self }
    }
}

/// Why the host ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    Fuel,
    /// Every call is to end.
    Engine,
    /// The guest wants to.
    Exit,
    /// A command has answered more than it may.
    Output,
    /// The guest named a place that is not within its memory.
    Bounds,
}

impl Stop {
    pub(super) const ALL: [Stop; 6] =
        [Stop::Deadline, Stop::Fuel, Stop::Engine, Stop::Exit, Stop::Output, Stop::Bounds];
}

/// Of memory.
pub(super) const PAGE: u64 = 65_536;

/// How much fuel a guest gets at a time: between two looks at the clock it runs for a millisecond or less.
const SLICE: i64 = 1_000_000;

/// Whoever waits for the thread of a call that takes longer shall not wait for its end.
const LONG: Duration = Duration::from_millis(20);

/// No timeout is longer: a moment too far away has no number.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The call that runs, as the host sees it. One thread has one, for one call after the other.
pub(super) struct Running {
    deadline: Cell<Instant>,
    /// All the fuel that the call may use.
    limit: Cell<i64>,
    /// What it was given so far.
    given: Cell<i64>,
    /// The pages that its memory may have.
    pages: Cell<u32>,
    growth_refused: Cell<bool>,
    too_deep: Cell<bool>,
    stopped: Arc<AtomicBool>,
    /// From when on the call is a long one, as long as that is of interest.
    long: Cell<Option<Instant>>,
    /// Who wants to know of long calls. Asked again at the next tick where it answers false.
    told: RefCell<Option<Box<dyn Fn() -> bool>>>,
    /// Of an instance that imports something.
    process: RefCell<Option<Box<Process>>>,
}

impl Running {
    pub(super) fn new(stopped: Arc<AtomicBool>) -> Running {
        Running {
            deadline: Cell::new(Instant::now()),
            limit: Cell::new(0),
            given: Cell::new(0),
            pages: Cell::new(0),
            growth_refused: Cell::new(false),
            too_deep: Cell::new(false),
            stopped,
            long: Cell::new(None),
            told: RefCell::new(None),
            process: RefCell::new(None),
        }
    }

    /// A call begins, at `now`. Returns the fuel that it begins with.
    pub(super) fn begin(&self, limits: &Limits, now: Instant) -> i64 {
        self.deadline.set(now + limits.timeout.min(LONGEST));
        self.long.set(Some(now + LONG));
        let limit = limits.fuel.map_or(i64::MAX, |fuel| i64::try_from(fuel).unwrap_or(i64::MAX));
        self.limit.set(limit);
        self.given.set(limit.min(SLICE));
        self.pages.set(limits.pages);
        self.growth_refused.set(false);
        self.too_deep.set(false);
        self.given.get()
    }

    pub(super) fn on_long_calls(&self, tell: impl Fn() -> bool + 'static) {
        *self.told.borrow_mut() = Some(Box::new(tell));
    }

    /// The fuel that was used, where `left` is left of what was given.
    pub(super) fn used(&self, left: i64) -> i64 {
        self.given.get() - left
    }

    /// The guest's fuel is below zero: what it has from now on.
    pub(super) fn tick(&self, left: i64) -> Result<i64, Stop> {
        let used = self.used(left);
        if used > self.limit.get() {
            return Err(Stop::Fuel);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Stop::Engine);
        }
        let now = Instant::now();
        if now >= self.deadline.get() {
            return Err(Stop::Deadline);
        }
        if self.long.get().is_some_and(|long| now >= long)
            && self.told.borrow().as_ref().is_none_or(|tell| tell())
        {
            self.long.set(None);
        }
        let next = SLICE.min(self.limit.get() - used);
        self.given.set(used + next);
        Ok(next)
    }

    /// May memory with so many pages have so many more?
    pub(super) fn room(&self, pages: u32, more: u32) -> bool {
        pages.checked_add(more).is_some_and(|pages| pages <= self.pages.get())
    }

    pub(super) fn note(&self, what: i32) {
        match what {
            meter::NO_GROWTH => self.growth_refused.set(true),
            meter::TOO_DEEP => self.too_deep.set(true),
            _ => {}
        }
    }

    /// What is called from now on is of this process, until it is taken back.
    pub(super) fn seat(&self, process: Box<Process>) {
        *self.process.borrow_mut() = Some(process);
    }

    pub(super) fn unseat(&self) -> Option<Box<Process>> {
        self.process.borrow_mut().take()
    }

    /// `None`: what runs imports nothing.
    pub(super) fn with_process<T>(&self, with: impl FnOnce(&mut Process) -> T) -> Option<T> {
        self.process.borrow_mut().as_deref_mut().map(with)
    }

    pub(super) fn growth_refused(&self) -> bool {
        self.growth_refused.get()
    }

    pub(super) fn too_deep(&self) -> bool {
        self.too_deep.get()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn running(limits: &Limits) -> (Running, i64) {
        let running = Running::new(Arc::default());
        let fuel = running.begin(limits, Instant::now());
        (running, fuel)
    }

    #[test]
    fn fuel_comes_in_slices_up_to_the_limit() {
        let (running, fuel) = running(&Limits { fuel: Some(2_500_000), ..Limits::default() });
        assert_eq!(fuel, SLICE);
        assert_eq!(running.tick(-7), Ok(SLICE));
        assert_eq!(running.used(SLICE), 1_000_007);
        assert_eq!(running.tick(-3), Ok(499_990));
        assert_eq!(running.tick(-1), Err(Stop::Fuel));
        assert_eq!(running.used(-1), 2_500_001);
    }

    #[test]
    fn what_is_used_to_the_last_unit_is_within_the_limit() {
        let (running, fuel) = running(&Limits { fuel: Some(100), ..Limits::default() });
        assert_eq!((fuel, running.used(0)), (100, 100));
        assert_eq!(running.tick(-1), Err(Stop::Fuel));
    }

    #[test]
    fn one_charge_may_be_larger_than_many_slices() {
        let (running, _) = running(&Limits::default());
        assert_eq!(running.tick(-300 * SLICE), Ok(SLICE));
        assert_eq!(running.used(SLICE), 301 * SLICE);
    }

    #[test]
    fn the_deadline_is_looked_at_at_every_tick() {
        let (running, fuel) = running(&Limits { timeout: Duration::ZERO, ..Limits::default() });
        assert_eq!(fuel, SLICE);
        assert_eq!(running.tick(-1), Err(Stop::Deadline));
        running.begin(&Limits::default(), Instant::now());
        assert_eq!(running.tick(-1), Ok(SLICE));
    }

    #[test]
    fn a_long_call_is_told_of_until_it_has_been_heard() {
        let (running, _) = running(&Limits::default());
        let asked = Rc::new(Cell::new(0));
        let counted = Rc::clone(&asked);
        running.on_long_calls(move || {
            counted.set(counted.get() + 1);
            counted.get() == 2
        });
        running.tick(-1).unwrap();
        assert_eq!(asked.get(), 0, "it has only begun");
        for asked_by_then in [2, 5] {
            running.begin(&Limits::default(), Instant::now() - LONG);
            for _ in 0..3 {
                running.tick(-1).unwrap();
            }
            assert_eq!(asked.get(), asked_by_then, "heard at the second, and never in the other call");
        }
    }

    #[test]
    fn memory_grows_up_to_the_limit() {
        let (running, _) = running(&Limits { pages: 10, ..Limits::default() });
        assert!(running.room(0, 0) && running.room(4, 6) && running.room(10, 0));
        assert!(!running.room(10, 1) && !running.room(1, u32::MAX));
    }

    #[test]
    fn what_is_noted_is_of_one_call() {
        let (running, _) = running(&Limits::default());
        running.note(meter::NO_GROWTH);
        running.note(meter::TOO_DEEP);
        assert!(running.growth_refused() && running.too_deep());
        running.begin(&Limits::default(), Instant::now());
        assert!(!running.growth_refused() && !running.too_deep());
    }
}
