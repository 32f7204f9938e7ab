//! Who may post events here.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::config::Secret;
use crate::source::refusal::Refusal;

#[derive(Debug)]
pub(super) struct Authority {
    /// None: everybody.
    token: Option<Secret>,
}

impl Authority {
    pub(super) fn new(token: Option<Secret>) -> Authority {
        Authority { token }
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // Digests are compared, so that the time taken tells nothing about the token.
        let right = given.is_some_and(|g| blake3::hash(g) == blake3::hash(token.expose().as_bytes()));
        if right {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "the request needs 'Authorization: Bearer <http.token>'"))
    }
}
