//! Why a handler did not answer, and whether trying again may help.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    pub retry: bool,
    /// A short, stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl Error {
    /// The event will fail however often it is tried: its dead letter is written at once.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Error {
        Error { retry: false, code: code.into(), message: message.into() }
    }

    /// Trying again later may succeed.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Error {
        Error { retry: true, code: code.into(), message: message.into() }
    }

    pub(crate) fn write(&self, output: &mut Vec<u8>) {
        #[derive(Serialize)]
        struct Answer<'a> {
            error: &'a Error,
        }
        serde_json::to_writer(output, &Answer { error: self }).expect("strings and a flag are JSON");
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
