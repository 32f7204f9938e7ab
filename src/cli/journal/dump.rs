//! `weir journal dump`.

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::options::Options;
use crate::cli::out::print;
use crate::cli::stored;
use crate::worker::query::Query;

#[derive(Debug, Args)]
#[command(after_help = "\
Every entry that the journal has, oldest first, as JSON: one a line.")]
pub(super) struct Dump {
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Dump {
    pub(super) fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        print(stored::ask(&settings.data_dir, Query::Dump)?)
    }
}
