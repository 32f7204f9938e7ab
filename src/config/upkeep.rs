//! Of a Function: how many instances of it are kept, and what an event finds of those before it.

use std::time::Duration;

use super::diagnostic::Report;
use super::function::instead_of;
use super::reader::Fields;

/// What an event finds of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// What they left in the instance's memory.
    #[default]
    Warm,
    /// Nothing: memory and globals are as they were before the first.
    Reset,
    /// Nothing: each has an instance of its own.
    Fresh,
}

impl Isolation {
    pub const WORDS: [(&'static str, Isolation); 3] =
        [("warm", Isolation::Warm), ("reset", Isolation::Reset), ("fresh", Isolation::Fresh)];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    pub isolation: Isolation,
    /// So many instances are there before the first event, and however long none comes.
    pub min: u32,
    /// No more are kept between events; what is needed beyond is made for one event.
    pub max: u32,
    /// One beyond `min` that has had no event for so long is dropped; `None`: as the setting says.
    pub idle: Option<Duration>,
    /// So many events at a time.
    pub concurrency: Option<u32>,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        Upkeep { isolation: Isolation::Warm, min: 1, max: u32::MAX, idle: None, concurrency: None }
    }
}

pub(super) fn read(spec: &mut Fields<'_>, report: &mut Report<'_>) -> Upkeep {
    let whole = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let default = Upkeep::default();
    let isolation = spec.choice("isolation", &Isolation::WORDS, report).unwrap_or_default();
    let concurrency = spec.integer("concurrency", report).map(whole);
    let Some(mut instances) = spec.map("instances", report) else {
        return Upkeep { isolation, concurrency, ..default };
    };
    let min = instances.integer("min", report).map(whole);
    let max = instances.integer("max", report).map(whole);
    let idle = instead_of(&mut instances, "idle", "function.idle", report);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
        && let Some(node) = instances.optional("min")
    {
        report
            .error(node.span, format!("Function.spec.instances: min is {min} and max is {max}"))
            .help("max is how many are kept at most: write one that is not smaller");
    }
    instances.finish(report);
    let max = max.unwrap_or(default.max);
    Upkeep { isolation, min: min.unwrap_or(default.min).min(max), max, idle, concurrency }
}
