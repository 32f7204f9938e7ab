//! Questions about what is on disk, answered by a running worker or, where none runs, by the command itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use super::letters::DeadLetterLine;
use super::letters::{self, Letters};
use crate::journal::cost::By;
use crate::journal::segment::Totals;
use crate::journal::survey::{Asked, Survey};
use crate::journal::{self, CostTable, Entry};
use crate::money::Money;
use crate::store::{self, Log, StoreError};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// Totals, by trigger, function or tenant.
    Cost {
        by: By,
        /// Only of attempts that ended then or later, in nanoseconds since 1970.
        since: Option<u64>,
    },
    /// The last entries, oldest first; those about one event only, if asked.
    Journal {
        last: usize,
        event: Option<String>,
    },
    /// The entries about an event, about the replies that came of it, and about theirs.
    Trail {
        event: String,
    },
    /// Every entry, oldest first.
    Dump,
    /// The journal in numbers; the chain is looked at for them.
    Survey {
        cursors: Vec<Asked>,
    },
    DeadLetters(Letters),
}

/// An entry of a [`Query::Trail`], and how many replies lie between it and the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub depth: u32,
    pub entry: EntryLine,
}

/// Replies to replies may go on for long.
const STEPS: usize = 10_000;
/// Lines that are handed over together.
const LINES: usize = 1_000;

/// The answer to [`Query::Cost`]: the table, and the proof that entries and totals agree.
#[derive(Debug, Serialize, Deserialize)]
pub struct CostAnswer {
    pub table: CostTable,
    pub entries: u64,
    pub wall_ns: u64,
}

/// An entry as it is shown and printed as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    pub charge: String,
    pub event_id: String,
    pub event_type: String,
    pub event_source: String,
    /// The uid of the source of its event's position.
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub partition: u32,
    pub offset: u64,
    pub trigger: String,
    pub function: String,
    pub tenant: String,
    /// The beginning of its module's digest.
    #[serde(default)]
    pub version: Option<String>,
    /// How often its dead letter was replayed before.
    #[serde(default)]
    pub replay: u32,
    pub attempt: u32,
    pub outcome: String,
    pub reason: String,
    pub wall_ns: u64,
    pub init_ns: Option<u64>,
    #[serde(default)]
    pub fuel: u64,
    #[serde(default)]
    pub memory_bytes: u64,
    #[serde(default)]
    pub memory_limit_bytes: u64,
    #[serde(default)]
    pub price: Money,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub ended_unix_ns: u64,
    pub replies: Vec<ReplyLine>,
    /// A late result that has no price.
    #[serde(default)]
    pub fenced: bool,
    /// Its delivery ended with it, as a dead letter.
    #[serde(default)]
    pub dead_letter: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyLine {
    pub id: String,
    #[serde(rename = "type")]
    pub ty: String,
}

/// The logs of a data directory.
#[derive(Debug)]
pub struct Store {
    pub queue: Arc<Log>,
    pub journal: Arc<Log>,
    pub dead_letters: Arc<Log>,
    pub parking: Arc<Log>,
}

impl Store {
    /// To read what is there.
    pub fn open(data: &Path) -> Result<Store, StoreError> {
        Store::open_within(data, u64::MAX, u64::MAX)
    }

    /// To write, within so many bytes for queue, parking and dead letters and so many for the journal.
    pub fn open_within(data: &Path, queue: u64, journal: u64) -> Result<Store, StoreError> {
        Store::of(|name| {
            Log::open(&data.join(name), volumes(if name == "journal" { journal } else { queue }))
        })
    }

    /// Of logs by their name, opened in the order in which they are written.
    pub fn of(open: impl Fn(&str) -> Result<Log, StoreError>) -> Result<Store, StoreError> {
        Ok(Store {
            journal: Arc::new(open("journal")?),
            dead_letters: Arc::new(open("dead-letters")?),
            parking: Arc::new(open("parking")?),
            queue: Arc::new(open("queue")?),
        })
    }

    /// Lines of JSON, some at a time; `emit` says whether anybody still wants more.
    pub fn answer(&self, query: &Query, emit: &mut dyn FnMut(String) -> bool) -> Result<(), String> {
        let whole = match query {
            Query::Cost { by, since } => self.cost(*by, *since)?,
            Query::Trail { event } => self.trail(event)?,
            Query::Survey { cursors } => {
                lines([Survey::of(&self.journal, cursors).map_err(|e| e.to_string())?])?
            }
            Query::Dump => return self.dump(emit),
            Query::Journal { last, event } => self.entries(*last, event.as_deref())?,
            Query::DeadLetters(letters) => return letters::answer(&self.dead_letters, letters, emit),
        };
        emit(whole);
        Ok(())
    }

    fn cost(&self, by: By, since: Option<u64>) -> Result<String, String> {
        let mut table = CostTable::new(by);
        let Totals { entries, wall_ns } = journal::read(&self.journal, |entry| {
            if since.is_none_or(|since| entry.ended >= since) {
                table.add(entry);
            }
        })
        .map_err(|e| e.to_string())?;
        lines([CostAnswer { table, entries, wall_ns }])
    }

    /// A reply's entries stand behind those of what made it.
    fn trail(&self, event: &str) -> Result<String, String> {
        let mut depths = BTreeMap::from([(event.to_owned(), 0)]);
        let mut steps = Vec::new();
        journal::read(&self.journal, |entry| {
            let Some(&depth) = depths.get(entry.event_id).filter(|_| steps.len() < STEPS) else { return };
            for reply in &entry.replies {
                depths.entry(reply.id.to_string()).or_insert(depth + 1);
            }
            steps.push(Step { depth, entry: EntryLine::from(entry) });
        })
        .map_err(|e| e.to_string())?;
        lines(steps)
    }

    fn dump(&self, emit: &mut dyn FnMut(String) -> bool) -> Result<(), String> {
        let (mut some, mut wanted) = (Vec::new(), true);
        journal::read(&self.journal, |entry| {
            if wanted {
                some.push(EntryLine::from(entry));
            }
            if some.len() >= LINES {
                wanted = lines(some.drain(..)).is_ok_and(&mut *emit);
            }
        })
        .map_err(|e| e.to_string())?;
        emit(lines(some)?);
        Ok(())
    }

    fn entries(&self, last: usize, event: Option<&str>) -> Result<String, String> {
        let mut kept = Last::new(last);
        journal::read(&self.journal, |entry| {
            if event.is_none_or(|id| entry.event_id == id) {
                kept.push(EntryLine::from(entry));
            }
        })
        .map_err(|e| e.to_string())?;
        lines(kept.items)
    }
}

/// Room is given back by whole volumes: a log of `bytes` is made of at least eight.
fn volumes(bytes: u64) -> store::Limits {
    let default = store::Limits::default();
    store::Limits { volume_bytes: default.volume_bytes.min(bytes / 8) }
}

/// The last so many of what is pushed.
pub(super) struct Last<T> {
    limit: usize,
    pub(super) items: std::collections::VecDeque<T>,
}

impl<T> Last<T> {
    pub(super) fn new(limit: usize) -> Last<T> {
        Last { limit, items: Default::default() }
    }

    pub(super) fn push(&mut self, item: T) {
        if self.items.len() == self.limit {
            self.items.pop_front();
        }
        if self.limit > 0 {
            self.items.push_back(item);
        }
    }
}

fn lines<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, String> {
    let mut text = String::new();
    for item in items {
        text += &serde_json::to_string(&item).map_err(|e| e.to_string())?;
        text.push('\n');
    }
    Ok(text)
}

impl From<&Entry<'_>> for EntryLine {
    fn from(entry: &Entry<'_>) -> EntryLine {
        EntryLine {
            charge: entry.charge().to_string(),
            event_id: entry.event_id.to_owned(),
            event_type: entry.event_type.to_owned(),
            event_source: entry.event_source.to_owned(),
            source: entry.position.source.to_string(),
            partition: entry.position.partition,
            offset: entry.position.offset,
            trigger: entry.trigger.to_owned(),
            function: entry.function.to_owned(),
            tenant: entry.tenant.to_owned(),
            version: entry.version_name(),
            replay: entry.replay,
            attempt: entry.attempt,
            outcome: entry.outcome.as_str().to_owned(),
            reason: entry.reason.as_str().to_owned(),
            wall_ns: entry.wall_ns,
            init_ns: entry.init_ns,
            fuel: entry.fuel,
            price: Money(entry.price.into()),
            memory_bytes: entry.memory,
            memory_limit_bytes: entry.memory_limit,
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            ended_unix_ns: entry.ended,
            replies: entry
                .replies
                .iter()
                .map(|r| ReplyLine { id: r.id.to_string(), ty: r.ty.to_owned() })
                .collect(),
            fenced: entry.fenced,
            dead_letter: entry.dead_letter,
        }
    }
}
