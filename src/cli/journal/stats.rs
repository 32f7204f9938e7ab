//! `weir journal stats`.

use std::path::Path;

use clap::Args;

use crate::cli::exit::{Failed, Outcome};
use crate::cli::format::Tabular;
use crate::cli::options::Options;
use crate::cli::out::print;
use crate::cli::stored;
use crate::cli::table::{Align, Table, age, bytes, duration};
use crate::journal::cursor::Cursor;
use crate::journal::survey::{Asked, Survey};
use crate::worker::query::Query;
use crate::worker::shipment;

#[derive(Debug, Args)]
#[command(after_help = "\
How much the journal has, since when, and how many entries wait for each BillingSink that has been
shipped to.")]
pub(super) struct Stats {
    /// A table for people, JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    format: Tabular,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Stats {
    pub(super) fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let cursors = cursors(&settings.data_dir.join(shipment::FOLDER))?;
        let text = stored::ask(&settings.data_dir, Query::Survey { cursors })?;
        if self.format == Tabular::Json {
            return print(text);
        }
        stored::lines::<Survey>(&text)?.iter().try_for_each(|survey| print(table(survey)))
    }
}

fn cursors(folder: &Path) -> Result<Vec<Asked>, Failed> {
    let mut cursors = Vec::new();
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(cursors) };
    for file in files.flatten() {
        let path = file.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
        let Some(name) = name else { continue };
        if let Some(cursor) = Cursor::read(&path).map_err(Failed::error)? {
            cursors.push((name.replacen('.', "/", 1), cursor.segment, cursor.index));
        }
    }
    cursors.sort();
    Ok(cursors)
}

fn table(survey: &Survey) -> Table {
    let mut table = Table::new(&[("JOURNAL", Align::Left), ("", Align::Right)]);
    let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    row("volumes", survey.volumes.to_string());
    row("size", bytes(survey.bytes));
    row("segments", (survey.end_segment - survey.first_segment).to_string());
    row("entries", survey.entries.to_string());
    row("entries ever", survey.entries_ever.to_string());
    row("fenced", survey.fenced.to_string());
    row("time", duration(survey.wall_ns));
    row("price", survey.price.to_string());
    row("oldest", survey.from.map_or_else(|| "-".to_owned(), age));
    row("newest", survey.to.map_or_else(|| "-".to_owned(), age));
    for (sink, waiting) in &survey.waiting {
        row(&format!("waiting for {sink}"), waiting.to_string());
    }
    table
}
