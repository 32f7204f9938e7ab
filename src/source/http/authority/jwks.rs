//! An issuer's public keys: from a file, looked at for changes, or from a URL, fetched anew now and then and when a token
//! names a key that is not there, but never often.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::ACCEPT;
use hyper::{Request, Uri};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::client::{Body, Bounds, Client};

/// The largest set of keys, and how many of them are kept.
const LARGEST: usize = 256 << 10;
const KEYS: usize = 100;
/// How often a file is looked at, and a URL fetched.
const LOOK: Duration = Duration::from_secs(1);
const FETCH: Duration = Duration::from_secs(600);
/// What could not be fetched is tried again so often; a key that is not known has it fetched as often at the most.
const AGAIN: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(5);

/// Where the keys are.
#[derive(Debug)]
pub enum Place {
    File(PathBuf),
    Url(Box<Client>, Uri),
}

#[derive(Debug)]
pub struct Jwks {
    place: Place,
    held: RwLock<Held>,
    tried: Mutex<Tried>,
}

#[derive(Debug, Default)]
struct Held {
    keys: Arc<Vec<Key>>,
    /// Counts how often they have changed.
    generation: u64,
    text: Option<blake3::Hash>,
}

#[derive(Debug, Default)]
struct Tried {
    at: Option<Instant>,
    /// What went wrong the last time: said once.
    wrong: Option<String>,
}

pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Jwks {
    /// A file must be there and good. What is behind a URL may come later: until then nobody is let in.
    pub async fn open(place: Place) -> Result<Jwks, String> {
        let jwks = Jwks { place, held: RwLock::default(), tried: Mutex::default() };
        match (jwks.load().await, &jwks.place) {
            (Err(reason), Place::File(_)) => Err(reason),
            (loaded, _) => {
                jwks.tried.lock().await.note(loaded);
                Ok(jwks)
            }
        }
    }

    pub(super) fn held(&self) -> (Arc<Vec<Key>>, u64) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&held.keys), held.generation)
    }

    /// Looks after them for ever.
    pub(super) async fn keep(&self) {
        loop {
            let wait = match (&self.place, self.held().0.is_empty()) {
                (Place::File(_), _) => LOOK,
                (Place::Url(..), true) => AGAIN,
                (Place::Url(..), false) => FETCH,
            };
            tokio::time::sleep(wait).await;
            let mut tried = self.tried.lock().await;
            tried.note(self.load().await);
        }
    }

    /// A token names a key that is not there: have there been others since? True: it is worth another look.
    pub(super) async fn refetch(&self) -> bool {
        let (_, before) = self.held();
        let mut tried = self.tried.lock().await;
        let least = if matches!(self.place, Place::File(_)) { LOOK } else { AGAIN };
        // Who waited here while somebody else fetched has what came of it.
        if tried.at.is_none_or(|at| at.elapsed() >= least) {
            tried.note(self.load().await);
        }
        self.held().1 != before
    }

    async fn load(&self) -> Result<(), String> {
        let text = self.read().await.map_err(|reason| format!("http.oidc.jwks: {reason}"))?;
        let digest = blake3::hash(&text);
        if self.held.read().unwrap_or_else(PoisonError::into_inner).text == Some(digest) {
            return Ok(());
        }
        let keys = keys(&text).map_err(|reason| format!("http.oidc.jwks: {reason}"))?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(keys = keys.len(), "the issuer's keys were read");
        *held = Held { keys: Arc::new(keys), generation: held.generation + 1, text: Some(digest) };
        Ok(())
    }

    async fn read(&self) -> Result<Bytes, String> {
        match &self.place {
            Place::File(path) => {
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || {
                    let length = std::fs::metadata(&file)?.len();
                    if length > LARGEST as u64 {
                        return Err(std::io::Error::other(format!("{length} bytes are too many")));
                    }
                    std::fs::read(&file)
                });
                let read = read.await.map_err(|e| e.to_string())?;
                read.map(Bytes::from).map_err(|e| format!("{}: {e}", path.display()))
            }
            Place::Url(client, url) => {
                let request =
                    Request::get(url.clone()).header(ACCEPT, "application/json").body(Full::default());
                let request = request.map_err(|e| e.to_string())?;
                let bounds = Bounds { deadline: DEADLINE, body: LARGEST, refusal: 0 };
                let answer = client.send(request, bounds).await.map_err(|e| format!("{url}: {e}"))?;
                match answer.body {
                    _ if answer.status != 200 => Err(format!("{url} answered {}", answer.status)),
                    Body::Whole(text) => Ok(text),
                    _ => Err(format!("{url}: the answer did not end, or is longer than {LARGEST} bytes")),
                }
            }
        }
    }
}

impl Tried {
    fn note(&mut self, loaded: Result<(), String>) {
        self.at = Some(Instant::now());
        let wrong = loaded.err();
        if let Some(reason) = wrong.as_ref().filter(|_| wrong != self.wrong) {
            tracing::error!(%reason, "the issuer's keys could not be read: those that there are go on");
        }
        self.wrong = wrong;
    }
}

/// The keys of a set that signatures can be verified with. Others in it are for others.
fn keys(text: &[u8]) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(text).map_err(|e| format!("no JSON Web Key Set: {e}"))?;
    let keys: Vec<Key> = set.keys.into_iter().take(KEYS).filter_map(key).collect();
    if keys.is_empty() {
        return Err("no key in it is for RS256, ES256 or EdDSA".to_owned());
    }
    Ok(keys)
}

fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    // Never a shared secret, whatever it says of itself.
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|said| said != name) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithm, key })
}
