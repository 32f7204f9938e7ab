//! The admin listener: is the process alive, may it be sent events, and what are its numbers?

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::in_force::InForce;
use super::room::Room;
use super::scrape::Scrape;
use crate::telemetry::metrics::{Format, Metric, Snapshot};

/// What /readyz looks at.
#[derive(Clone, Debug)]
pub struct Readiness {
    pub room: Arc<Room>,
    /// The queue can be read on. Once false it stays so: only a restart begins to read again.
    pub readable: Arc<AtomicBool>,
    pub stopping: Arc<AtomicBool>,
    pub in_force: Arc<InForce>,
    pub scrape: Arc<Scrape>,
}

impl Readiness {
    pub async fn handle(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => return self.answer(self.ready()),
            (&Method::GET | &Method::HEAD, "/metrics") => return self.page(request.headers()),
            (_, "/healthz" | "/readyz" | "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n"),
            _ => (StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics\n"),
        };
        let mut response = response(status, Bytes::from_static(text.as_bytes()));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }

    /// Also what is in force. A change that was refused makes no worker less ready: it goes on with what it has.
    fn answer(&self, (status, text): (StatusCode, Cow<'_, str>)) -> Response<Full<Bytes>> {
        response(status, format!("{text}{}", self.in_force.standing()).into())
    }

    /// All numbers at this moment.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.scrape.snapshot();
        snapshot.whole(Metric::Ready, &[], u64::from(self.ready().0 == StatusCode::OK));
        snapshot
    }

    fn page(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::accepted(accept.unwrap_or_default());
        let text = format.write(&self.snapshot());
        let mut response = response(StatusCode::OK, text.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        response
    }

    fn ready(&self) -> (StatusCode, Cow<'static, str>) {
        if self.stopping.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "the worker is stopping\n".into())
        } else if !self.readable.load(Ordering::Relaxed) {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the queue can't be read on: the log says why; restart the worker once that is mended\n"
                    .into(),
            )
        } else {
            match self.room.lack() {
                None => (StatusCode::OK, "ready\n".into()),
                Some(lack) => {
                    (StatusCode::SERVICE_UNAVAILABLE, format!("events can't be stored: {lack}\n").into())
                }
            }
        }
    }
}

fn response(status: StatusCode, text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::super::in_force::Standing;
    use super::super::query::Store;
    use super::*;
    use crate::source::Refused;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn a_store_that_recovers_does_not_hide_a_queue_that_cannot_be_read() {
        let flag = |value| Arc::new(AtomicBool::new(value));
        let in_force = InForce::new(Standing::nothing());
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(home.path()).unwrap());
        let scrape = Scrape::new(Metrics::new(), store, Arc::clone(&in_force), &Arc::default());
        let (readable, stopping) = (flag(true), flag(false));
        let readiness = Readiness { room: Arc::default(), readable, stopping, in_force, scrape };
        assert_eq!(readiness.ready().0, StatusCode::OK);
        readiness.room.set(Some(Refused::DiskFull));
        assert!(readiness.ready().1.contains("stored"));
        readiness.readable.store(false, Ordering::Relaxed);
        readiness.room.set(None);
        assert_eq!(readiness.ready().0, StatusCode::SERVICE_UNAVAILABLE);
        assert!(readiness.ready().1.contains("can't be read on"));
    }
}
