//! What can go wrong with an expression, and where in it.

use std::borrow::Cow;
use std::fmt;

use super::Span;

/// The specification's types of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Parse,
    Math,
    Cast,
    MissingAttribute,
    MissingFunction,
    FunctionEvaluation,
    Generic,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub span: Span,
    pub message: Cow<'static, str>,
    /// What to do about it.
    pub help: Option<Cow<'static, str>>,
}

impl Error {
    pub(super) fn new(kind: Kind, span: Span, message: impl Into<Cow<'static, str>>) -> Error {
        Error { kind, span, message: message.into(), help: None }
    }

    pub(super) fn parse(span: Span, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Kind::Parse, span, message)
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
