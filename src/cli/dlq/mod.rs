//! `weir dlq`: the dead letters, looked at, delivered again, dropped.

mod choice;
pub mod drop;
pub(super) mod filters;
mod letter;
mod letter_id;
pub mod list;
pub mod place;
pub mod replay;
mod round;
mod selection;
pub mod show;
mod stream;
mod tally;
mod topic;

use clap::{Args, Subcommand};

use super::exit::Outcome;

#[derive(Debug, Args)]
#[command(after_help = "\
A dead letter is a delivery that failed for good: the event, whole, and what it failed of. Those of
triggers without a deadLetterSink are kept in the data directory until they are replayed or dropped.
The running worker is asked; if none runs, the directory is opened. With --sink it is about those in
the topic of a KafkaSink: nothing is removed there, but what was replayed or dropped is passed over
from then on (it is committed for the group <topic>.weir-dlq). Of a NatsSink it is about those in
its stream, which are deleted there when they have been replayed or dropped.

Examples:
  weir dlq list --trigger process-payments --since 2h
  weir dlq show 3
  weir dlq replay --reason unreachable --dry-run
  weir dlq list --sink letters --cesql \"type LIKE 'order.%' AND tenant = 'acme'\"
  weir dlq drop --until 30d --yes")]
pub struct Dlq {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the last dead letters, oldest first
    List(list::List),
    /// Show one dead letter: its event, and what it failed of
    Show(show::Show),
    /// Deliver dead letters again
    Replay(replay::Replay),
    /// Forget dead letters for good, and give their disk back
    Drop(drop::Drop),
}

impl Dlq {
    pub fn main(&self) -> Outcome {
        match &self.command {
            Command::List(list) => list.main(),
            Command::Show(show) => show.main(),
            Command::Replay(replay) => replay.main(),
            Command::Drop(drop) => drop.main(),
        }
    }
}
