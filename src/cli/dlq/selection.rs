//! Which dead letters a command that changes something is about. That it must be said, keeps a slip from meaning all.

use clap::Args;

use super::filters::Filters;
use super::letter_id;
use crate::cli::exit::Failed;
use crate::sink::letter_filter::Filter;

#[derive(Clone, Debug, Args)]
pub(super) struct Selection {
    /// The dead letters' IDs, as 'weir dlq list' has them
    #[arg(value_name = "ID", value_parser = letter_id::parse)]
    ids: Vec<u64>,
    /// Every dead letter that there is
    #[arg(long)]
    all: bool,
    #[command(flatten, next_help_heading = "Filters")]
    filters: Filters,
}

/// As many ids go into one question.
const IDS: usize = 1000;

impl Selection {
    /// One filter, or where many ids are said several, which together mean no letter twice.
    pub(super) fn filters(&self) -> Result<Vec<Filter>, Failed> {
        let whole = self.filters.with(self.ids.clone());
        match (self.all, whole == Filter::default()) {
            (false, true) => {
                return Err(Failed::usage("nothing says which dead letters are meant")
                    .help("name their IDs, filter them (--trigger, --reason, --since …), or say --all"));
            }
            (true, false) => {
                return Err(Failed::usage("--all means every dead letter, and something else is said, too")
                    .help("leave --all out to have only those that match"));
            }
            _ => {}
        }
        if whole.ids.len() <= IDS {
            return Ok(vec![whole]);
        }
        Ok(whole.ids.chunks(IDS).map(|ids| Filter { ids: ids.into(), ..whole.clone() }).collect())
    }
}
