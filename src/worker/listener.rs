//! Accepts HTTP connections, within limits, until told to stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::tasks;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    pub header_timeout: Duration,
    /// How long open connections get to finish their request once the listener stops.
    pub farewell: Duration,
}

/// Headers of a request, and the bytes that they may take up together.
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;

pub async fn serve<H, F>(listener: TcpListener, limits: Limits, mut stop: watch::Receiver<bool>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        // A connection beyond the limit waits in the kernel's backlog.
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
            () = stopped(&mut stop) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: waiting is what helps.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let (handler, stop) = (handler.clone(), stop.clone());
        tasks::task(async move {
            connection(stream, limits, stop, handler).await;
            drop(slot);
        });
    }
    drop(listener);
    let all = u32::try_from(limits.connections).expect("a connection limit fits in 32 bits");
    // Each ends within the farewell: nothing of this listener is left when this returns.
    let _ = slots.acquire_many(all).await;
}

/// Ends when the worker stops. (What `wait_for` returns is a lock's guard: not to be held while others wait.)
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection<H, F>(stream: TcpStream, limits: Limits, mut stop: watch::Receiver<bool>, handler: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    // Answers are small and are waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let response = handler(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.farewell, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("a connection was cut off: its request did not end"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
