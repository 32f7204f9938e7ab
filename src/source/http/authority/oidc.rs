//! Tokens that an issuer has signed (OpenID Connect's, or a Kubernetes service account's). Which algorithm verifies one is a
//! matter of its key; what the token says of it must only agree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde::Deserialize;

use super::Identity;
use super::denied::Denied;
use super::jwks::{Jwks, Key};
use super::verified::Verified;

/// How far the issuer's clock may be from ours.
const LEEWAY: u64 = 30;
/// No subject that stands in an event is longer.
const LONGEST_SUBJECT: usize = 256;
/// How a Kubernetes service account is named.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

#[derive(Debug)]
pub struct Oidc {
    issuer: String,
    audience: String,
    pub(super) jwks: Jwks,
    verified: Verified,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

impl Oidc {
    pub fn new(issuer: String, audience: String, jwks: Jwks) -> Oidc {
        Oidc { issuer, audience, jwks, verified: Verified::default() }
    }

    pub(super) async fn verify(&self, token: &str, digest: blake3::Hash) -> Result<Identity, Denied> {
        let now = now();
        let (_, generation) = self.jwks.held();
        if let Some(identity) = self.verified.find(&digest, generation, now) {
            return Ok(identity);
        }
        let header = header(token)?;
        let (mut keys, mut generation) = self.jwks.held();
        let mut key = choose(&keys, &header);
        if matches!(key, Err(Denied::UnknownKey)) && self.jwks.refetch().await {
            (keys, generation) = self.jwks.held();
            key = choose(&keys, &header);
        }
        if keys.is_empty() {
            return Err(Denied::NoKeys);
        }
        let claims = self.claims(token, key?)?;
        let identity = identity(&claims.sub)?;
        self.verified.keep(digest, identity.clone(), generation, claims.exp.saturating_add(LEEWAY));
        Ok(identity)
    }

    fn claims(&self, token: &str, key: &Key) -> Result<Claims, Denied> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.key, &validation);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Denied::Signature,
            ErrorKind::ExpiredSignature => Denied::Expired,
            ErrorKind::ImmatureSignature => Denied::NotYet,
            ErrorKind::InvalidIssuer => Denied::Issuer,
            ErrorKind::InvalidAudience => Denied::Audience,
            ErrorKind::InvalidAlgorithm => Denied::Algorithm,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => Denied::Claims,
            _ => Denied::Malformed,
        })
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// What a token says of itself. One that says there is more to heed (`crit`) is none that we know.
fn header(token: &str) -> Result<Header, Denied> {
    let header = token.split('.').next().unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| Denied::Malformed)?;
    let whole: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&json).map_err(|_| Denied::Malformed)?;
    if whole.contains_key("crit") {
        return Err(Denied::Malformed);
    }
    // An algorithm that nobody knows, "none" among them, ends here.
    jsonwebtoken::decode_header(token).map_err(|_| match whole.contains_key("alg") {
        true => Denied::Algorithm,
        false => Denied::Malformed,
    })
}

/// The key by its id; by none if there is one alone of the token's algorithm.
fn choose<'k>(keys: &'k [Key], header: &Header) -> Result<&'k Key, Denied> {
    let found = match &header.kid {
        Some(id) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
        None => {
            let mut fitting = keys.iter().filter(|key| key.algorithm == header.alg);
            fitting.next().filter(|_| fitting.next().is_none())
        }
    };
    let key = found.ok_or(Denied::UnknownKey)?;
    if key.algorithm == header.alg { Ok(key) } else { Err(Denied::Algorithm) }
}

fn identity(subject: &str) -> Result<Identity, Denied> {
    let good =
        !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.chars().any(char::is_control);
    if !good {
        return Err(Denied::Nobody);
    }
    let kind = if subject.starts_with(SERVICE_ACCOUNT) { "service_account" } else { "unknown" };
    Ok(Identity { kind, id: subject.into() })
}
