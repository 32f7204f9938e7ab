//! A rehearsal: a case of a Test played by the worker's own parts, with nothing around them. Routes, core, executor, functions
//! and what an attempt leaves behind are those of a worker; the disk is a map, and the time is set forward when nothing is
//! left to do, so that no wait takes any.

mod history;
mod matching;
mod play;
mod verdict;

use std::sync::Arc;

use super::deployment::{self, Deployment};
use super::set;
use super::start::StartError;
use crate::config::test::Case;
use crate::config::{Config, Settings};
use crate::dispatch::Table;
use crate::event::Uid;
use crate::function::{self, Engine, NativeCode, Watch};

pub use history::{Attempt, DeadLetter, History, Occurred, Reply, Stopped};
pub use verdict::{Difference, Line, judge};

/// All that cases have in common.
pub struct Rehearsal {
    engine: Arc<Engine>,
    deployment: Arc<Deployment>,
    table: Arc<Table>,
    /// The brokers of dead-letter sinks that are none.
    forwards: Vec<Uid>,
}

impl Rehearsal {
    /// Loads the functions. One that is not in the cache is compiled: seconds, of which `watch` is told.
    pub fn prepare(config: &Config, settings: &Settings, watch: Watch) -> Result<Rehearsal, StartError> {
        let engine = Engine::start_with(&NativeCode::of(settings), watch);
        let engine = engine.map_err(|error| StartError(error.to_string()))?;
        let modules =
            set::load(&engine, settings, config).map_err(|problems| StartError(problems.join("\n")))?;
        function::give_back();
        let deployment = Arc::new(Deployment::of(config, &modules, settings));
        let forwards = config.forwards.iter().map(|forward| forward.broker).collect();
        Ok(Rehearsal { engine, deployment, table: deployment::table(config, settings), forwards })
    }

    /// Plays a case to its end. No case knows of another: each has instances of its own.
    pub fn play(&self, case: &Case) -> History {
        play::Play::new(self).run(case)
    }
}
