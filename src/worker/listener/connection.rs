//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, as its client begins.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::line::Line;
use super::opening::{self, Version};
use super::tls::{self, Tls};
use super::vigil::{Duty, Vigil};
use super::{Handler, Limits, stopped, tasks};
use crate::source::http::ClientCertificate;

/// Headers of a request, and the bytes that they may take up together.
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;
/// HTTP/2: requests of one connection at a time.
const STREAMS: u32 = 128;
/// What of bodies may be under way that is not read yet, of one request and of a connection's together.
const STREAM_WINDOW: u32 = 128 << 10;
const WINDOW: u32 = 512 << 10;
/// What of one answer is kept for a client that does not read it.
const SEND_BUFFER: usize = 64 << 10;
/// Requests taken back by the client before they were looked at, and refused by us, before the connection is closed.
const RESETS: usize = 20;
const ERRORS: usize = 200;
/// How often a client that says nothing is asked whether it is there.
const ASK: Duration = Duration::from_secs(15);
/// How long the rest of a request is read and thrown away after the last answer. Were it not read, the kernel would
/// reset the connection, and a client that still sends would never see why it was refused.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection takes up until it, and all that its requests began, has ended.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    line: Arc<Line>,
    _slot: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn new(slot: OwnedSemaphorePermit, line: Arc<Line>) -> Held {
        Held(Arc::new(Inner { line, _slot: slot }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.line.close();
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Its requests run as tasks of their own with HTTP/2, and hold the connection's slot as long as it does.
#[derive(Clone)]
struct Tasks(Held);

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        let held = self.0.clone();
        tasks::task(async move {
            future.await;
            drop(held);
        });
    }
}

/// What a connection is served with.
pub(super) struct Accepting<H> {
    pub(super) limits: Limits,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) held: Held,
    pub(super) handler: H,
}

impl<H: Handler> Accepting<H> {
    pub(super) async fn serve(mut self, stream: TcpStream, tls: Option<Arc<Tls>>) {
        // Answers are small and are waited for.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.begin(stream, None).await };
        let shaking = TlsAcceptor::from(tls.config()).accept(stream);
        let Some(stream) = self.within("TLS", shaking).await else { return };
        let certificates = stream.get_ref().1.peer_certificates();
        let subject = certificates.and_then(|chain| tls::subject(chain.first()?));
        self.begin(stream, subject.map(|subject| ClientCertificate(subject.into()))).await;
    }

    /// What the client says first, unless it takes too long, has to make room, or the worker stops.
    async fn within<T>(&mut self, what: &str, saying: impl Future<Output = std::io::Result<T>>) -> Option<T> {
        let said = tokio::select! {
            said = timeout(self.limits.header_timeout, saying) => said,
            () = self.held.0.line.to_go() => {
                tracing::debug!("a silent connection was closed to make room");
                return None;
            }
            () = stopped(&mut self.stop) => return None,
        };
        match said {
            Ok(Ok(said)) => return Some(said),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection ended badly before its first request: {what}")
            }
            Err(_) => tracing::debug!("a connection was cut off: {what} took too long"),
        }
        None
    }

    async fn begin<S>(mut self, stream: S, client: Option<ClientCertificate>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(Some((version, stream))) = self.within("its beginning", opening::open(stream)).await else {
            return;
        };
        let vigil = Vigil::new(Arc::clone(&self.held.0.line), self.limits, self.stop);
        let serving = Serving { line: Arc::clone(&self.held.0.line), client, handler: self.handler };
        match version {
            Version::One => one(stream, self.limits, vigil, serving).await,
            Version::Two => two(stream, self.limits, vigil, serving, Tasks(self.held.clone())).await,
        }
        drop(self.held);
    }
}

struct Serving<H> {
    line: Arc<Line>,
    client: Option<ClientCertificate>,
    handler: H,
}

impl<H: Handler> Serving<H> {
    /// The handler's answer, while the line is busy with it.
    fn answer(&self, mut request: Request<Incoming>) -> Answer {
        if let Some(client) = &self.client {
            request.extensions_mut().insert(client.clone());
        }
        let turn = self.line.begin();
        let response = self.handler.answer(request);
        Box::pin(async move {
            let response = response.await;
            drop(turn);
            Ok(response)
        })
    }
}

async fn one<S>(stream: S, limits: Limits, mut vigil: Vigil, serving: Serving<impl Handler>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| serving.answer(request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        // A client may say that it sends no more and still wait for its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            duty = vigil.next() => match duty {
                Duty::Leave => Pin::new(&mut connection).graceful_shutdown(),
                Duty::CutOff => return,
            },
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    let mut stream = connection.into_parts().io.into_inner();
    let linger = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _ = timeout(LINGER, linger).await;
}

async fn two<S>(stream: S, limits: Limits, mut vigil: Vigil, serving: Serving<impl Handler>, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        // As many as with HTTP/1.1, where it is refused before anybody sees it.
        if request.headers().len() > HEADERS {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Box::pin(std::future::ready(Ok(response))) as Answer;
        }
        serving.answer(request)
    });
    let mut connection = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS)
        .keep_alive_interval(ASK)
        .keep_alive_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            duty = vigil.next() => match duty {
                Duty::Leave => Pin::new(&mut connection).graceful_shutdown(),
                Duty::CutOff => return,
            },
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
