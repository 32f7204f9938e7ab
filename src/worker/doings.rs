//! Exports the spans of what the worker does itself, with OpenTelemetry's own exporter.

use std::pin::Pin;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SpanExporter as _;

use super::carrier::{Carrier, Refused};
use crate::telemetry::Shown;
use crate::telemetry::otlp::Resource;
use crate::telemetry::trace::Spans;
use crate::telemetry::trace::doings::Waiting;

pub(super) struct Doings(SpanExporter);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    TooLate,
}

impl Doings {
    pub(super) fn new(carrier: &Carrier, resource: &Resource) -> Result<Doings, String> {
        let mut exporter = carrier.exporter()?;
        exporter.set_resource(&resource.sdk());
        Ok(Doings(exporter))
    }

    /// All that wait, unless it is over before they are there.
    pub(super) async fn send(
        &self,
        counts: &Spans,
        over: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Sent, Refused> {
        let Waiting { spans, dropped } = Waiting::take();
        counts.dropped.share(dropped);
        if spans.is_empty() {
            return Ok(Sent::All);
        }
        let count = spans.len() as u64;
        let exported = tokio::select! {
            exported = self.0.export(spans) => exported,
            () = over => {
                counts.dropped.share(count);
                return Ok(Sent::TooLate);
            }
        };
        let Err(error) = exported else {
            counts.sent.share(count);
            return Ok(Sent::All);
        };
        counts.failures.share(1);
        counts.dropped.share(count);
        Err(Refused { cause: Shown(&error.to_string()).to_string(), is_passing: false })
    }
}
