//! What happened in a case, in the order in which it did.

use std::fmt;
use std::time::Duration;

use crate::dispatch::{Outcome, Reason};
use crate::event::Event;

#[derive(Debug, Default)]
pub struct History {
    /// Those that were given, then those that followed from them.
    pub events: Vec<Occurred>,
    pub attempts: Vec<Attempt>,
    pub replies: Vec<Reply>,
    pub dead_letters: Vec<DeadLetter>,
    /// It did not come to an end by itself.
    pub stopped: Option<Stopped>,
}

/// An event of a broker, by what finds it again.
#[derive(Debug)]
pub struct Occurred {
    pub id: String,
    pub ty: String,
    /// Some trigger wanted it.
    pub met: bool,
}

#[derive(Debug)]
pub struct Attempt {
    /// Which of the events.
    pub event: usize,
    /// "namespace/name".
    pub trigger: String,
    /// Counted from 1.
    pub attempt: u32,
    /// Since the case began, in its own time.
    pub at: Duration,
    pub outcome: Outcome,
    pub reason: Reason,
    /// Why it did not succeed.
    pub message: String,
    /// Type and id of each.
    pub replies: Vec<(String, String)>,
}

/// An event that a function answered with and its broker took.
#[derive(Debug)]
pub struct Reply {
    pub event: Event<'static>,
    /// The function gave it no id, or no source: the worker did.
    pub id_is_ours: bool,
    pub source_is_ours: bool,
}

#[derive(Debug)]
pub struct DeadLetter {
    /// "namespace/name".
    pub trigger: String,
    pub outcome: Outcome,
    pub reason: Reason,
    pub message: String,
    pub attempts: u32,
    pub event: Event<'static>,
}

/// Why a case was not played to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Events(usize),
    Attempts(usize),
    Bytes(usize),
    /// Something waits that nothing will wake: a defect of the worker.
    Stuck,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Events(most) => write!(f, "stopped at {most} events: do triggers feed each other?"),
            Stopped::Attempts(most) => write!(f, "stopped at {most} attempts: how many retries are there?"),
            Stopped::Bytes(most) => {
                write!(f, "stopped when its events were larger than {most} bytes together")
            }
            Stopped::Stuck => f.write_str("it came to no end and nothing is left to do: a defect of weir"),
        }
    }
}

impl DeadLetter {
    /// What the function called its failure; a dead letter keeps it before the message.
    pub fn code(&self) -> Option<&str> {
        let (code, _) = self.message.split_once(": ").filter(|_| self.reason == Reason::Guest)?;
        Some(code)
    }
}
