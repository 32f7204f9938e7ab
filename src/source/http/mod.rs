//! CloudEvents over HTTP: `POST /` and `POST /<namespace>/<broker>`, binary, structured and batch. Answers 202 once the
//! events are durable in the embedded queue (stored mode), or once they have run, with the reply (direct mode), or says why
//! not. `OPTIONS` is the web hooks' handshake.

mod authority;
mod events;
mod handshake;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::CONNECTION;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::event::Uid;
use crate::event::mode::Mode;
use crate::source::brokers::Brokers;
use crate::source::limits::RateLimit;
use crate::source::reception::{Reception, Taken};
use crate::source::refusal::Refusal;
use authority::Identity;
use events::{mode, records};
use handshake::Handshake;

pub use authority::{Authority, Jwks, Kept, Oidc, Place, Tokens};

#[derive(Debug)]
pub struct Settings {
    pub max_body: usize,
    pub max_batch: usize,
    pub request_timeout: Duration,
    pub max_concurrent_requests: usize,
    pub requests_per_second: u32,
    pub burst: u32,
    pub authority: Authority,
    /// Who may ask for an allowance to send here; `*`: anyone.
    pub allowed_origins: Vec<String>,
}

/// Whom the certificate of a request's connection names, where clients must have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<str>);

/// How many brokers, and how much of its path, a request for none is told.
const NAMED: usize = 20;
const PATH: usize = 200;

/// The listener's service: shared by all connections.
#[derive(Debug)]
pub struct HttpSource {
    settings: Settings,
    handshake: Handshake,
    brokers: Brokers,
    reception: Reception,
    rate: RateLimit,
    requests: Arc<Semaphore>,
}

impl HttpSource {
    pub fn new(mut settings: Settings, brokers: Brokers, reception: Reception) -> Arc<HttpSource> {
        let origins = std::mem::take(&mut settings.allowed_origins);
        let handshake = Handshake::new(origins, settings.requests_per_second);
        let rate = RateLimit::new(settings.requests_per_second, settings.burst);
        let requests = Arc::new(Semaphore::new(settings.max_concurrent_requests));
        Arc::new(HttpSource { settings, handshake, brokers, reception, rate, requests })
    }

    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let version = request.version();
        let mut response = if Handshake::is_asked_for(&request) {
            self.handshake.answer(request.headers()).unwrap_or_else(Refusal::into_response)
        } else {
            match self.take(request).await {
                Ok((taken, mode)) => taken.into_response(mode),
                Err(refusal) => refusal.into_response(),
            }
        };
        if version == Version::HTTP_2 {
            // Only this stream ends; HTTP/2 has no such header.
            response.headers_mut().remove(CONNECTION);
        }
        response
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(Taken, Mode), Refusal> {
        let deadline = tokio::time::Instant::now() + self.settings.request_timeout;
        // Who has no token learns nothing, not even which brokers there are.
        let identity = self.identity(&request, deadline).await?;
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
            Refusal::later(StatusCode::TOO_MANY_REQUESTS, reason, Duration::from_secs(1))
        })?;
        let (parts, body) = request.into_parts();
        let mode = mode(&parts.headers)?;
        let body = timeout_at(deadline, self.read(body)).await.map_err(|_| {
            let reason = "the body took longer than http.request-timeout";
            Refusal::new(StatusCode::REQUEST_TIMEOUT, reason).closing()
        })??;
        let records = records(mode, &parts.headers, &body, self.settings.max_batch, identity.as_ref())?;
        drop((parts, body));
        if records.is_empty() {
            return Ok((Taken::Accepted, mode));
        }
        let taken = timeout_at(deadline, self.reception.take(broker, records, slot)).await;
        Ok((taken.map_err(|_| self.reception.late())??, mode))
    }

    async fn identity(
        &self,
        request: &Request<Incoming>,
        deadline: tokio::time::Instant,
    ) -> Result<Option<Identity>, Refusal> {
        let checked = self.settings.authority.check(request.headers(), request.extensions().get());
        timeout_at(deadline, checked).await.map_err(|_| {
            let reason = "the token could not be verified within http.request-timeout";
            Refusal::later(StatusCode::SERVICE_UNAVAILABLE, reason, Duration::from_secs(1))
        })?
    }

    /// What is to be looked after while the listener is open; it never ends.
    pub async fn keep(&self) {
        self.settings.authority.keep().await;
    }

    fn broker(&self, path: &str) -> Result<Uid, Refusal> {
        let name = match path.trim_matches('/') {
            "" => "default/default",
            name => name,
        };
        let brokers = self.brokers.names();
        brokers.paths.get(name).copied().ok_or_else(|| {
            let mut known: Vec<_> = brokers.paths.keys().map(|name| format!("/{name}")).collect();
            known.sort();
            let more = if known.len() > NAMED { ", ..." } else { "" };
            known.truncate(NAMED);
            let path: String = path.chars().take(PATH).collect();
            let reason = format!("there is no broker at {path}; there is /, {}{more}", known.join(", "));
            Refusal::new(StatusCode::NOT_FOUND, reason)
        })
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
