//! CloudEvents over HTTP: `POST /` and `POST /<namespace>/<broker>`, binary, structured and batch. Answers 202 once the
//! events are durable in the embedded queue (stored mode), or once they have run, with the reply (direct mode), or says why
//! not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::brokers::Brokers;
use super::limits::RateLimit;
use super::reception::{Reception, Taken};
use super::refusal::Refusal;
use crate::config::Secret;
use crate::event::mode::Mode;
use crate::event::{Event, Invalid, Uid, binary, record, structured};

#[derive(Debug)]
pub struct Settings {
    pub max_body: usize,
    pub max_batch: usize,
    pub request_timeout: Duration,
    pub max_concurrent_requests: usize,
    pub requests_per_second: u32,
    pub burst: u32,
    pub token: Option<Secret>,
}

/// How many brokers, and how much of its path, a request for none is told.
const NAMED: usize = 20;
const PATH: usize = 200;

/// The listener's service: shared by all connections.
#[derive(Debug)]
pub struct HttpSource {
    settings: Settings,
    brokers: Brokers,
    reception: Reception,
    rate: RateLimit,
    requests: Arc<Semaphore>,
}

impl HttpSource {
    pub fn new(settings: Settings, brokers: Brokers, reception: Reception) -> Arc<HttpSource> {
        let rate = RateLimit::new(settings.requests_per_second, settings.burst);
        let requests = Arc::new(Semaphore::new(settings.max_concurrent_requests));
        Arc::new(HttpSource { settings, brokers, reception, rate, requests })
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.take(request).await {
            Ok((taken, mode)) => taken.into_response(mode),
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(Taken, Mode), Refusal> {
        let deadline = tokio::time::Instant::now() + self.settings.request_timeout;
        // Who has no token learns nothing, not even which brokers there are.
        self.authorize(request.headers())?;
        let broker = self.broker(request.uri().path())?;
        if request.method() != Method::POST {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "events are sent with POST"));
        }
        self.rate.take(Instant::now()).map_err(|wait| {
            let reason = "more requests a second than http.rate-limit allows";
            Refusal::later(StatusCode::TOO_MANY_REQUESTS, reason, wait)
        })?;
        // Taken before anything is read, given back once all is on disk: so many bodies are in memory and no more.
        let slot = Arc::clone(&self.requests).try_acquire_owned().map_err(|_| {
            let reason = "more requests at once than http.max-concurrent-requests allows";
            Refusal::later(StatusCode::SERVICE_UNAVAILABLE, reason, Duration::from_secs(1))
        })?;
        let (parts, body) = request.into_parts();
        let mode = mode(&parts.headers)?;
        let body = timeout_at(deadline, self.read(body)).await.map_err(|_| {
            let reason = "the body took longer than http.request-timeout";
            Refusal::new(StatusCode::REQUEST_TIMEOUT, reason).closing()
        })??;
        let records = records(mode, &parts.headers, &body, self.settings.max_batch)?;
        drop((parts, body));
        if records.is_empty() {
            return Ok((Taken::Accepted, mode));
        }
        let taken = timeout_at(deadline, self.reception.take(broker, records, slot)).await;
        Ok((taken.map_err(|_| self.reception.late())??, mode))
    }

    fn broker(&self, path: &str) -> Result<Uid, Refusal> {
        let name = match path.trim_matches('/') {
            "" => "default/default",
            name => name,
        };
        let brokers = self.brokers.names();
        brokers.get(name).copied().ok_or_else(|| {
            let mut known: Vec<_> = brokers.keys().map(|name| format!("/{name}")).collect();
            known.sort();
            let more = if known.len() > NAMED { ", ..." } else { "" };
            known.truncate(NAMED);
            let path: String = path.chars().take(PATH).collect();
            let reason = format!("there is no broker at {path}; there is /, {}{more}", known.join(", "));
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
        let limit = self.settings.max_body;
        let too_large = || {
            let reason = format!("the body is longer than http.max-body, {limit} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason).closing()
        };
        // What says how long it is need not be read to be refused: no '100 Continue' is sent for it either.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")).closing())
            }
        }
    }
}

fn mode(headers: &HeaderMap) -> Result<Mode, Refusal> {
    let bad = |reason| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let unsupported = |reason| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
    let mut content_types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = match content_types.next().map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(bad("the Content-Type is not ASCII text")),
    };
    if content_types.next().is_some() {
        return Err(bad("there is more than one Content-Type"));
    }
    // A compressed payload would be stored as if it were of its content type.
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(unsupported("a Content-Encoding is not supported: send the body as it is".to_owned()));
    }
    Mode::of(content_type).map_err(|e| unsupported(e.to_string()))
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
