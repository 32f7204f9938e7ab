//! Accepts HTTP connections, within limits, until told to stop.

mod connection;
mod line;
mod opening;
mod tls;
mod vigil;

pub use tls::{Files, Tls};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::tasks;
use crate::telemetry::limit::Limit;
use connection::Held;
use line::Lines;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// For TLS, then for each head.
    pub header_timeout: Duration,
    /// How long open connections get to finish their request once the listener stops.
    pub farewell: Duration,
    /// A connection on which no request begins or ends for so long is cut off: its client does not read its answers.
    pub silence: Duration,
}

/// How often the certificates' files are looked at.
const LOOK: Duration = Duration::from_secs(1);

static UNACCEPTED: Limit = Limit::new("could not accept a connection", 1);

/// What answers the requests of all connections.
pub trait Handler: Clone + Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static;
}

impl<H, F> Handler for H
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static {
        self(request)
    }
}

pub async fn serve(
    listener: TcpListener,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    mut stop: watch::Receiver<bool>,
    handler: impl Handler,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let lines = Arc::new(Lines::default());
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stream = tokio::select! {
            _ = look.tick(), if tls.is_some() => {
                let tls = tls.clone();
                tokio::task::spawn_blocking(move || tls.iter().for_each(|tls| tls.look()));
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: fewer connections and waiting are what helps.
                    if UNACCEPTED.admits() {
                        tracing::warn!(%error, "could not accept a connection");
                    }
                    lines.cut_oldest();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        // Where all are busy this one waits, and those after it in the kernel's backlog.
        let slot = tokio::select! {
            slot = lines.room(&slots) => slot,
            () = stopped(&mut stop) => break,
        };
        let line = lines.open();
        let held = Held::new(slot, line);
        let accepting = connection::Accepting { limits, stop: stop.clone(), held, handler: handler.clone() };
        tasks::task(accepting.serve(stream, tls.clone()));
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
