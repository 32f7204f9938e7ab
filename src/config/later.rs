//! What this version reads and checks, and does not do yet. Each decision stands here once, to be lifted by itself.

use super::Config;
use super::diagnostic::{Code, Report};
use super::text::Span;

/// What is said of one thing that is not done, and what to do meanwhile.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// What a document asks for, and is refused, since events would go nowhere.
pub(super) const SINK_TO_SINK: Later = Later {
    message: "can't be the sink of a source in this version",
    help: "name a Broker, a Function, a Service or a 'uri'",
};
pub(super) const MSK_TOKEN: Later = Later {
    message: "is not supported by this version: there are no tokens of Amazon MSK",
    help: "log in with user, password and type; a token of another's making is the password of the type OAUTHBEARER",
};

impl Later {
    pub(super) fn note(&self, at: Span, subject: &str, report: &mut Report<'_>) {
        report.note(at, format!("{subject} {}", self.message)).code(Code::WITHOUT_EFFECT).help(self.help);
    }

    pub(super) fn refuse(&self, at: Span, subject: &str, report: &mut Report<'_>) {
        report.error(at, format!("{subject} {}", self.message)).code(Code::UNSUPPORTED).help(self.help);
    }
}

/// A document that the worker starts with and does not do what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// `KafkaSource default/orders`.
    pub document: String,
    /// What becomes of its events meanwhile.
    pub message: String,
}

impl Config {
    /// What a worker that starts has to say loudly.
    pub fn idle(&self) -> Vec<Idle> {
        // Everything that is accepted is done.
        Vec::new()
    }
}
