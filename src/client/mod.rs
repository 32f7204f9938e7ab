//! How others are reached: clients of Kafka (`kafka.rs`) and NATS (`nats.rs`), and the one HTTP client. This has pooled
//! connections, HTTP/1.1 and HTTP/2 (where TLS agrees on it), everything within limits. It never follows a redirect, uses no
//! proxy, and connects where its `Reach` says alone.

mod answer;
pub mod bearer;
mod connector;
pub mod detours;
mod failure;
pub mod kafka;
pub mod lifeline;
pub mod nats;
mod resolver;
mod trust;

pub use answer::{Answer, Body};
pub use failure::Failure;
pub use trust::{BadCertificates, Trust};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, connect};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::config::Reach;
use connector::Timely;
use resolver::Resolver;

/// Headers of an answer, and the bytes that its head may take up.
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;
/// A connection that carries several requests is asked so often whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// For the words of who refuses.
const PATIENCE: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may take to find, reach and agree on TLS with a server.
    pub connect: Duration,
    /// Connections that are kept for each server while nobody needs them, and how long.
    pub idle: usize,
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connect: Duration::from_secs(10), idle: 64, idle_time: Duration::from_secs(60) }
    }
}

/// What one exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From now to the answer's last byte.
    pub deadline: Duration,
    /// Of the body of an answer of success.
    pub body: usize,
    /// Of any other's: so much is read, the rest is left.
    pub refusal: usize,
}

type Connector = Timely<HttpsConnector<HttpConnector<Resolver>>>;

/// Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    reach: Arc<Reach>,
}

impl Client {
    /// Its requests are to be made on a tokio runtime.
    pub fn new(limits: Limits, reach: Arc<Reach>, trust: &Trust) -> Client {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(Arc::clone(&reach)));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(trust.config())
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle_time)
            .pool_max_idle_per_host(limits.idle)
            .http1_max_headers(HEADERS)
            .http1_max_buf_size(HEADER_BYTES)
            .http2_max_header_list_size(HEADER_BYTES as u32)
            .http2_keep_alive_interval(PING)
            .build(Timely::new(tls, limits.connect));
        Client { http, reach }
    }

    /// One exchange. An answer is one whatever its status; what became of its body stands in it.
    pub async fn send(&self, request: Request<Full<Bytes>>, bounds: Bounds) -> Result<Answer, Failure> {
        let until = Instant::now() + bounds.deadline;
        // An address in the URL itself is not looked up, so nobody else would ask.
        resolver::look_at_literal(request.uri(), &self.reach)?;
        let response = match timeout_at(until, self.http.request(request)).await {
            Ok(response) => response.map_err(|error| Failure::of(&error))?,
            Err(_) => return Err(Failure::Deadline(bounds.deadline)),
        };
        let (head, body) = response.into_parts();
        let body = match head.status {
            // Nothing of it means anything: it is not waited for.
            StatusCode::ACCEPTED => Body::Whole(Bytes::new()),
            status if status.is_success() => Body::read(body, bounds.body, until).await,
            _ => Body::read(body, bounds.refusal, until.min(Instant::now() + PATIENCE)).await,
        };
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// A connection of a server's: what the pool asks of it.
trait Stream: hyper::rt::Read + hyper::rt::Write + connect::Connection + Unpin + Send + 'static {}
impl<S: hyper::rt::Read + hyper::rt::Write + connect::Connection + Unpin + Send + 'static> Stream for S {}
