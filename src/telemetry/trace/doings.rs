//! What the worker does itself (it starts, loads functions, reloads, drains), as `tracing` spans of one target, which
//! OpenTelemetry's SDK times and names. What an event sets off is none of it: its spans are made in `span.rs`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// Of the spans that are meant; the log leaves them out.
pub const DOING: &str = "weir::doing";

/// Of a start with more functions than that the last are left out.
const WAITING: usize = 2048;

/// The process has one log and one of these: both hang on the subscriber of all threads.
static WAITING_FOR_EXPORT: Mutex<Waiting> = Mutex::new(Waiting { spans: Vec::new(), dropped: 0 });

#[derive(Debug)]
pub struct Waiting {
    pub spans: Vec<SpanData>,
    /// For which there was no room.
    pub dropped: u64,
}

impl Waiting {
    /// All that there is.
    pub fn take() -> Waiting {
        let mut waiting = WAITING_FOR_EXPORT.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut waiting, Waiting { spans: Vec::new(), dropped: 0 })
    }

    fn keep(&mut self, span: SpanData) {
        if self.spans.len() < WAITING {
            self.spans.push(span);
        } else {
            self.dropped += 1;
        }
    }
}

/// What makes them of `tracing`'s. There are few, so all are taken.
pub fn layer<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let provider =
        SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_span_processor(Keep).build();
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("weir.worker"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(DOING, tracing::Level::INFO))
}

/// Keeps them for whoever exports.
#[derive(Debug)]
struct Keep;

impl SpanProcessor for Keep {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        WAITING_FOR_EXPORT.lock().unwrap_or_else(PoisonError::into_inner).keep(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Value;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn spans_of_the_target_are_kept_with_their_parents_and_others_are_not() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            let reload = tracing::info_span!(target: DOING, "reload", set = tracing::field::Empty).entered();
            tracing::info_span!("another").in_scope(|| ());
            tracing::info_span!(target: DOING, "load", function = "default/pay").in_scope(|| ());
            reload.record("set", "abc");
        });
        let Waiting { spans, dropped } = Waiting::take();
        let [load, reload] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!((&*load.name, &*reload.name, dropped), ("load", "reload", 0));
        assert_eq!(load.parent_span_id, reload.span_context.span_id());
        let said = |span: &SpanData, name: &str| {
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
            found.map(|attribute| attribute.value.clone())
        };
        assert_eq!(said(load, "function"), Some(Value::from("default/pay")));
        assert_eq!(said(reload, "set"), Some(Value::from("abc")));
        let mut full = Waiting { spans: Vec::new(), dropped: 0 };
        (0..WAITING + 3).for_each(|_| full.keep(load.clone()));
        assert_eq!((full.spans.len(), full.dropped), (WAITING, 3));
    }
}
