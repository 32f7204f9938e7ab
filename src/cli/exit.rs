//! How a command ends: exit codes after sysexits, and errors that go to stderr with them.

#![allow(unsafe_code)] // The standard library's way out runs destructors under the feet of threads.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use super::out::say;
use super::style::{BAD, GOOD, PLAIN};

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failed {
    code: u8,
    message: String,
    help: Option<String>,
}

/// What every command returns.
pub type Outcome = Result<(), Failed>;

impl Failed {
    /// Something went wrong: 1.
    pub fn error(message: impl Display) -> Failed {
        Failed { code: 1, message: message.to_string(), help: None }
    }

    /// The command was called wrongly: 64.
    pub fn usage(message: impl Display) -> Failed {
        Failed { code: 64, ..Failed::error(message) }
    }

    /// The configuration is wrong: 78.
    pub fn configuration(message: impl Display) -> Failed {
        Failed { code: 78, ..Failed::error(message) }
    }

    /// It went wrong, and all has been said already: 1.
    pub fn silent() -> Failed {
        Failed::error("")
    }

    /// Nothing is wrong: whoever reads the output has seen enough of it.
    pub fn unread() -> Failed {
        Failed { code: 0, ..Failed::silent() }
    }

    /// What to do about it.
    pub fn help(self, help: impl Display) -> Failed {
        Failed { help: Some(help.to_string()), ..self }
    }
}

/// Ends the process with what still runs in it: calls of functions, clients that say farewell. All that is to be kept is
/// on disk or with the brokers.
pub fn at_once(code: u8) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: it does not return. What the engine and the clients would take down at an exit is in use by their threads.
    unsafe { libc::_exit(code.into()) }
}

pub fn code(outcome: Outcome) -> ExitCode {
    let Err(failed) = outcome else { return ExitCode::SUCCESS };
    if !failed.message.is_empty() {
        say(format_args!("{BAD}error{PLAIN}: {}\n", failed.message));
    }
    if let Some(help) = &failed.help {
        say(format_args!("  {GOOD}help{PLAIN}: {help}\n"));
    }
    ExitCode::from(failed.code)
}
