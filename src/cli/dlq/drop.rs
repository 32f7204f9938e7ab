//! `weir dlq drop`.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use super::place::Of;
use super::round::Round;
use super::selection::Selection;
use crate::cli::exit::{Failed, Outcome};
use crate::cli::options::Options;
use crate::cli::out::{plural, say};
use crate::worker::errand::Deed;

#[derive(Debug, Args)]
#[command(after_help = "\
What is dropped is gone for good, with its event; its disk is given back. In a topic it stays until
the topic's retention takes it, and no list or replay has it any more. On a terminal it asks
first; elsewhere --yes must say that it is meant.

Examples:
  weir dlq drop 3
  weir dlq drop --trigger shop/orders --reason guest --dry-run
  weir dlq drop --until 30d --yes
  weir dlq drop --sink letters --cesql \"tenant = 'test'\" --yes
  weir dlq drop --all --yes")]
pub struct Drop {
    /// Only say what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Drop {
    pub fn main(&self) -> Outcome {
        let filters = self.selection.filters()?;
        let settings = self.options.settings_with(&[self.of.map_host.setting()])?;
        let place = self.of.to_change(&settings, false)?;
        let Some(round) = Round::over(place, filters, Deed::Drop, None)? else { return Ok(()) };
        if self.dry_run {
            return round.print("drop", |_| Some("go for good".to_owned()));
        }
        if !self.yes {
            confirm(&plural(round.tally.matching, "dead letter"))?;
        }
        round.make("dropped", "")
    }
}

/// Asks whoever is at the terminal.
fn confirm(letters: &str) -> Outcome {
    let input = std::io::stdin();
    if !input.is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failed::usage(format!("{letters} would be dropped for good, and nobody can be asked"))
            .help("--yes says that it is meant, --dry-run shows what they are"));
    }
    say(format_args!("drop {letters} for good? [y/N] "));
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    read.map_err(|e| Failed::error(format!("the answer can't be read: {e}")))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failed::error("nothing was dropped")),
    }
}
