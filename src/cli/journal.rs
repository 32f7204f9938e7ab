//! `weir journal`.

use clap::Args;

use super::cost::Format;
use super::exit::Outcome;
use super::options::Options;
use super::stored;
use super::table::{Align, Table, duration};
use crate::worker::query::{DeadLetterLine, EntryLine, Query};

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    options: Options,
    /// How many of the last attempts to show
    #[arg(long, default_value_t = 20, value_name = "N")]
    last: usize,
    /// Only attempts about the event with this id
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Show the dead letters instead: deliveries that failed for good
    #[arg(long, conflicts_with = "event")]
    dead_letters: bool,
    /// A table for people, JSON (a line each) for programs
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Show {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let query = if self.dead_letters {
            Query::DeadLetters { last: self.last }
        } else {
            Query::Journal { last: self.last, event: self.event.clone() }
        };
        let text = stored::ask(&settings.data_dir, query)?;
        match self.format {
            Format::Json => anstream::print!("{text}"),
            Format::Table if self.dead_letters => dead_letters(&stored::lines(&text)?),
            Format::Table => attempts(&stored::lines(&text)?),
        }
        Ok(())
    }
}

fn attempts(lines: &[EntryLine]) {
    let mut table = Table::new(&[
        ("EVENT", Align::Left),
        ("TYPE", Align::Left),
        ("TRIGGER", Align::Left),
        ("FUNCTION", Align::Left),
        ("ATTEMPT", Align::Right),
        ("OUTCOME", Align::Left),
        ("TIME", Align::Right),
        ("COLD START", Align::Right),
        ("REPLY", Align::Left),
    ]);
    for line in lines {
        let outcome = match line.reason.as_str() {
            "none" => line.outcome.clone(),
            reason => format!("{} ({reason})", line.outcome),
        };
        let replies: Vec<_> = line.replies.iter().map(|reply| format!("{} {}", reply.ty, reply.id)).collect();
        table.row(vec![
            line.event_id.clone(),
            line.event_type.clone(),
            line.trigger.clone(),
            line.function.clone(),
            line.attempt.to_string(),
            outcome,
            duration(line.wall_ns),
            line.init_ns.map_or_else(|| "-".to_owned(), duration),
            if replies.is_empty() { "-".to_owned() } else { replies.join(", ") },
        ]);
    }
    table.print();
}

fn dead_letters(lines: &[DeadLetterLine]) {
    let mut table = Table::new(&[
        ("EVENT", Align::Left),
        ("TYPE", Align::Left),
        ("TRIGGER", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("OUTCOME", Align::Left),
        ("REASON", Align::Left),
        ("MESSAGE", Align::Left),
    ]);
    for line in lines {
        table.row(vec![
            line.event_id.clone(),
            line.event_type.clone(),
            line.trigger.clone(),
            line.attempts.to_string(),
            line.outcome.clone(),
            line.reason.clone(),
            line.message.clone(),
        ]);
    }
    table.print();
}
