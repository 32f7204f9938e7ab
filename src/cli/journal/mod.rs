//! `weir journal`.

mod dump;
mod rescue;
mod stats;
mod verify;

use clap::{Args, Subcommand};

use super::dlq::list;
use super::dlq::place::Place;
use super::exit::Outcome;
use super::format::Tabular;
use super::options::Options;
use super::out::{print, say};
use super::stored;
use super::table::{Align, Table, duration};
use crate::sink::letter_filter::Filter;
use crate::worker::query::{EntryLine, Query};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Asks the running worker of the data directory, or reads the journal there if none runs. Oldest first.

Examples:
  weir journal
  weir journal --event order-1
  weir journal verify
  weir journal --last 1000 --format json | jq 'select(.outcome != \"succeeded\")'"
)]
pub struct Show {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many of the last attempts (or dead letters) to show
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    last: u32,
    /// Only attempts about the event with this id
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Show the dead letters instead, as 'weir dlq list' does
    #[arg(long, conflicts_with = "event")]
    dead_letters: bool,
    /// A table for people, JSON (a line each) for programs
    #[arg(long, value_enum, default_value = "table")]
    format: Tabular,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether the chain of segments holds, and name the place where it does not
    Verify(verify::Verify),
    /// Print every entry
    Dump(dump::Dump),
    /// Say how much the journal has, and how much of it has not been shipped
    Stats(stats::Stats),
    /// Ship what a dead worker left behind
    Rescue(rescue::Rescue),
}

/// An answer is held in memory, by the worker too.
const MOST: i64 = 1_000_000;

impl Show {
    pub fn main(&self) -> Outcome {
        match &self.command {
            None => {}
            Some(Command::Verify(verify)) => return verify.main(),
            Some(Command::Dump(dump)) => return dump.main(),
            Some(Command::Stats(stats)) => return stats.main(),
            Some(Command::Rescue(rescue)) => return rescue.main(),
        }
        let settings = self.options.settings()?;
        if self.dead_letters {
            return list::list(&mut Place::own(&settings), Filter::default(), self.last, self.format);
        }
        let query = Query::Journal { last: self.last as usize, event: self.event.clone() };
        let text = stored::ask(&settings.data_dir, query)?;
        match self.format {
            Tabular::Json => print(text),
            Tabular::Table if text.is_empty() => {
                say(match &self.event {
                    Some(id) => format!("nothing has been attempted about an event with the id '{id}'\n"),
                    None => "nothing has been attempted yet\n".to_owned(),
                });
                Ok(())
            }
            Tabular::Table => print(attempts(&stored::lines(&text)?)),
        }
    }
}

fn attempts(lines: &[EntryLine]) -> Table {
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
    table
}
