//! What this version reads and checks, and does not do yet. Each decision stands here once, to be lifted by itself.

use super::diagnostic::{Code, Report};
use super::text::Span;
use super::{Config, Reads, SourceSink};

/// What is said of one thing that is not done, and what to do meanwhile.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// Documents that are accepted, and change nothing yet.
pub(super) const KAFKA_SOURCE: Later = Later {
    message: "is read and checked; this version does not consume Kafka yet: its events stay in their topics",
    help: "post them to a broker over HTTP meanwhile",
};
pub(super) const NATS_SOURCE: Later = Later {
    message: "is read and checked; this version does not consume NATS yet: its events stay in their stream",
    help: "post them to a broker over HTTP meanwhile",
};
pub(super) const KAFKA_SINK: Later = Later {
    message: "is read and checked; this version does not write to Kafka yet",
    help: "what would have to go there is refused where it is asked for",
};
pub(super) const NATS_SINK: Later = Later {
    message: "is read and checked; this version does not write to NATS yet",
    help: "what would have to go there is refused where it is asked for",
};
pub(super) const BILLING_SINK: Later = Later {
    message: "is read and checked; this version does not ship usage yet: the journal keeps it",
    help: "'weir cost --format json' gives it to programs",
};

/// What a document asks for, and is refused, since events would go nowhere.
pub(super) const BACKING: Later = Later {
    message: "is not supported by this version",
    help: "only 'queue' is: the worker's own durable queue",
};
pub(super) const DEAD_LETTERS: Later = Later {
    message: "are not supported by this version",
    help: "name a Broker, a Function, a Service or a 'uri', or leave deadLetterSink out: the worker's own store then keeps them",
};
pub(super) const SINK_TO_SINK: Later = Later {
    message: "can't be the sink of a source in this version",
    help: "name a Broker, a Function, a Service or a 'uri'",
};
pub(super) const MSK_TOKEN: Later = Later {
    message: "is not supported by this version: there are no tokens of Amazon MSK",
    help: "log in with user, password and type",
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
        let sources = self.sources.iter().map(|source| {
            let (kind, from, place) = match &source.reads {
                Reads::Kafka(_) => ("KafkaSource", "Kafka", "topics"),
                Reads::Nats(_) => ("NatsSource", "NATS", "stream"),
            };
            let to = match source.sink {
                SourceSink::Broker { .. } => "its broker",
                SourceSink::Subscriber { .. } => "a broker with a trigger for its subscriber",
            };
            Idle {
                document: format!("{kind} {}/{}", source.namespace, source.name),
                message: format!(
                    "this version does not consume {from}: the events stay in their {place}; post them to {to} over \
                     HTTP meanwhile"
                ),
            }
        });
        let billing = self.billing.iter().map(|sink| Idle {
            document: format!("BillingSink {}/{}", sink.namespace, sink.name),
            message: "this version does not ship usage: the journal keeps it, up to journal.max-bytes".into(),
        });
        sources.chain(billing).collect()
    }
}
