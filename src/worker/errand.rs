//! What is done about dead letters: some of them at a time, so that neither a worker nor its disk has more to hold at
//! once. Whoever gave the errand asks again from where it ended, until it is done; a kill in between leaves what was moved
//! moved, and the rest where it was.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::archive::{Archive, ArchiveError};
use crate::config::{Config, Settings};
use crate::event::{Uid, record};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::letter_filter::Filter;
use crate::sink::parking::Label;

/// Of the letters that match, those with an id from `from` on and below `before`, no more than `limit` of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    pub deed: Deed,
    pub filter: Filter,
    pub from: u64,
    /// What failed after the command was given is not meant: it would go round for ever.
    pub before: u64,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Deliver them again: to the trigger that they failed at, or to this one.
    Replay { to: Option<String> },
    /// Forget them.
    Drop,
    /// Deliver these, which are not here; all of them or none.
    TakeIn { letters: Vec<Taken> },
}

/// A dead letter of elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What it is known by there.
    pub id: u64,
    /// As `DeadLetter::encode` has it, in Base64.
    pub letter: String,
    /// The trigger that it goes to.
    pub to: String,
}

/// How far an errand has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So many have been replayed or dropped.
    pub moved: u64,
    /// So many were left where they are, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// Where to go on from.
    pub next: u64,
    /// There is nothing more to do.
    pub done: bool,
}

/// The triggers that deliveries can be for, by "namespace/name".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Triggers(BTreeSet<String>);

/// Where replays can go.
#[derive(Clone, Debug, Default)]
pub struct Replays {
    pub triggers: Triggers,
    /// While so many deliveries are parked, no more are: each keeps a stub in the loop's memory.
    pub most_parked: u64,
}

/// As much is read for one errand.
const BYTES: usize = 4 << 20;
const MOST_AT_ONCE: usize = 1024;

impl Errand {
    /// Does it, durably with the archive's next write. The labels are of what is parked then: also where it fails midway.
    pub fn run(
        &self,
        archive: &mut Archive,
        replays: &Replays,
        due: u64,
        labels: &mut Vec<Label>,
    ) -> Result<Progress, ErrandError> {
        let triggers = &replays.triggers;
        let mut progress = Progress { next: self.from, ..Progress::default() };
        let to = match &self.deed {
            Deed::Replay { to: Some(name) } => Some(triggers.named(name)?),
            Deed::Replay { to: None } | Deed::Drop | Deed::TakeIn { .. } => None,
        };
        let parked = archive.parked_count();
        if self.deed != Deed::Drop && parked >= replays.most_parked {
            return Err(ErrandError::Parked(parked));
        }
        if let Deed::TakeIn { letters } = &self.deed {
            return take_in(archive, letters, triggers, due, labels);
        }
        let limit = self.limit.clamp(1, MOST_AT_ONCE);
        let mut chosen = Vec::new();
        let mut bytes = 0;
        for id in self.candidates(archive) {
            if chosen.len() == limit || bytes >= BYTES {
                return self.carry_out(archive, &chosen, due, labels, progress);
            }
            progress.next = id + 1;
            let Some(letter) = archive.dead_letters().get(id).map_err(ArchiveError::from)? else { continue };
            bytes += letter.record.len();
            if !self.filter.matches(id, &letter) {
                continue;
            }
            match to.or_else(|| triggers.uid(letter.trigger)) {
                _ if self.deed == Deed::Drop => chosen.push((id, Uid::default())),
                Some(trigger) => chosen.push((id, trigger)),
                None => {
                    let reason = format!("there is no trigger {}", letter.trigger);
                    *progress.skipped.entry(reason).or_default() += 1;
                }
            }
        }
        progress.done = true;
        self.carry_out(archive, &chosen, due, labels, progress)
    }

    /// Ids in their order.
    fn candidates(&self, archive: &mut Archive) -> Box<dyn Iterator<Item = u64>> {
        let (from, before) = (self.from, self.before);
        let within = move |id: &u64| (from..before).contains(id);
        if self.filter.ids.is_empty() {
            Box::new(archive.dead_letters().shelf().ids().skip_while(move |id| *id < from).take_while(within))
        } else {
            Box::new(self.filter.ids.clone().into_iter().filter(within))
        }
    }

    fn carry_out(
        &self,
        archive: &mut Archive,
        chosen: &[(u64, Uid)],
        due: u64,
        labels: &mut Vec<Label>,
        mut progress: Progress,
    ) -> Result<Progress, ErrandError> {
        if self.deed == Deed::Drop {
            let ids: Vec<u64> = chosen.iter().map(|(id, _)| *id).collect();
            progress.moved = archive.drop_letters(&ids) as u64;
            return Ok(progress);
        }
        for &(id, trigger) in chosen {
            let parked = archive.replay(&[id], trigger, due)?;
            progress.moved += parked.len() as u64;
            labels.extend(parked);
        }
        Ok(progress)
    }
}

fn take_in(
    archive: &mut Archive,
    letters: &[Taken],
    triggers: &Triggers,
    due: u64,
    labels: &mut Vec<Label>,
) -> Result<Progress, ErrandError> {
    let mut all = Vec::with_capacity(letters.len());
    for Taken { id, letter, to } in letters {
        let bytes = STANDARD.decode(letter).map_err(|e| ErrandError::Unreadable(e.to_string()))?;
        all.push((*id, bytes, triggers.named(to)?));
    }
    let mut decoded = Vec::with_capacity(all.len());
    for (id, bytes, to) in &all {
        let letter = DeadLetter::decode(bytes).map_err(|e| ErrandError::Unreadable(e.to_string()))?;
        record::decode(letter.record).map_err(|e| ErrandError::Unreadable(e.to_string()))?;
        decoded.push((*id, letter, *to));
    }
    for (id, letter, to) in &decoded {
        labels.push(archive.take_in(*id, letter, *to, due)?);
    }
    Ok(Progress { moved: letters.len() as u64, done: true, ..Progress::default() })
}

impl Replays {
    pub fn of(config: &Config, settings: &Settings) -> Replays {
        // The other half is for what fails.
        let most_parked = u64::from(settings.parking_max_deliveries / 2).max(MOST_AT_ONCE as u64);
        Replays { triggers: Triggers::of(config), most_parked }
    }
}

impl Triggers {
    pub fn of(config: &Config) -> Triggers {
        Triggers(config.all_triggers().map(|t| format!("{}/{}", t.namespace, t.name)).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn uid(&self, name: &str) -> Option<Uid> {
        let (namespace, short) = name.split_once('/').filter(|_| self.has(name))?;
        Some(Uid::of_document(namespace, "Trigger", short))
    }

    pub fn named(&self, name: &str) -> Result<Uid, ErrandError> {
        let unknown = || ErrandError::Unknown { name: name.to_owned(), known: self.to_string() };
        self.uid(name).ok_or_else(unknown)
    }
}

impl std::fmt::Display for Triggers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// As many are named.
        const SHOWN: usize = 20;
        let names: Vec<_> = self.0.iter().take(SHOWN).map(String::as_str).collect();
        match (names.len(), self.0.len() - names.len()) {
            (0, _) => f.write_str("there is none"),
            (_, 0) => write!(f, "there is {}", names.join(", ")),
            (_, more) => write!(f, "there is {} and {more} more", names.join(", ")),
        }
    }
}

/// Why an errand could not be run.
#[derive(Debug)]
pub enum ErrandError {
    Unknown { name: String, known: String },
    Parked(u64),
    Unreadable(String),
    Archive(ArchiveError),
}

impl From<ArchiveError> for ErrandError {
    fn from(error: ArchiveError) -> ErrandError {
        ErrandError::Archive(error)
    }
}

impl std::fmt::Display for ErrandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ErrandError::Unknown { name, known } => write!(f, "there is no trigger {name}; {known}"),
            ErrandError::Parked(count) => {
                write!(
                    f,
                    "{count} deliveries are parked already: go on when the worker has done some of them"
                )
            }
            ErrandError::Unreadable(why) => write!(f, "a dead letter can't be read: {why}"),
            ErrandError::Archive(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ErrandError {}
