//! A connection within a time: finding, reaching and TLS together. A server that accepts and then says nothing would else
//! hold its connection for ever, also after whoever wanted it has gone.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use tokio::time::timeout;
use tower_service::Service;

use super::Stream;
use super::failure::TooSlow;

#[derive(Clone)]
pub(super) struct Timely<C> {
    inner: C,
    limit: Duration,
}

impl<C> Timely<C> {
    pub(super) fn new(inner: C, limit: Duration) -> Timely<C> {
        Timely { inner, limit }
    }
}

type Cause = Box<dyn Error + Send + Sync>;

impl<C> Service<Uri> for Timely<C>
where
    C: Service<Uri, Error = Cause>,
    C::Response: Stream,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(uri), self.limit);
        Box::pin(
            async move { timeout(limit, connecting).await.unwrap_or_else(|_| Err(Box::new(TooSlow(limit)))) },
        )
    }
}
