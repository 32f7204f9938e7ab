//! The admin listener: is the process alive, and may it be sent events?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

/// What /readyz looks at.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The store writes and has room.
    pub healthy: Arc<AtomicBool>,
    /// The queue can be read on. Once false it stays so: only a restart begins to read again.
    pub readable: Arc<AtomicBool>,
    pub stopping: Arc<AtomicBool>,
}

impl Readiness {
    pub async fn handle(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.ready(),
            (_, "/healthz" | "/readyz") => (StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n"),
            _ => (StatusCode::NOT_FOUND, "here are /healthz and /readyz\n"),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }

    fn ready(&self) -> (StatusCode, &'static str) {
        if self.stopping.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "the worker is stopping\n")
        } else if !self.readable.load(Ordering::Relaxed) {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the queue can't be read on: the log says why; restart the worker once that is mended\n",
            )
        } else if !self.healthy.load(Ordering::Relaxed) {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "events can't be stored: the queue or the disk is full, or it fails\n",
            )
        } else {
            (StatusCode::OK, "ready\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_recovers_does_not_hide_a_queue_that_cannot_be_read() {
        let flag = |value| Arc::new(AtomicBool::new(value));
        let readiness = Readiness { healthy: flag(true), readable: flag(true), stopping: flag(false) };
        assert_eq!(readiness.ready().0, StatusCode::OK);
        readiness.healthy.store(false, Ordering::Relaxed);
        assert!(readiness.ready().1.contains("stored"));
        readiness.readable.store(false, Ordering::Relaxed);
        readiness.healthy.store(true, Ordering::Relaxed);
        assert_eq!(readiness.ready().0, StatusCode::SERVICE_UNAVAILABLE);
        assert!(readiness.ready().1.contains("can't be read on"));
    }
}
