//! Which letters of a sink are meant by an errand, as they are looked at one by one, and where they go.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::exit::Failed;
use crate::cli::stored::Stored;
use crate::config::Config;
use crate::event::Uid;
use crate::sink::dead_letter::DeadLetter;
use crate::worker::errand::{Deed, Errand, Progress, Taken, Triggers};

/// As much is done at once.
const AT_ONCE: usize = 256;
const BYTES: usize = 4 << 20;

/// Who takes replays in, and what it has been given.
pub(super) struct Taker {
    pub(super) stored: Stored,
    config: Config,
    /// Deliveries that this command has begun anew: what a crash of a worker has written twice is replayed once.
    replayed: HashSet<Uid>,
}

/// A letter that is meant.
pub(super) struct Chosen {
    pub(super) id: u64,
    bytes: Vec<u8>,
    /// Where it goes; nothing where it is dropped, or is there twice.
    to: Option<String>,
}

pub(super) struct Choice<'c> {
    errand: &'c Errand,
    triggers: Triggers,
    config: &'c Config,
    replayed: &'c HashSet<Uid>,
    begun: HashSet<Uid>,
    chosen: Vec<Chosen>,
    bytes: usize,
    progress: Progress,
}

/// What was chosen.
pub(super) struct Made {
    pub(super) chosen: Vec<Chosen>,
    begun: HashSet<Uid>,
    progress: Progress,
}

impl Taker {
    pub(super) fn new(stored: Stored, config: Config) -> Taker {
        Taker { stored, config, replayed: HashSet::new() }
    }

    /// `triggers`: those that it has.
    pub(super) fn choice<'c>(&'c self, errand: &'c Errand, triggers: Triggers) -> Choice<'c> {
        let progress = Progress { next: errand.from, done: true, ..Progress::default() };
        Choice {
            errand,
            triggers,
            config: &self.config,
            replayed: &self.replayed,
            begun: HashSet::new(),
            chosen: Vec::new(),
            bytes: 0,
            progress,
        }
    }

    /// Those that are to be delivered are the worker's, durably.
    pub(super) fn take(&mut self, made: &Made) -> Result<(), Failed> {
        let take = |chosen: &Chosen| {
            let to = chosen.to.clone()?;
            Some(Taken { id: chosen.id, letter: STANDARD.encode(&chosen.bytes), to })
        };
        let letters: Vec<Taken> = made.chosen.iter().filter_map(take).collect();
        if letters.is_empty() {
            return Ok(());
        }
        let deed = Deed::TakeIn { letters };
        let all = Errand { deed, filter: Default::default(), from: 0, before: 0, limit: 0 };
        self.stored.run(&all).map(drop)
    }

    /// They are done where they stood, too.
    pub(super) fn finish(&mut self, made: Made) -> Progress {
        self.replayed.extend(made.begun);
        Progress { moved: made.chosen.len() as u64, ..made.progress }
    }
}

impl Choice<'_> {
    /// False: no more at once. `is_done`: it was replayed or dropped before.
    pub(super) fn look(&mut self, id: u64, letter: &DeadLetter<'_>, is_done: bool) -> bool {
        if self.chosen.len() == self.errand.limit.clamp(1, AT_ONCE) || self.bytes >= BYTES {
            self.progress.done = false;
            return false;
        }
        self.progress.next = id + 1;
        if is_done || !self.errand.filter.matches(id, letter) {
            return true;
        }
        let to = match &self.errand.deed {
            Deed::Replay { to } => {
                let name = to.as_deref().unwrap_or(letter.trigger);
                let known =
                    self.config.all_triggers().find(|t| *name == format!("{}/{}", t.namespace, t.name));
                let Some(trigger) = known.filter(|_| self.triggers.has(name)) else {
                    let name = if name.is_empty() { "that it names" } else { name };
                    let reason = format!("there is no trigger {name}");
                    *self.progress.skipped.entry(reason).or_default() += 1;
                    return true;
                };
                let is_first =
                    !self.replayed.contains(&letter.delivery) && self.begun.insert(letter.delivery);
                is_first.then(|| (name.to_owned(), trigger.broker))
            }
            _ => None,
        };
        let mut encoded = Vec::new();
        let broker = to.as_ref().map_or_else(Uid::default, |(_, broker)| *broker);
        DeadLetter { broker, ..letter.clone() }.encode(&mut encoded);
        self.bytes += encoded.len();
        self.chosen.push(Chosen { id, bytes: encoded, to: to.map(|(name, _)| name) });
        true
    }

    pub(super) fn made(self) -> Made {
        Made { chosen: self.chosen, begun: self.begun, progress: self.progress }
    }
}
