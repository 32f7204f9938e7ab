//! A span with the attributes of OpenTelemetry's conventions for messaging and for CloudEvents, and our own under `weir.`.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as Message, Status};

use super::attribute;
use crate::dispatch::{End, Outcome, Reason};
use crate::telemetry::trace::{Of, Span};

/// The trace is sampled; where the parent is is known, and whether it is another process.
const SAMPLED: u32 = 0x001;
const KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

pub(super) fn message(span: &Span) -> Message {
    let about = &span.about;
    let mut attributes = vec![
        attribute("messaging.system", "weir"),
        attribute("messaging.operation.type", "process"),
        attribute("messaging.operation.name", "process"),
        attribute("messaging.message.id", &*about.id),
        attribute("cloudevents.event_id", &*about.id),
        attribute("cloudevents.event_source", &*about.source),
        attribute("cloudevents.event_type", &*about.ty),
        attribute("cloudevents.event_spec_version", "1.0"),
        attribute("weir.trigger", &*about.trigger),
        attribute("weir.function", &*about.function),
        attribute("weir.delivery", &*about.delivery.to_string()),
    ];
    attributes
        .extend(about.subject.as_deref().map(|subject| attribute("cloudevents.event_subject", subject)));
    let (name, kind, flags, failed) = match span.of {
        Of::Attempt { number, outcome, reason, is_cold, fuel } => {
            attributes.extend([
                attribute("weir.attempt", u64::from(number)),
                attribute("weir.outcome", outcome.as_str()),
                attribute("weir.cold", is_cold),
                attribute("weir.fuel", fuel),
            ]);
            let failed = (outcome != Outcome::Succeeded).then_some(reason);
            (format!("attempt {}", about.trigger), SpanKind::Internal, SAMPLED | KNOWN, failed)
        }
        Of::Delivery { attempts, end, reason } => {
            let end_name = match end {
                End::Delivered => "delivered",
                End::DeadLettered | End::GivenUp => "dead-lettered",
                End::Returned => "returned",
            };
            attributes
                .extend([attribute("weir.attempts", u64::from(attempts)), attribute("weir.end", end_name)]);
            let remote = if span.parent.is_some() { REMOTE } else { 0 };
            let failed = (end != End::Delivered).then_some(reason);
            (format!("process {}", about.trigger), SpanKind::Consumer, SAMPLED | KNOWN | remote, failed)
        }
    };
    Message {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: span.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
        trace_state: span.state.as_deref().unwrap_or_default().to_owned(),
        flags,
        name,
        kind: kind as i32,
        start_time_unix_nano: span.started,
        end_time_unix_nano: span.ended,
        status: failed.map(|reason| status(reason, &mut attributes)),
        attributes,
        ..Message::default()
    }
}

/// The reason alone: what a function has to say of it may hold anything.
fn status(reason: Reason, attributes: &mut Vec<KeyValue>) -> Status {
    attributes.extend([attribute("weir.reason", reason.as_str()), attribute("error.type", reason.as_str())]);
    Status { message: reason.as_str().to_owned(), code: StatusCode::Error as i32 }
}
