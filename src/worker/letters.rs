//! Questions about dead letters: how many there are, a list of them, one whole. What is answered is never held in memory
//! whole: there may be more dead letters than that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::query::Last;
use crate::event::{record, structured};
use crate::sink::dead_letter::{DeadLetter, DeadLetters};
use crate::sink::letter_filter::Filter;
use crate::store::Log;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Letters {
    /// How many match, by trigger and reason: a [`Tally`].
    Tally { filter: Filter },
    /// The last that match, oldest first, a [`DeadLetterLine`] each; then the tally. Without it the answer is not whole.
    List { filter: Filter, last: usize },
    /// One, with its event. No line: it is not there.
    One { id: u64 },
}

/// A dead letter as it is shown and printed as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetterLine {
    pub id: u64,
    pub delivery: String,
    pub trigger: String,
    pub function: String,
    pub attempts: u32,
    pub replay: u32,
    pub outcome: String,
    pub reason: String,
    pub message: String,
    pub ended_unix_ns: u64,
    pub event_id: String,
    pub event_type: String,
    pub event_source: String,
    /// The event whole, in CloudEvents' JSON format; in answer to [`Letters::One`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All dead letters.
    pub all: u64,
    /// Those that match.
    pub matching: u64,
    /// The id after the last one's.
    pub end: u64,
    /// Those that match, by what they failed of.
    pub kinds: Vec<Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    pub trigger: String,
    pub reason: String,
    pub count: u64,
}

/// Kinds that are told apart; a trigger renamed every day would make more of them for ever.
const KINDS: usize = 1000;
/// As much is gathered before it is handed on.
const CHUNK: usize = 64 << 10;

/// Reads what was there when it was asked; who writes is not held up.
pub fn answer(log: &Arc<Log>, letters: &Letters, emit: &mut dyn FnMut(String) -> bool) -> Result<(), String> {
    let mut shelf = DeadLetters::open(Arc::clone(log)).map_err(|e| e.to_string())?;
    let mut chunk = String::new();
    match letters {
        Letters::Tally { filter } => {
            let (tally, _) = tally(&mut shelf, filter, 0)?;
            push(&mut chunk, &tally)?;
        }
        Letters::List { filter, last } => {
            let (tally, first) = tally(&mut shelf, filter, *last)?;
            let mut failed = Ok(());
            let from = first.unwrap_or(tally.end);
            visit(&mut shelf, from, |id, letter| {
                if filter.matches(id, letter) {
                    failed = push(&mut chunk, &DeadLetterLine::of(id, letter));
                }
                failed.is_ok() && (chunk.len() < CHUNK || emit(std::mem::take(&mut chunk)))
            })?;
            failed?;
            push(&mut chunk, &tally)?;
        }
        Letters::One { id } => {
            if let Some(letter) = shelf.get(*id).map_err(|e| e.to_string())? {
                push(&mut chunk, &DeadLetterLine::whole(*id, &letter)?)?;
            }
        }
    }
    emit(chunk);
    Ok(())
}

fn push(text: &mut String, line: &impl Serialize) -> Result<(), String> {
    *text += &serde_json::to_string(line).map_err(|e| e.to_string())?;
    text.push('\n');
    Ok(())
}

/// A tally that is being made.
#[derive(Debug, Default)]
pub struct Tallying {
    tally: Tally,
    kinds: BTreeMap<(String, String), u64>,
}

impl Tallying {
    /// In the order of the ids.
    pub fn add(&mut self, id: u64, letter: &DeadLetter<'_>, matches: bool) {
        let Tallying { tally, kinds } = self;
        tally.all += 1;
        tally.end = id + 1;
        if matches {
            tally.matching += 1;
            let kind = (letter.trigger.to_owned(), letter.reason.as_str().to_owned());
            let known = kinds.len() < KINDS || kinds.contains_key(&kind);
            *kinds.entry(if known { kind } else { ("others".into(), "any".into()) }).or_default() += 1;
        }
    }

    pub fn finish(self) -> Tally {
        let kinds = self.kinds.into_iter();
        let kinds = kinds.map(|((trigger, reason), count)| Kind { trigger, reason, count }).collect();
        Tally { kinds, ..self.tally }
    }
}

/// Also from which id on there are `last` of them.
fn tally(shelf: &mut DeadLetters, filter: &Filter, last: usize) -> Result<(Tally, Option<u64>), String> {
    let mut tallying = Tallying::default();
    let mut ids = Last::new(last);
    visit(shelf, 0, |id, letter| {
        let matches = filter.matches(id, letter);
        tallying.add(id, letter, matches);
        if matches {
            ids.push(id);
        }
        true
    })?;
    Ok((tallying.finish(), ids.items.front().copied()))
}

/// In the order of the ids, from `from` on, until `wants_more` does not.
fn visit(
    shelf: &mut DeadLetters,
    from: u64,
    mut wants_more: impl FnMut(u64, &DeadLetter<'_>) -> bool,
) -> Result<(), String> {
    for id in shelf.shelf().ids().skip_while(|id| *id < from) {
        // One that was dropped meanwhile is none.
        let letter = shelf.get(id).map_err(|e| e.to_string())?;
        if letter.is_some_and(|letter| !wants_more(id, &letter)) {
            break;
        }
    }
    Ok(())
}

impl DeadLetterLine {
    pub fn of(id: u64, letter: &DeadLetter<'_>) -> DeadLetterLine {
        let event = record::decode(letter.record);
        let text = |f: fn(&crate::event::Event<'_>) -> String| event.as_ref().map(f).unwrap_or_default();
        DeadLetterLine {
            id,
            delivery: letter.delivery.to_string(),
            trigger: letter.trigger.to_owned(),
            function: letter.function.to_owned(),
            attempts: letter.attempts,
            replay: letter.replays(),
            outcome: letter.outcome.as_str().to_owned(),
            reason: letter.reason.as_str().to_owned(),
            message: letter.message.to_owned(),
            ended_unix_ns: letter.ended,
            event_id: text(|e| e.id.to_string()),
            event_type: text(|e| e.ty.to_string()),
            event_source: text(|e| e.source.to_string()),
            event: None,
        }
    }

    pub fn whole(id: u64, letter: &DeadLetter<'_>) -> Result<DeadLetterLine, String> {
        let event = record::decode(letter.record)
            .map_err(|e| format!("the event of dead letter {id} can't be read: {e}"))?;
        let mut json = Vec::new();
        structured::encode(&event, &mut json);
        let json = String::from_utf8(json).map_err(|e| e.to_string())?;
        let event = RawValue::from_string(json).map_err(|e| e.to_string())?;
        Ok(DeadLetterLine { event: Some(event), ..DeadLetterLine::of(id, letter) })
    }
}
