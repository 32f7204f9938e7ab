//! Names become addresses, and addresses that are not to be reached are left out: asked at each connection, of what is
//! connected to, so that a name that stands for another address the second time gains nothing.

use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::failure::{Denied, Failure};
use crate::config::Reach;

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    system: GaiResolver,
    reach: Arc<Reach>,
}

impl Resolver {
    pub(super) fn new(reach: Arc<Reach>) -> Resolver {
        Resolver { system: GaiResolver::new(), reach }
    }
}

type Cause = Box<dyn Error + Send + Sync>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (host, reach) = (name.as_str().to_owned(), Arc::clone(&self.reach));
        let looked_up = self.system.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = looked_up.await?.collect();
            let good: Vec<_> =
                found.iter().copied().filter(|found| reach.permits(&host, found.ip())).collect();
            match (good.is_empty(), found.first()) {
                (true, Some(first)) => Err(Denied { host, address: first.ip() }.into()),
                _ => Ok(good.into_iter()),
            }
        })
    }
}

/// May the address that stands in the URL itself be reached? (Of a name, the resolver says so.)
pub(super) fn look_at_literal(uri: &Uri, reach: &Reach) -> Result<(), Failure> {
    let Some(host) = uri.host() else { return Ok(()) };
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match plain.parse::<IpAddr>() {
        Ok(address) if !reach.permits(plain, address) => {
            Err(Failure::Denied(Denied { host: plain.to_owned(), address }))
        }
        _ => Ok(()),
    }
}
