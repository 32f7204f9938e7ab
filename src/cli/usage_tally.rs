//! Usage events that were shipped, added up: what all workers have done, of each charge the first.

use std::collections::HashSet;

use serde::Deserialize;

use crate::dispatch::{Outcome, Reason};
use crate::event::{Event, Position, Uid};
use crate::journal::cost::{By, CostTable};
use crate::journal::{Entry, usage};
use crate::money::Money;
use crate::worker::query::CostAnswer;

/// What of a usage event's data is added up.
#[derive(Deserialize)]
struct Data {
    tenant: String,
    function: String,
    trigger: String,
    attempt: u32,
    replay: u32,
    outcome: String,
    wall_ns: u64,
    fuel: u64,
    cold: bool,
    init_ns: u64,
    bytes_in: u64,
    bytes_out: u64,
    price: Money,
    #[serde(default)]
    dead_letter: bool,
    partition: u32,
    offset: u64,
}

/// A table for each of what was asked for.
#[derive(Debug)]
pub(super) struct Tally {
    answers: Vec<CostAnswer>,
    since: Option<u64>,
    /// By source and id: of each the first counts.
    known: HashSet<(String, String)>,
}

impl Tally {
    /// `since`: what ended before that is left out.
    pub(super) fn new(by: &[By], since: Option<u64>) -> Tally {
        let answer = |by: &By| CostAnswer { table: CostTable::new(*by), entries: 0, wall_ns: 0 };
        Tally { answers: by.iter().map(answer).collect(), since, known: HashSet::new() }
    }

    pub(super) fn answers(self) -> Vec<CostAnswer> {
        self.answers
    }

    /// An error: it is no usage of weir's.
    pub(super) fn add(&mut self, event: &Event<'_>) -> Result<(), String> {
        if ![usage::INVOCATION, usage::FENCED].contains(&&*event.ty) {
            return Err(format!("its type is {}", event.ty));
        }
        let data = event.data.as_ref().ok_or("it has no data")?;
        let data: Data = serde_json::from_slice(data.bytes()).map_err(|why| why.to_string())?;
        let ended = ended(event)?;
        if self.since.is_some_and(|since| ended < since) {
            return Ok(());
        }
        let is_repeat =
            !self.known.insert((event.source.clone().into_owned(), event.id.clone().into_owned()));
        let outcome = Outcome::ALL.iter().find(|outcome| outcome.as_str() == data.outcome);
        let source = event.source.parse().map_err(|_| format!("its source is {}", event.source))?;
        let position = Position { source, partition: data.partition, offset: data.offset };
        let (namespace, name) = data.trigger.split_once('/').unwrap_or_default();
        let entry = Entry {
            delivery: Uid::of_delivery(position, Uid::of_document(namespace, "Trigger", name), data.replay),
            position,
            trigger: &data.trigger,
            function: &data.function,
            tenant: &data.tenant,
            version: 0,
            replay: data.replay,
            attempt: data.attempt,
            outcome: *outcome.ok_or_else(|| format!("its outcome is {}", data.outcome))?,
            reason: Reason::None,
            ended,
            wall_ns: data.wall_ns,
            init_ns: data.cold.then_some(data.init_ns),
            fuel: data.fuel,
            memory: 0,
            memory_limit: 0,
            price: u64::try_from(data.price.0).unwrap_or(u64::MAX),
            bytes_in: data.bytes_in,
            bytes_out: data.bytes_out,
            event_id: "",
            event_source: "",
            event_type: "",
            replies: Vec::new(),
            fenced: event.ty == usage::FENCED,
            dead_letter: data.dead_letter,
        };
        for answer in &mut self.answers {
            answer.entries += 1;
            answer.wall_ns += data.wall_ns;
            answer.table.count(&entry, is_repeat);
        }
        Ok(())
    }
}

fn ended(event: &Event<'_>) -> Result<u64, String> {
    let time = event.time.as_deref().unwrap_or_default();
    let time: jiff::Timestamp = time.parse().map_err(|_| format!("'{time}' is no time"))?;
    u64::try_from(time.as_nanosecond()).map_err(|_| format!("{time} is before 1970"))
}
