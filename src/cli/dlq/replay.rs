//! `weir dlq replay`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NonEmpty;

use super::filters::full_name;
use super::place::Of;
use super::round::Round;
use super::selection::Selection;
use crate::cli::exit::{Failed, Outcome};
use crate::cli::options::Options;
use crate::worker::errand::Deed;

#[derive(Debug, Args)]
#[command(after_help = "\
The event goes to the trigger again, and to no other: with its id, source and partitionkey, under
the trigger's delivery settings, as a delivery of its own that costs anew. The dead letter goes; if
the replay fails, too, there is a new one that counts it. Without a running worker the replays wait
for the next start. Ctrl-C stops it; run it again for the rest.
From a topic (--sink) they go to the worker of the data directory, some at a time: first they are on
its disk, then committed as done. A crash between the two replays that batch again, with the same
delivery and charge ids.

Examples:
  weir dlq replay 3 4 7
  weir dlq replay --trigger process-payments --reason unreachable --dry-run
  weir dlq replay --trigger old-name --to new-name
  weir dlq replay --sink letters --since 2h
  weir dlq replay --max-replays 0 --rate 50/s")]
pub struct Replay {
    /// To this trigger instead of the one that failed
    #[arg(long, value_name = "TRIGGER", value_parser = NonEmpty::new())]
    to: Option<String>,
    /// Dead letters a second at the most [default: as fast as they are taken]
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<u32>,
    /// Only say what would be replayed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Replay {
    pub fn main(&self) -> Outcome {
        let filters = self.selection.filters()?;
        let settings = self.options.settings_with(&[self.of.map_host.setting()])?;
        let to = self.to.as_ref().map(|name| full_name(name));
        let mut place = self.of.to_change(&settings, true)?;
        let triggers = place.triggers()?;
        if let Some(name) = &to {
            triggers.named(name).map_err(|error| Failed::error(format!("--to: {error}")))?;
        }
        let deed = Deed::Replay { to: to.clone() };
        let Some(round) = Round::over(place, filters, deed, self.rate)? else { return Ok(()) };
        if self.dry_run {
            let goes = |trigger: &str| match &to {
                Some(to) => Some(format!("go to {to}")),
                None => triggers.has(trigger).then(|| format!("go to {trigger}")),
            };
            return round.print("replay", goes);
        }
        round.make("replayed", &format!("--to replays them to another trigger; {triggers}"))
    }
}

/// `100/s`, or just 100.
fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim_end();
    let rate = number.parse().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| "write how many a second, as 100/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_are_a_second_s() {
        assert_eq!((rate("100/s"), rate("7"), rate("5 /s")), (Ok(100), Ok(7), Ok(5)));
        for wrong in ["", "0", "0/s", "/s", "-1/s", "5/m", "1.5/s", "5/s/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
