//! `weir cost`.

use clap::Args;

use super::exit::Outcome;
use super::options::Options;
use super::stored;
use super::table::{Align, Table, duration};
use crate::journal::Cost;
use crate::journal::cost::By;
use crate::worker::query::{CostAnswer, Query};

#[derive(Debug, Args)]
pub struct CostOf {
    #[command(flatten)]
    options: Options,
    /// What a row is
    #[arg(long, value_enum, default_value = "trigger")]
    by: By,
    /// A table for people, JSON for programs (nanoseconds and bytes, as integers)
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
}

impl CostOf {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let text = stored::ask(&settings.data_dir, Query::Cost { by: self.by })?;
        if self.format == Format::Json {
            anstream::print!("{text}");
            return Ok(());
        }
        let answers: Vec<CostAnswer> = stored::lines(&text)?;
        for answer in &answers {
            print(answer);
        }
        Ok(())
    }
}

fn print(answer: &CostAnswer) {
    let name = match answer.table.by {
        By::Trigger => "TRIGGER",
        By::Function => "FUNCTION",
        By::Tenant => "TENANT",
    };
    let columns = ["ATTEMPTS", "FAILED", "RETRIES", "COLD", "TIME", "PER CALL", "COLD STARTS", "IN", "OUT"];
    let mut head = vec![(name, Align::Left)];
    head.extend(columns.map(|column| (column, Align::Right)));
    let mut table = Table::new(&head);
    for (name, cost) in &answer.table.rows {
        table.row(row(name, cost));
    }
    if answer.table.rows.len() != 1 {
        table.row(row("total", &answer.table.total));
    }
    table.print();
}

fn row(name: &str, cost: &Cost) -> Vec<String> {
    vec![
        name.to_owned(),
        cost.attempts.to_string(),
        cost.failed.to_string(),
        cost.retries.to_string(),
        cost.cold_starts.to_string(),
        duration(cost.wall_ns),
        duration(cost.wall_ns.checked_div(cost.attempts).unwrap_or(0)),
        duration(cost.init_ns),
        bytes(cost.bytes_in),
        bytes(cost.bytes_out),
    ]
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
