//! Who may post events here, and as whom: nobody is asked, or a bearer token or a client certificate says it.

mod denied;
mod jwks;
mod oidc;
#[cfg(test)]
mod oidc_tests;
mod tokens;
mod verified;

pub use jwks::{Jwks, Place};
pub use oidc::Oidc;
pub use tokens::{Kept, Tokens};

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};

use super::ClientCertificate;
use crate::event::{Event, Value};
use crate::source::refusal::Refusal;
use denied::Denied;

/// No token is longer.
const LONGEST: usize = 16 << 10;

/// What is asked of a request. Nothing set: nothing is asked.
#[derive(Debug, Default)]
pub struct Authority {
    /// Static ones.
    pub tokens: Arc<Tokens>,
    pub oidc: Option<Oidc>,
}

/// Who sent an event, in the terms of CloudEvents' Auth Context extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) kind: &'static str,
    pub(super) id: Arc<str>,
}

impl Identity {
    /// What the publisher says of it is not believed.
    pub(super) fn write<'a>(&'a self, event: &mut Event<'a>) {
        event.extensions.retain(|(name, _)| name != "authclaims");
        event.set_extension("authtype", Value::String(self.kind.into()));
        event.set_extension("authid", Value::String((&*self.id).into()));
    }
}

impl Authority {
    /// Who it is. `None`: nobody is asked.
    pub(super) async fn check(
        &self,
        headers: &HeaderMap,
        client: Option<&ClientCertificate>,
    ) -> Result<Option<Identity>, Refusal> {
        if self.tokens.is_empty() && self.oidc.is_none() {
            let of =
                |client: &ClientCertificate| Identity { kind: "service_account", id: Arc::clone(&client.0) };
            return Ok(client.map(of));
        }
        self.bearer(headers).await.map(Some).map_err(Refusal::from)
    }

    async fn bearer(&self, headers: &HeaderMap) -> Result<Identity, Denied> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(one), None) = (given.next(), given.next()) else { return Err(Denied::NoToken) };
        let one = one.to_str().map_err(|_| Denied::NoToken)?;
        let (scheme, token) = one.split_once(' ').ok_or(Denied::NoToken)?;
        let token = token.trim_matches(' ');
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Denied::NoToken);
        }
        if token.len() > LONGEST {
            return Err(Denied::Malformed);
        }
        let digest = blake3::hash(token.as_bytes());
        if let Some(id) = self.tokens.of(&digest) {
            return Ok(Identity { kind: "api_key", id });
        }
        match &self.oidc {
            Some(oidc) => oidc.verify(token, digest).await,
            None => Err(Denied::Unknown),
        }
    }

    /// Looks after tokens and keys while the listener is open.
    pub(super) async fn keep(&self) {
        let tokens = async {
            if !self.tokens.is_empty() {
                self.tokens.keep().await;
            }
        };
        let keys = async {
            if let Some(oidc) = &self.oidc {
                oidc.jwks.keep().await;
            }
        };
        tokio::join!(tokens, keys, std::future::pending::<()>());
    }
}
