//! `weir dlq list`.

use clap::Args;

use super::filters::Filters;
use super::letter_id;
use super::place::{Of, Place};
use crate::cli::exit::{Failed, Outcome};
use crate::cli::format::Tabular;
use crate::cli::options::Options;
use crate::cli::out::{plural, print, say};
use crate::cli::stored;
use crate::cli::table::{Align, Table, age, one_line};
use crate::sink::letter_filter::Filter;
use crate::worker::letters::{DeadLetterLine, Letters, Tally};

#[derive(Debug, Args)]
#[command(after_help = "\
EVENT is the event's id, ID the dead letter's own: what show, replay and drop take. In
a topic that is PARTITION/OFFSET.

Examples:
  weir dlq list
  weir dlq list --trigger shop/orders --reason guest --since 2h
  weir dlq list --attribute type=order.created --attribute tenant=acme
  weir dlq list --max-replays 0 --count
  weir dlq list --last 1000 --format json | jq -r .message | sort | uniq -c")]
pub struct List {
    /// How many of the last that match to show
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    last: u32,
    /// Print only how many match
    #[arg(long, conflicts_with = "last")]
    count: bool,
    /// A table for people, JSON (a line each) for programs
    #[arg(long, value_enum, default_value = "table")]
    format: Tabular,
    /// Only this one, by its ID (repeatable)
    #[arg(long, value_name = "ID", help_heading = "Filters", value_parser = letter_id::parse)]
    id: Vec<u64>,
    #[command(flatten)]
    of: Of,
    #[command(flatten, next_help_heading = "Filters")]
    filters: Filters,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// A listing is held in memory.
const MOST: i64 = 1_000_000;
/// As much of a message as a line has room for.
const MESSAGE: usize = 100;

impl List {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings_with(&[self.of.map_host.setting()])?;
        let filter = self.filters.with(self.id.clone());
        let mut place = self.of.open(&settings)?;
        if !self.count {
            return list(&mut place, filter, self.last, self.format);
        }
        let text = place.ask(Letters::Tally { filter })?;
        match self.format {
            Tabular::Json => print(text),
            Tabular::Table => stored::lines::<Tally>(&text)?
                .iter()
                .try_for_each(|tally| print(format_args!("{}\n", tally.matching))),
        }
    }
}

/// Prints the last that match, and says how many there are.
pub fn list(place: &mut Place, filter: Filter, last: u32, format: Tabular) -> Outcome {
    let all_mean = filter == Filter::default();
    let text = place.ask(Letters::List { filter, last: last as usize })?;
    let (letters, tally) = parts(&text)?;
    if format == Tabular::Json {
        return print(letters);
    }
    let shown = letters.lines().count() as u64;
    if shown > 0 {
        print(table(&stored::lines(letters)?, place.is_topic()))?;
    }
    let all = plural(tally.all, "dead letter");
    say(match (tally.all, tally.matching) {
        (0, _) => "there is no dead letter\n".to_owned(),
        (_, 0) => format!("none of {all} matches\n"),
        (_, matching) if shown < matching && all_mean => format!("the last {shown} of {all}\n"),
        (_, matching) if shown < matching => format!("the last {shown} of {matching} that match, of {all}\n"),
        _ if all_mean => format!("{all}\n"),
        (_, matching) => format!("{matching} of {all}\n"),
    });
    Ok(())
}

/// The letters, and the tally that stands after them.
fn parts(text: &str) -> Result<(&str, Tally), Failed> {
    let last = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
    let (letters, tally) = text.split_at(last);
    let tally = serde_json::from_str(tally)
        .map_err(|_| Failed::error("the worker's answer broke off: its log may say why"))?;
    Ok((letters, tally))
}

fn table(lines: &[DeadLetterLine], is_in_topic: bool) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Right),
        ("EVENT", Align::Left),
        ("TYPE", Align::Left),
        ("TRIGGER", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("REPLAYS", Align::Right),
        ("OUTCOME", Align::Left),
        ("REASON", Align::Left),
        ("AGE", Align::Right),
        ("MESSAGE", Align::Left),
    ]);
    for line in lines {
        table.row(vec![
            letter_id::shown(line.id, is_in_topic),
            line.event_id.clone(),
            line.event_type.clone(),
            line.trigger.clone(),
            line.attempts.to_string(),
            line.replay.to_string(),
            line.outcome.clone(),
            line.reason.clone(),
            age(line.ended_unix_ns),
            one_line(&line.message, MESSAGE),
        ]);
    }
    table
}
