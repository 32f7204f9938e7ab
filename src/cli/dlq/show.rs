//! `weir dlq show`.

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Args;

use super::letter_id;
use super::place::Of;
use crate::cli::exit::{Failed, Outcome};
use crate::cli::format::Textual;
use crate::cli::options::Options;
use crate::cli::out::{plural, print};
use crate::cli::stored;
use crate::cli::style::{FAINT, HEAD, PLAIN};
use crate::cli::table::age;
use crate::event::{Data, Event, structured};
use crate::worker::letters::{DeadLetterLine, Letters};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weir dlq show 3
  weir dlq show 3 --as-event | weir invoke payment --event -     does it still fail?
  weir dlq show 3 --as-event | weir publish --file -             as a new event, to all triggers
  weir dlq show 2/17 --sink letters
  weir dlq show 3 --format json | jq .event.data")]
pub struct Show {
    /// The dead letter's ID, as 'weir dlq list' has it
    #[arg(value_parser = letter_id::parse)]
    id: u64,
    #[command(flatten)]
    of: Of,
    /// Print the event alone, as it came: a CloudEvent in JSON
    #[arg(long, conflicts_with = "format")]
    as_event: bool,
    /// For people, or JSON for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Textual,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

/// As many bytes of data are shown.
const DATA: usize = 4096;

impl Show {
    pub fn main(&self) -> Outcome {
        let settings = self.options.settings_with(&[self.of.map_host.setting()])?;
        let mut place = self.of.open(&settings)?;
        let text = place.ask(Letters::One { id: self.id })?;
        let name = letter_id::shown(self.id, place.is_topic());
        let Some(letter) = stored::lines::<DeadLetterLine>(&text)?.pop() else {
            return Err(Failed::error(format!("there is no dead letter {name}"))
                .help("'weir dlq list' shows which there are; it may have been replayed or dropped"));
        };
        let json = letter.event.as_ref().map(|event| event.get()).unwrap_or_default();
        match self.format {
            _ if self.as_event => print(format_args!("{json}\n")),
            Textual::Json => print(text),
            Textual::Text => {
                let event = structured::decode(json.as_bytes())
                    .map_err(|e| Failed::error(format!("the event of dead letter {name}: {e}")))?;
                print(described(&name, &letter, &event))
            }
        }
    }
}

fn described(name: &str, letter: &DeadLetterLine, event: &Event<'_>) -> String {
    let mut text = format!("{HEAD}dead letter {name}{PLAIN}\n");
    let outcome = format!("{} ({})", letter.outcome, letter.reason);
    let ended = i128::from(letter.ended_unix_ns);
    let ended = jiff::Timestamp::from_nanosecond(ended).map_or_else(|e| e.to_string(), |t| format!("{t:.3}"));
    let failed = [
        ("trigger", letter.trigger.clone()),
        ("function", letter.function.clone()),
        ("outcome", outcome),
        ("message", letter.message.clone()),
        ("attempts", letter.attempts.to_string()),
        ("replays", letter.replay.to_string()),
        ("ended", format!("{ended}, {} ago", age(letter.ended_unix_ns))),
        ("delivery", letter.delivery.clone()),
    ];
    section(&mut text, failed.iter().map(|(name, value)| (*name, value.as_str())));
    let attributes: Vec<_> = event.attributes().collect();
    let _ = writeln!(text, "\n{HEAD}event{PLAIN}");
    section(&mut text, attributes.iter().map(|(name, value)| (*name, &**value)));
    let _ = match &event.data {
        None => writeln!(text, "\nno data"),
        Some(data) => write!(text, "\n{}", payload(data)),
    };
    text
}

fn section<'t>(text: &mut String, lines: impl Iterator<Item = (&'t str, &'t str)> + Clone) {
    let width = lines.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in lines {
        let _ = writeln!(text, "  {FAINT}{name:width$}{PLAIN}  {}", plain(value).replace('\n', "\n    "));
    }
}

fn payload(data: &Data<'_>) -> String {
    let length = data.bytes().len();
    let (kind, mut shown) = match data {
        Data::Json(json) => ("JSON", plain(json)),
        Data::Text(text) => ("text", plain(text)),
        Data::Binary(bytes) => {
            ("binary, here in Base64", BASE64_STANDARD.encode(&bytes[..length.min(DATA / 4 * 3)]))
        }
    };
    let whole = shown.len() <= DATA && (length <= DATA / 4 * 3 || !matches!(data, Data::Binary(_)));
    shown.truncate(shown.floor_char_boundary(DATA));
    let rest = if whole { "" } else { "…\n(--as-event prints the whole of it)\n" };
    let gap = if whole { "\n" } else { "" };
    format!("{HEAD}data{PLAIN} ({}, {kind})\n{shown}{gap}{rest}", plural(length as u64, "byte"))
}

/// What would steer a terminal is shown instead of done.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}
