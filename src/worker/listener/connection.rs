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

use super::line::Line;
use super::opening::{self, Version};
use super::vigil::{Duty, Vigil};
use super::{Handler, Limits, stopped, tasks};

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

pub(super) async fn serve(
    stream: TcpStream,
    limits: Limits,
    stop: watch::Receiver<bool>,
    held: Held,
    handler: impl Handler,
) {
    // Answers are small and are waited for.
    let _ = stream.set_nodelay(true);
    begin(stream, limits, stop, held, handler).await;
}

async fn begin<S>(
    stream: S,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    held: Held,
    handler: impl Handler,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = tokio::select! {
        opened = timeout(limits.header_timeout, opening::open(stream)) => opened,
        () = held.0.line.to_go() => return tracing::debug!("a silent connection was closed to make room"),
        () = stopped(&mut stop) => return,
    };
    let (version, stream) = match opened {
        Ok(Ok(Some(opened))) => opened,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection ended badly"),
        Err(_) => return tracing::debug!("a connection was cut off: it said nothing"),
    };
    let vigil = Vigil::new(Arc::clone(&held.0.line), limits, stop);
    match version {
        Version::One => one(stream, limits, vigil, held, handler).await,
        Version::Two => two(stream, limits, vigil, held, handler).await,
    }
}

/// The handler's answer, while the line is busy with it.
fn answer(handler: &impl Handler, line: &Arc<Line>, request: Request<Incoming>) -> Answer {
    let turn = line.begin();
    let response = handler.answer(request);
    Box::pin(async move {
        let response = response.await;
        drop(turn);
        Ok(response)
    })
}

async fn one<S>(stream: S, limits: Limits, mut vigil: Vigil, held: Held, handler: impl Handler)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(&handler, &held.0.line, request));
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

async fn two<S>(stream: S, limits: Limits, mut vigil: Vigil, held: Held, handler: impl Handler)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = Arc::clone(&held.0.line);
    let service = service_fn(move |request: Request<Incoming>| {
        // As many as with HTTP/1.1, where it is refused before anybody sees it.
        if request.headers().len() > HEADERS {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Box::pin(std::future::ready(Ok(response))) as Answer;
        }
        answer(&handler, &line, request)
    });
    let mut connection = http2::Builder::new(Tasks(held))
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
