//! What is wrong with a data filter, and where in it.

use std::borrow::Cow;
use std::fmt;

use super::Span;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub span: Span,
    pub message: Cow<'static, str>,
    /// What to do about it.
    pub help: Option<Cow<'static, str>>,
}

impl Error {
    pub(super) fn new(span: Span, message: impl Into<Cow<'static, str>>) -> Error {
        Error { span, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Error {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
