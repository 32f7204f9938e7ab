//! `weir cost`.

use clap::Args;

use super::exit::Outcome;
use super::options::Options;
use super::out::{print, say};
use super::stored;
use super::table::{Align, Table, bytes, duration};
use crate::journal::Cost;
use crate::journal::cost::By;
use crate::worker::query::{CostAnswer, Query};

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the running worker of the data directory, or reads the journal there if none runs.

TIME is what the functions took, COLD TIME what it took to make their instances.
IN and OUT are the events and the answers. RETRIES are the attempts after a delivery's first.
PRICE is there where a function has one (spec.price); each attempt keeps the price of its day.

Examples:
  weir cost
  weir cost --by tenant
  weir cost --by trigger,function --format json | jq .table.total.wall_ns")]
pub struct CostOf {
    /// What a row is; several, separated by commas, are several tables
    #[arg(long, value_enum, value_delimiter = ',', default_value = "trigger")]
    by: Vec<By>,
    /// A table for people, JSON for programs: an object a line, nanoseconds and bytes as integers
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
}

impl CostOf {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        for (number, by) in self.by.iter().enumerate() {
            let text = stored::ask(&settings.data_dir, Query::Cost { by: *by })?;
            if self.format == Format::Json {
                print(text)?;
                continue;
            }
            for answer in stored::lines::<CostAnswer>(&text)? {
                if answer.entries == 0 {
                    say("nothing has been attempted yet\n");
                    return Ok(());
                }
                let apart = if number > 0 { "\n" } else { "" };
                print(format_args!("{apart}{}", table(&answer)))?;
            }
        }
        Ok(())
    }
}

fn table(answer: &CostAnswer) -> Table {
    let name = match answer.table.by {
        By::Trigger => "TRIGGER",
        By::Function => "FUNCTION",
        By::Tenant => "TENANT",
    };
    let mut columns =
        vec!["ATTEMPTS", "FAILED", "RETRIES", "TIME", "PER CALL", "COLD STARTS", "COLD TIME", "IN", "OUT"];
    let priced = !answer.table.total.price.is_nothing();
    if priced {
        columns.push("PRICE");
    }
    let mut head = vec![(name, Align::Left)];
    head.extend(columns.iter().map(|column| (*column, Align::Right)));
    let mut table = Table::new(&head);
    for (name, cost) in &answer.table.rows {
        table.row(row(name, cost, priced));
    }
    if answer.table.rows.len() != 1 {
        table.row(row("total", &answer.table.total, priced));
    }
    table
}

fn row(name: &str, cost: &Cost, priced: bool) -> Vec<String> {
    let mut row = vec![
        name.to_owned(),
        cost.attempts.to_string(),
        cost.failed.to_string(),
        cost.retries.to_string(),
        duration(cost.wall_ns),
        duration(cost.wall_ns.checked_div(cost.attempts).unwrap_or(0)),
        cost.cold_starts.to_string(),
        duration(cost.init_ns),
        bytes(cost.bytes_in),
        bytes(cost.bytes_out),
    ];
    row.extend(priced.then(|| cost.price.to_string()));
    row
}
