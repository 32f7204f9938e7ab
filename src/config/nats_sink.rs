//! The NatsSink document: a subject to write to.

use super::diagnostic::Report;
use super::nats_connection::{self, NatsConnection};
use super::reader::Fields;
use super::sink::ContentMode;
use super::subject;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSink {
    pub connection: NatsConnection,
    pub subject: String,
    /// The stream that must keep what is written. `None`: whichever has the subject.
    pub stream: Option<String>,
    /// The subject's last word is one of so many, by the event's key.
    pub partitions: Option<u32>,
    pub content_mode: ContentMode,
}

impl NatsSink {
    /// All that it writes to: with partitions, a word for any of them at the end.
    pub fn subjects(&self) -> String {
        if self.partitions.is_some() { format!("{}.*", self.subject) } else { self.subject.clone() }
    }

    /// One that it writes to, by which its stream is found.
    pub fn one_subject(&self) -> String {
        if self.partitions.is_some() { format!("{}.0", self.subject) } else { self.subject.clone() }
    }
}

pub(super) fn read(document: &mut Fields<'_>, report: &mut Report<'_>) -> Option<NatsSink> {
    let mut spec = document.required_map("spec", report)?;
    let connection = nats_connection::read(&mut spec, report);
    let subject = spec.required("subject");
    let subject = subject.and_then(|node| subject::one(node, &spec.below("subject"), report));
    let stream = spec.optional("stream");
    let stream = stream.and_then(|node| subject::name(node, &spec.below("stream"), report));
    let partitions = spec.integer("partitions", report).map(|count| count as u32);
    let mode = spec.choice("contentMode", &ContentMode::WORDS, report);
    spec.finish(report);
    let (connection, subject) = connection.zip(subject)?;
    Some(NatsSink { connection, subject, stream, partitions, content_mode: mode.unwrap_or_default() })
}
