//! `weir status`: asks the running worker what it has done since it started. A container's health check is this, too.

use clap::Args;

use super::exit::{Failed, Outcome};
use super::format::Tabular;
use super::options::Options;
use super::out::{self, plural};
use super::stored;
use super::style::{BAD, PLAIN};
use super::table::{Align, Table, age, one_line};
use crate::journal::usage;
use crate::worker::console::{self, Ask, BudgetAnswer, SetAnswer, StatusAnswer};

/// Ends with 1 where no worker answers.
#[derive(Debug, Args)]
pub struct StatusOf {
    #[command(flatten)]
    options: Options,
    /// A table for people, JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    format: Tabular,
}

impl StatusOf {
    pub fn main(&self) -> Outcome {
        let data = self.options.settings()?.data_dir;
        let unanswered = |cause: &dyn std::fmt::Display| {
            Failed::error(format!("the worker of {}: {cause}", data.display()))
        };
        let text = match console::ask(&data, Ask::Status) {
            Ok(Some(Ok(text))) => text,
            Ok(Some(Err(error))) => return Err(unanswered(&error)),
            Ok(None) => return Err(unanswered(&"none runs, or it has not started yet")),
            Err(error) => return Err(unanswered(&error)),
        };
        match self.format {
            Tabular::Json => out::print(text),
            Tabular::Table => stored::lines(&text)?.iter().try_for_each(|status| {
                out::print(table(status))?;
                if !status.limited.is_empty() {
                    out::print(format_args!("\n{}", limited(status)))?;
                }
                if !status.budgets.is_empty() {
                    out::print(format_args!("\n{}", budgets(status)))?;
                }
                out::print(set(&status.set))
            }),
        }
    }
}

fn table(status: &StatusAnswer) -> Table {
    let mut columns = vec![
        ("ARRIVED", status.arrived),
        ("SETTLED", status.settled),
        ("IN FLIGHT", status.events_in_flight),
        ("ATTEMPTS", status.attempts),
        ("HELD", status.held),
        ("PARKED", status.parked),
        ("DELIVERED", status.delivered),
        ("DEAD LETTERED", status.dead_lettered),
        ("UNROUTED", status.unrouted),
    ];
    // Only where senders wait does anything go back to them.
    if status.returned > 0 {
        columns.push(("RETURNED", status.returned));
    }
    let head: Vec<_> = columns.iter().map(|(name, _)| (*name, Align::Right)).collect();
    let mut table = Table::new(&head);
    table.row(columns.iter().map(|(_, count)| count.to_string()).collect());
    table
}

fn limited(status: &StatusAnswer) -> Table {
    let mut table = Table::new(&[
        ("LIMITED TRIGGER", Align::Left),
        ("AT ONCE", Align::Right),
        ("RATE", Align::Left),
        ("RUNNING", Align::Right),
        ("WAITING", Align::Right),
        ("PARKED", Align::Right),
    ]);
    for of in &status.limited {
        table.row(vec![
            of.trigger.clone(),
            of.max_concurrency.map_or_else(|| "-".into(), |most| most.to_string()),
            of.rate_limit.clone().unwrap_or_else(|| "-".into()),
            of.running.to_string(),
            of.waiting.to_string(),
            of.parked.to_string(),
        ]);
    }
    table
}

fn budgets(status: &StatusAnswer) -> Table {
    let mut table = Table::new(&[
        ("BUDGETED TRIGGER", Align::Left),
        ("BUDGET", Align::Right),
        ("USED TODAY", Align::Right),
        ("PERCENT", Align::Right),
        ("STATE", Align::Left),
    ]);
    for of in &status.budgets {
        let until = usage::time(of.until_unix_ns);
        let state = match (of.is_spent, of.policy.as_str()) {
            (false, _) => "open".to_owned(),
            (true, "pause") => format!("paused until {until}"),
            (true, _) => format!("dead letters until {until}"),
        };
        let BudgetAnswer { trigger, budget, used, percent, .. } = of;
        table.row(vec![trigger.clone(), budget.clone(), used.clone(), percent.to_string(), state]);
    }
    table
}

/// As much of a mistake is shown.
const WIDTH: usize = 400;

/// What is in force, and why what the files say is not.
fn set(set: &SetAnswer) -> String {
    let SetAnswer { digest, since_unix_ns, triggers, functions, is_last_good, refused, .. } = set;
    let whose = if *is_last_good { ", the last good one" } else { "" };
    let mut text = format!(
        "\nset {digest}{whose}, in force for {}: {}, {}\n",
        age(*since_unix_ns),
        plural(*triggers, "trigger"),
        plural(*functions, "function")
    );
    if let Some(refused) = refused {
        text += &format!("{BAD}set {} was refused{PLAIN} {} ago:\n", refused.digest, age(refused.at_unix_ns));
        refused.problems.iter().for_each(|problem| text += &format!("  {}\n", one_line(problem, WIDTH)));
    }
    text
}
