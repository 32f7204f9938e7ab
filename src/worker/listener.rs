//! Accepts HTTP connections, within limits, until told to stop.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::tasks;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    pub header_timeout: Duration,
    /// How long open connections get to finish their request once the listener stops.
    pub farewell: Duration,
    /// A connection on which no request begins or ends for so long is cut off: its client does not read its answers.
    pub silence: Duration,
}

/// Headers of a request, and the bytes that they may take up together.
const HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 << 10;
/// How long the rest of a request is read and thrown away after the last answer. Were it not read, the kernel would
/// reset the connection, and a client that still sends would never see why it was refused.
const LINGER: Duration = Duration::from_secs(1);

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
    // Each ends within its farewell, so none outlives this: they hold what the worker's end waits for.
    let all = u32::try_from(limits.connections).expect("a connection limit fits in 32 bits");
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
    let turns = AtomicU64::new(0);
    let service = service_fn(|request| {
        turns.fetch_add(1, Ordering::Relaxed);
        let response = handler(request);
        let turns = &turns;
        Box::pin(async move {
            let response = response.await;
            turns.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        // A client may say that it sends no more and still wait for its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut seen = 0;
    let mut leaving = false;
    let mut look = std::pin::pin!(tokio::time::sleep(limits.silence));
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = stopped(&mut stop), if !leaving => {
                leaving = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                look.as_mut().reset(Instant::now() + limits.farewell);
            }
            () = look.as_mut() => {
                let now = turns.load(Ordering::Relaxed);
                if leaving || now == seen {
                    return tracing::debug!("a connection was cut off: its request or its answers did not end");
                }
                seen = now;
                look.as_mut().reset(Instant::now() + limits.silence);
            }
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
    let _ = tokio::time::timeout(LINGER, linger).await;
}
