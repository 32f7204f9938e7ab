//! A function as pools have it: its module, and how they keep its instances.

use std::sync::Arc;
use std::time::Duration;

use super::module::Module;
use crate::config::{self, Settings};

pub use crate::config::Isolation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    pub isolation: Isolation,
    /// So many instances are there before the first event, and however long none comes.
    pub min: u32,
    /// No more are kept between events; what is needed beyond is made for one event.
    pub max: u32,
    /// One beyond `min` that has had no event for so long is dropped.
    pub idle: Duration,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        Upkeep { isolation: Isolation::Warm, min: 1, max: u32::MAX, idle: Duration::from_secs(300) }
    }
}

impl Upkeep {
    /// What its document says, and of the rest what the settings say.
    pub fn of(function: &config::Upkeep, settings: &Settings) -> Upkeep {
        let config::Upkeep { isolation, min, max, idle, concurrency: _ } = *function;
        Upkeep { isolation, min, max, idle: idle.unwrap_or(settings.function_idle) }
    }
}

#[derive(Clone)]
pub struct Pooled {
    pub module: Arc<Module>,
    pub upkeep: Upkeep,
}

impl From<Arc<Module>> for Pooled {
    fn from(module: Arc<Module>) -> Pooled {
        Pooled { module, upkeep: Upkeep::default() }
    }
}
