//! The NatsSource document: a stream of JetStream to consume, and where its events go.

use std::time::Duration;

use crate::dispatch::Order;

use super::diagnostic::{Code, Report};
use super::mapping::{self, Mapping};
use super::metadata::Metadata;
use super::nats_connection::{self, NatsConnection};
use super::reader::{self, Fields};
use super::source::{self, Initial, Reads};
use super::subject;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSource {
    pub connection: NatsConnection,
    pub stream: String,
    /// The name of the durable consumer: workers that say the same share its messages.
    pub consumer: String,
    /// Of the stream's. None: all of them. With partitions, what stands before the partition.
    pub subjects: Vec<String>,
    /// The last word of its subjects is one of so many partitions. `None`: its messages are shared one by one.
    pub partitions: Option<u32>,
    /// How long a message may be ours before NATS hands it out again.
    pub ack_wait: Duration,
    /// How many messages may be ours at once.
    pub max_ack_pending: u32,
    /// Where a consumer begins that is new.
    pub initial_position: Initial,
    /// Where messages that are no events have what events say.
    pub mapping: Option<Mapping>,
}

/// Why no order can be kept, and what can be done.
pub(super) const NO_ORDER: (&str, &str) = (
    "a durable consumer gives its messages to whichever worker asks, and some again",
    "set 'partitions' of the NatsSource, whose subjects then end with their partition, and order is kept in each; or say 'unordered'",
);

/// NATS's own.
const ACK_WAIT: Duration = Duration::from_secs(30);
const MAX_ACK_PENDING: u32 = 1000;

pub(super) fn read(
    document: &mut Fields<'_>,
    metadata: &Metadata<'_>,
    report: &mut Report<'_>,
) -> Option<source::Draft> {
    let mut spec = document.required_map("spec", report)?;
    let connection = nats_connection::read(&mut spec, report);
    let stream = spec.required("stream");
    let stream = stream.and_then(|node| subject::name(node, &spec.below("stream"), report));
    let consumer = spec.required("consumer");
    let consumer = consumer.and_then(|node| subject::name(node, &spec.below("consumer"), report));
    let subjects = match spec.optional("subjects") {
        Some(node) => subject::filters(node, &spec.below("subjects"), report),
        None => Some(Vec::new()),
    };
    let partitions = spec.integer("partitions", report).map(|count| count as u32);
    let subjects =
        subjects.filter(|subjects| partitions.is_none() || can_be_cut(&mut spec, subjects, report));
    let wait = spec.optional("ackWait");
    let wait = wait.and_then(|node| reader::some_time(node, &spec.below("ackWait"), report));
    let pending = spec.integer("maxAckPending", report).map(|pending| pending as u32);
    let initial = spec.choice("initialPosition", &Initial::WORDS, report).unwrap_or(Initial::Earliest);
    let initial = source::initial_time(metadata, "spec.initialPosition", report).unwrap_or(initial);
    let mapping = mapping::read(metadata, report);
    let read = connection.zip(stream).zip(consumer).zip(subjects);
    let reads = read.map(|(((connection, stream), consumer), subjects)| {
        Reads::Nats(NatsSource {
            connection,
            stream,
            consumer,
            subjects,
            partitions,
            ack_wait: wait.unwrap_or(ACK_WAIT),
            max_ack_pending: pending.unwrap_or(MAX_ACK_PENDING),
            initial_position: initial,
            mapping,
        })
    });
    if partitions.is_none() {
        refuse_order(&mut spec, report);
    }
    let orders = [("unordered", Order::Unordered), ("key", Order::Key), ("ordered", Order::Ordered)];
    Some(source::read(spec, metadata, &orders, reads, report))
}

/// A durable asks for what ends with its partition: that can be said of subjects that have an end.
fn can_be_cut(spec: &mut Fields<'_>, subjects: &[String], report: &mut Report<'_>) -> bool {
    let wrong = subjects.is_empty() || subjects.iter().any(|s| s == ">" || s.ends_with(".>"));
    if wrong {
        let span = spec.entry("subjects").or(spec.entry("partitions")).map(|entry| entry.value.span);
        let message = format!(
            "{}: with 'partitions' it has to say the subjects, without their last word, and none may end with '>'",
            spec.below("subjects")
        );
        if let Some(span) = span {
            report
                .error(span, message)
                .help("for orders.created.0, orders.created.1, … write orders.created or orders.*");
        }
    }
    !wrong
}

/// A worker alone could keep one; two could not, and nothing would say so.
fn refuse_order(spec: &mut Fields<'_>, report: &mut Report<'_>) {
    let said = spec.entry("ordering").and_then(|entry| Some((entry, entry.value.text()?)));
    if let Some((entry, order @ ("key" | "ordered"))) = said {
        let (why, help) = NO_ORDER;
        let message = format!("{}: '{order}' can't be kept: {why}", spec.below("ordering"));
        report.error(entry.value.span, message).code(Code::UNSUPPORTED).help(help);
    }
}
