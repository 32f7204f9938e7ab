//! What a guest sees of itself: a process with three streams, as long as one call lasts.

use std::sync::Arc;

use super::clock::Clocks;
use super::descriptor::Descriptors;
use crate::function::log::{Log, Printed};
use crate::function::surroundings::Surroundings;

pub(in crate::function) struct Process {
    pub surroundings: Arc<Surroundings>,
    /// What was written since it was taken last.
    pub log: Log,
    pub(super) descriptors: Descriptors,
    pub(super) clocks: Clocks,
    pub(super) stdin: Vec<u8>,
    /// So much of it was read.
    pub(super) read: usize,
    pub(super) stdout: Stdout,
    pub(super) stderr: Printed,
    pub(super) exit: Option<u32>,
    /// The function of the host that ended the call.
    pub ended_in: &'static str,
}

/// Where the standard output goes.
pub(super) enum Stdout {
    /// A command's: it is the answer.
    Answer { bytes: Vec<u8>, limit: usize },
    /// Anybody else's.
    Log(Printed),
}

impl Process {
    /// `log`: as many bytes may a call log.
    pub(in crate::function) fn new(surroundings: Arc<Surroundings>, log: u32) -> Process {
        Process {
            surroundings,
            log: Log::within(log),
            descriptors: Descriptors::default(),
            clocks: Clocks::default(),
            stdin: Vec::new(),
            read: 0,
            stdout: Stdout::Log(Printed::default()),
            stderr: Printed::default(),
            exit: None,
            ended_in: "",
        }
    }

    /// A call of a function begins: nothing to read, and what is printed is logged.
    pub(in crate::function) fn begin(&mut self) {
        self.descriptors = Descriptors::default();
        self.clocks.begin();
        self.stdin.clear();
        self.read = 0;
        match &mut self.stdout {
            Stdout::Log(printed) => printed.clear(),
            stdout => *stdout = Stdout::Log(Printed::default()),
        }
        self.stderr.clear();
        self.exit = None;
        self.ended_in = "";
    }

    /// A command begins: it reads its event and prints its answer.
    pub(in crate::function) fn begin_command(&mut self, event: &[u8], limit: u32) {
        self.begin();
        self.stdin.extend_from_slice(event);
        self.stdout = Stdout::Answer { bytes: Vec::new(), limit: limit as usize };
    }

    /// The call is over: lines that were begun are lines.
    pub(in crate::function) fn end(&mut self) {
        if let Stdout::Log(printed) = &mut self.stdout {
            printed.finish(&mut self.log);
        }
        self.stderr.finish(&mut self.log);
    }

    /// What a command has answered, without the white space around it.
    pub(in crate::function) fn answer(&self) -> &[u8] {
        match &self.stdout {
            Stdout::Answer { bytes, .. } => bytes.trim_ascii(),
            Stdout::Log(_) => &[],
        }
    }

    /// The code with which it exited, if it did.
    pub(in crate::function) fn exit(&self) -> Option<u32> {
        self.exit
    }

    /// The last line that it printed as an error; empty: none.
    pub(in crate::function) fn last_words(&self) -> String {
        self.stderr.last_line()
    }
}
