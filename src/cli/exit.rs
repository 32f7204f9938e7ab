//! How a command ends: exit codes after sysexits, and errors that go to stderr with them.

use std::fmt::Display;
use std::process::ExitCode;

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failed {
    code: u8,
    message: String,
}

/// What every command returns.
pub type Outcome = Result<(), Failed>;

impl Failed {
    /// Something went wrong: 1.
    pub fn error(message: impl Display) -> Failed {
        Failed { code: 1, message: message.to_string() }
    }

    /// The command was called wrongly: 64.
    pub fn usage(message: impl Display) -> Failed {
        Failed { code: 64, message: message.to_string() }
    }

    /// The configuration is wrong: 78.
    pub fn configuration(message: impl Display) -> Failed {
        Failed { code: 78, message: message.to_string() }
    }

    /// All has been said already.
    pub fn silent(code: u8) -> Failed {
        Failed { code, message: String::new() }
    }
}

pub fn code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            if !failed.message.is_empty() {
                anstream::eprintln!("{}error:{} {}", super::style::BAD, super::style::PLAIN, failed.message);
            }
            ExitCode::from(failed.code)
        }
    }
}
