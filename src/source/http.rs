//! CloudEvents over HTTP: `POST /` and `POST /<namespace>/<broker>`, binary, structured and batch. Answers 202 once the
//! events are durable in the embedded queue (stored mode), or says why not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::intake::{Intake, Refused};
use super::limits::RateLimit;
use crate::config::Secret;
use crate::event::mode::Mode;
use crate::event::{Event, Invalid, Uid, binary, record, structured};

#[derive(Debug)]
pub struct Settings {
    pub max_body: usize,
    pub max_batch: usize,
    pub body_timeout: Duration,
    pub max_concurrent_requests: usize,
    pub requests_per_second: u32,
    pub burst: u32,
    pub token: Option<Secret>,
}

/// The listener's service: shared by all connections.
#[derive(Debug)]
pub struct HttpSource {
    settings: Settings,
    /// By "namespace/name".
    brokers: HashMap<String, Uid>,
    intake: Intake,
    rate: RateLimit,
    requests: Semaphore,
}

/// What a request gets that is not taken.
struct Refusal {
    status: StatusCode,
    reason: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into(), retry_after: None }
    }

    fn later(status: StatusCode, reason: impl Into<String>, wait: Duration) -> Refusal {
        Refusal { status, reason: reason.into(), retry_after: Some(wait) }
    }
}

impl HttpSource {
    pub fn new(settings: Settings, brokers: HashMap<String, Uid>, intake: Intake) -> Arc<HttpSource> {
        let rate = RateLimit::new(settings.requests_per_second, settings.burst);
        let requests = Semaphore::new(settings.max_concurrent_requests);
        Arc::new(HttpSource { settings, brokers, intake, rate, requests })
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.take(request).await {
            Ok(()) => respond(StatusCode::ACCEPTED, Bytes::new()),
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let broker = self.broker(request.uri().path())?;
        if request.method() != Method::POST {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "events are sent with POST"));
        }
        self.authorize(request.headers())?;
        self.rate.take(Instant::now()).map_err(|wait| {
            let reason = "more requests a second than http.rate-limit allows";
            Refusal::later(StatusCode::TOO_MANY_REQUESTS, reason, wait)
        })?;
        let _slot = self.requests.try_acquire().map_err(|_| {
            let reason = "more requests at once than http.max-concurrent-requests allows";
            Refusal::later(StatusCode::SERVICE_UNAVAILABLE, reason, Duration::from_secs(1))
        })?;
        let (parts, body) = request.into_parts();
        let mode = mode(&parts.headers)?;
        let body = self.read(body).await?;
        let records = records(mode, &parts.headers, &body, self.settings.max_batch)?;
        if records.is_empty() {
            return Ok(());
        }
        self.intake.store(broker, records).await.map_err(|refused| {
            let status = match refused {
                Refused::Busy | Refused::QueueFull | Refused::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                Refused::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
                Refused::Store => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Refusal::later(status, refused.to_string(), Duration::from_secs(1))
        })
    }

    fn broker(&self, path: &str) -> Result<Uid, Refusal> {
        let name = match path.trim_matches('/') {
            "" => "default/default",
            name => name,
        };
        self.brokers.get(name).copied().ok_or_else(|| {
            let mut known: Vec<_> = self.brokers.keys().map(|name| format!("/{name}")).collect();
            known.sort();
            let reason = format!("there is no broker at {path}; there is /, {}", known.join(", "));
            Refusal::new(StatusCode::NOT_FOUND, reason)
        })
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.settings.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // Digests are compared, so that the time taken tells nothing about the token.
        let right = given.is_some_and(|g| blake3::hash(g) == blake3::hash(token.expose().as_bytes()));
        if right {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "the request needs 'Authorization: Bearer <http.token>'"))
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let limited = Limited::new(body, self.settings.max_body).collect();
        match tokio::time::timeout(self.settings.body_timeout, limited).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let reason =
                    format!("the body is longer than http.max-body, {} bytes", self.settings.max_body);
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason))
            }
            Ok(Err(error)) => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")))
            }
            Err(_) => Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body took longer than http.request-timeout",
            )),
        }
    }
}

fn mode(headers: &HeaderMap) -> Result<Mode, Refusal> {
    let content_type = match headers.get(CONTENT_TYPE).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "the Content-Type is not ASCII text"));
        }
    };
    Mode::of(content_type).map_err(|e| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, e.to_string()))
}

/// The request's events as records. One that is invalid refuses them all: nothing is half taken.
fn records(mode: Mode, headers: &HeaderMap, body: &[u8], max_batch: usize) -> Result<Vec<Vec<u8>>, Refusal> {
    let invalid = |error: Invalid| Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
    match mode {
        Mode::Binary => {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            Ok(vec![encode(&binary::decode_http(headers, body).map_err(invalid)?)])
        }
        Mode::Structured => Ok(vec![encode(&structured::decode(body).map_err(invalid)?)]),
        Mode::Batch => {
            Ok(structured::decode_batch(body, max_batch).map_err(invalid)?.iter().map(encode).collect())
        }
    }
}

fn encode(event: &Event<'_>) -> Vec<u8> {
    let mut record = Vec::with_capacity(512);
    record::encode(event, &mut record);
    record
}

impl Refusal {
    /// RFC 9457, so that a machine finds the status and a person the reason.
    fn into_response(self) -> Response<Full<Bytes>> {
        let problem = serde_json::json!({
            "status": self.status.as_u16(),
            "title": self.status.canonical_reason(),
            "detail": self.reason,
        });
        let mut response = respond(self.status, Bytes::from(problem.to_string()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            // Whole seconds, at least one: what the header can say.
            let seconds = (wait.as_millis().div_ceil(1000)).clamp(1, 3600) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(hyper::header::ALLOW, HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        response
    }
}

fn respond(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
