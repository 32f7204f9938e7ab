//! The NatsSink document: a subject to write to.

use super::diagnostic::Report;
use super::metadata::Metadata;
use super::nats_connection::{self, NatsConnection};
use super::reader::{self, Fields};
use super::sink::ContentMode;
use super::subject;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSink {
    pub connection: NatsConnection,
    pub subject: String,
    /// The stream that must keep what is written. `None`: whichever has the subject.
    pub stream: Option<String>,
    pub content_mode: ContentMode,
}

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<NatsSink> {
    metadata.check_annotations("weir.dev/", &[], report);
    let mut spec = Fields::of(document.required("spec")?, "NatsSink.spec", report)?;
    let connection = nats_connection::read(&mut spec, report);
    let subject = spec.required("subject");
    let subject = subject.and_then(|node| subject::one(node, &spec.below("subject"), report));
    let stream = spec.optional("stream");
    let stream = stream.and_then(|node| subject::name(node, &spec.below("stream"), report));
    let mode = spec.optional("contentMode");
    let mode =
        mode.and_then(|node| reader::choice(node, &spec.below("contentMode"), &ContentMode::WORDS, report));
    spec.finish(report);
    let (connection, subject) = connection.zip(subject)?;
    Some(NatsSink { connection, subject, stream, content_mode: mode.unwrap_or_default() })
}
