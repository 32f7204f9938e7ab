//! `weir journal verify`.

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::options::Options;
use crate::cli::out::{plural, print};
use crate::cli::stored;
use crate::journal::survey::Survey;
use crate::worker::query::Query;

#[derive(Debug, Args)]
#[command(after_help = "\
Each segment has the digest that it was written with, goes on from the one before it, and states
the totals of all entries so far: all three are looked at. What does not hold is told by its
segment, and the command fails.")]
pub(super) struct Verify {
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Verify {
    pub(super) fn main(&self) -> Outcome {
        let settings = self.options.settings()?;
        let text = stored::ask(&settings.data_dir, Query::Survey { cursors: Vec::new() })?;
        for survey in stored::lines::<Survey>(&text)? {
            let Survey { first_segment, end_segment, entries, digest, .. } = survey;
            print(match end_segment - first_segment {
                0 => "the journal is empty\n".to_owned(),
                segments => format!(
                    "{} in {} hold, {first_segment} to {}; the last digest is {digest}\n",
                    plural(entries, "entry").replace("entrys", "entries"),
                    plural(segments, "segment"),
                    end_segment - 1
                ),
            })?;
        }
        Ok(())
    }
}
