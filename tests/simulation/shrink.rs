//! A world that fails is made smaller as long as it fails by the same name.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use super::scenario::{Kind, Scenario};
use super::totals::Total;

/// Of the trace of a failure, so many of the last lines are shown.
const SHOWN: usize = 40;

/// A world of one kind.
pub(crate) trait Simulated: Sized {
    type Totals: Total;
    const KIND: Kind;

    fn begin(scenario: Scenario, traced: bool) -> Self;
    /// Until nothing is left to happen. Panics where something is not as it must be.
    fn run(&mut self);
    /// What it went through, and the lines that were traced.
    fn end(self) -> (Self::Totals, Vec<String>);
    /// The state of its cores, for who looks for a defect.
    fn inside(&self) -> Vec<String>;
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics in worlds are told once, after the world has been made small.
pub(crate) fn quiet_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            before(info);
        }
    }));
}

pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) lines: Vec<String>,
}

impl Failure {
    fn name(&self) -> &str {
        let name = self.message.split(':').next().unwrap_or_default();
        &name[..name.len().min(24)]
    }
}

pub(crate) fn run<W: Simulated>(
    scenario: &Scenario,
    traced: bool,
) -> Result<(W::Totals, Vec<String>), Failure> {
    let mut world = W::begin(scenario.clone(), traced);
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    QUIET.set(false);
    let shows = traced && result.is_err() && std::env::var_os("WEIR_TRACE").is_some();
    let inside = if shows { world.inside() } else { Vec::new() };
    let (totals, mut lines) = world.end();
    lines.extend(inside);
    match result {
        Ok(()) => Ok((totals, lines)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let message = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Failure { message: message.unwrap_or_default(), lines })
        }
    }
}

/// What to print of a scenario that failed.
pub(crate) fn explain<W: Simulated>(scenario: &Scenario, failure: Failure) -> String {
    let (mut least, mut failure) = (scenario.clone(), failure);
    'smaller: loop {
        for smaller in least.smaller() {
            if let Err(other) = run::<W>(&smaller, false)
                && other.name() == failure.name()
            {
                (least, failure) = (smaller, other);
                continue 'smaller;
            }
        }
        break;
    }
    let lines = run::<W>(&least, true).err().map(|failure| failure.lines).unwrap_or_default();
    let shown = if std::env::var_os("WEIR_TRACE").is_some() { lines.len() } else { SHOWN };
    let last = lines[lines.len().saturating_sub(shown)..].join("\n");
    format!(
        "{}\n\nas found: {scenario}\nsmallest: {least}\nthe last of {} lines of it (WEIR_TRACE=1 shows all):\n{last}\n\n{}\n\
         again: WEIR_SEED={} cargo test --test simulation",
        failure.message,
        lines.len(),
        failure.message,
        scenario.seed
    )
}
