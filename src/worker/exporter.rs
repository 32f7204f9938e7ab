//! Carries spans and numbers to whoever receives OTLP. A receiver that is slow or gone costs the worker nothing but what
//! waits for it, which has a limit, and a count of what found no room.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::admin::Readiness;
use super::carrier::{Carrier, Refused};
use super::doings::{Doings, Sent};
use super::report;
use crate::config::Settings;
use crate::event::Uid;
use crate::telemetry::limit::Limit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp::Resource;
use crate::telemetry::trace::Span;
use crate::time::unix_nanos;

/// Spans that go together.
const BATCH: usize = 512;
/// How often it is looked whether there are spans.
const LOOK: Duration = Duration::from_millis(200);
/// A receiver is tried again after so long, then after twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often the log says what was left out of it.
const TOLD: Duration = Duration::from_secs(5);
/// What is left at the end gets so long.
const FAREWELL: Duration = Duration::from_secs(2);

static FAILED: Limit = Limit::new("telemetry can't be exported", 1);

pub(super) struct Exporter {
    carrier: Carrier,
    doings: Doings,
    resource: Resource,
    /// All numbers of this worker.
    readiness: Readiness,
    /// How often they are sent.
    interval: Duration,
}

type Stop = watch::Receiver<bool>;

impl Exporter {
    /// `None`: there is nowhere to export to.
    pub(super) fn new(settings: &Settings, readiness: Readiness) -> Result<Option<Exporter>, String> {
        let Some(endpoint) = &settings.telemetry_otlp_endpoint.0 else { return Ok(None) };
        let env = |name: &str| std::env::var(name).ok();
        let headers = match &settings.telemetry_otlp_headers {
            Some(reference) => {
                let secret = reference.resolve(&settings.secrets_dir, &env);
                secret.map_err(|e| format!("telemetry.otlp.headers: {e}"))?.expose().to_owned()
            }
            None => env("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default(),
        };
        let carrier = Carrier::new(endpoint, settings.telemetry_otlp_protocol, headers.trim())?;
        let mut instance = [0; 16];
        getrandom::fill(&mut instance).map_err(|e| format!("there is no randomness: {e}"))?;
        let instance = Uid(u128::from_be_bytes(instance)).to_string();
        let resource = Resource::new(&instance, &env);
        let doings = Doings::new(&carrier, &resource)?;
        Ok(Some(Exporter {
            carrier,
            doings,
            resource,
            readiness,
            interval: settings.telemetry_otlp_interval,
        }))
    }

    /// Until it is told to stop, and a little longer for what is left.
    pub(super) async fn run(self, stop: Stop) {
        let metrics = Arc::clone(&self.readiness.scrape.metrics);
        let doings = self.doings(&metrics, stop.clone());
        tokio::join!(self.spans(&metrics, stop.clone()), doings, self.numbers(&metrics, stop));
    }

    async fn spans(&self, metrics: &Metrics, mut stop: Stop) {
        let mut batch = Vec::new();
        let mut stopping = stop.clone();
        // What is under way at the stop is waited for: broken off and sent again, it would arrive twice.
        let over = async {
            stopped(&mut stopping).await;
            sleep(FAREWELL).await;
        };
        let all = async {
            let (mut wait, mut last) = (FIRST_WAIT, false);
            loop {
                if batch.is_empty() {
                    batch = metrics.spans.take(BATCH);
                }
                if batch.is_empty() {
                    if last {
                        return;
                    }
                    last = stops_within(LOOK, &mut stop).await;
                } else if self.send(&mut batch, metrics).await {
                    wait = FIRST_WAIT;
                } else if last {
                    return;
                } else {
                    last = stops_within(wait, &mut stop).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = over => {}
        }
        metrics.spans.dropped.share(batch.len() as u64);
        metrics.spans.close();
    }

    /// False: the batch is to be sent again. One that the receiver does not want is not.
    async fn send(&self, batch: &mut Vec<Span>, metrics: &Metrics) -> bool {
        let count = batch.len() as u64;
        let spans = &metrics.spans;
        match self.carrier.spans(self.resource.spans(&*batch)).await {
            Ok(()) => spans.sent.share(count),
            Err(refused) => {
                spans.failures.share(1);
                say(&refused);
                if refused.is_passing {
                    return false;
                }
                spans.refused.share(count);
            }
        }
        batch.clear();
        true
    }

    /// Of those no receiver took the rest is not tried again: OpenTelemetry's exporter has.
    async fn doings(&self, metrics: &Metrics, mut stop: Stop) {
        let mut stopping = stop.clone();
        let mut over = pin!(async {
            stopped(&mut stopping).await;
            sleep(FAREWELL).await;
        });
        loop {
            let last = stops_within(LOOK, &mut stop).await;
            let sent = self.doings.send(&metrics.spans, over.as_mut()).await;
            let is_over = sent.map_err(|refused| say(&refused)) == Ok(Sent::TooLate);
            if last || is_over {
                return;
            }
        }
    }

    async fn numbers(&self, metrics: &Metrics, mut stop: Stop) {
        let begun = unix_nanos();
        loop {
            let last = stops_within(self.interval, &mut stop).await;
            let request = self.resource.numbers(&self.readiness.snapshot(), begun, unix_nanos());
            let send = async {
                if let Err(refused) = self.carrier.numbers(request).await {
                    metrics.failed_exports.share(1);
                    say(&refused);
                }
            };
            if last {
                let _ = timeout(FAREWELL, send).await;
                return;
            }
            tokio::select! {
                () = send => {}
                () = stopped(&mut stop) => {}
            }
        }
    }
}

fn say(refused: &Refused) {
    if FAILED.admits() {
        tracing::warn!(cause = %refused.cause, "telemetry can't be exported");
    }
}

/// Says now and then what was left out of the log, where no other line did.
pub(super) async fn tell_suppressed(mut stop: Stop) {
    loop {
        let last = stops_within(TOLD, &mut stop).await;
        report::tell_suppressed();
        FAILED.tell();
        if last {
            return;
        }
    }
}

async fn stopped(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn stops_within(wait: Duration, stop: &mut Stop) -> bool {
    timeout(wait, stopped(stop)).await.is_ok()
}
