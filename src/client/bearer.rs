//! Logging in at Kafka's brokers with a token (OAUTHBEARER) that somebody else keeps fresh: where it stands is looked at while
//! there are clients that have it, and they are given what stands there next.

#![allow(unsafe_code)] // The crate gives tokens to whoever asks its event queue alone, and not every client of ours does.

use std::ffi::{CStr, CString, c_char};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::types::{RDKafka, RDKafkaRespErr};
use serde_json::Value as Json;

use super::kafka::Native;
use crate::config::Secret;

/// What has the place of the token in a client's configuration; the client itself makes nothing of it.
pub const PLACE: &str = "sasl.oauthbearer.config";
const PRINCIPAL: &str = "sasl.username";

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// For as long is one taken that does not say how long it is good.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// What the log says where there is none.
const NONE: &str = "there is no token to show to Kafka's brokers";

static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

type Give = Box<dyn Fn(&Token) -> Option<Result<(), String>> + Send>;

/// One for each client that lives on.
struct Kept {
    place: String,
    user: String,
    given: Option<Secret>,
    /// Why there is none, if that was said.
    said: String,
    /// `None`: the client is gone.
    give: Give,
}

/// Gives a client its token, if it logs in with one: for those that do not live for long.
pub(super) fn log_in(config: &ClientConfig, native: *mut RDKafka) {
    let Some((place, user)) = told(config) else { return };
    let given = Secret::at(&place).and_then(|secret| give(native, &Token::read(&secret, &user)));
    given.unwrap_or_else(|why| tracing::warn!("{NONE}: {why}"));
}

/// The same, and again whenever there is another: for as long as the client lives.
pub(super) fn stay_logged_in<T: Native + Send + Sync + 'static>(config: &ClientConfig, client: &Arc<T>) {
    let Some((place, user)) = told(config) else { return };
    let client: Weak<T> = Arc::downgrade(client);
    let give = Box::new(move |token: &Token| client.upgrade().map(|client| give(client.native(), token)));
    let mut kept = Kept { place, user, given: None, said: String::new(), give };
    if kept.renew() {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}

/// Looks at all of them, for ever.
pub async fn keep_fresh() {
    loop {
        tokio::time::sleep(INTERVAL).await;
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(Kept::renew);
    }
}

fn told(config: &ClientConfig) -> Option<(String, String)> {
    let place = config.get(PLACE)?.to_owned();
    Some((place, config.get(PRINCIPAL).unwrap_or_default().to_owned()))
}

impl Kept {
    /// Is its client still there?
    fn renew(&mut self) -> bool {
        let secret = match Secret::at(&self.place) {
            Ok(secret) if self.given.as_ref() == Some(&secret) => return true,
            Ok(secret) => secret,
            Err(why) => {
                self.warn(why);
                return true;
            }
        };
        match (self.give)(&Token::read(&secret, &self.user)) {
            None => return false,
            Some(Ok(())) => {
                self.given = Some(secret);
                self.said.clear();
            }
            Some(Err(why)) => self.warn(why),
        }
        true
    }

    /// Once.
    fn warn(&mut self, why: String) {
        if self.said != why {
            tracing::warn!("{NONE}: {why}");
            self.said = why;
        }
    }
}

struct Token {
    text: CString,
    principal: CString,
    /// Milliseconds since 1970.
    good_until: i64,
}

impl Token {
    /// Of a JSON Web Token what it says of itself; any other is its user's, for an hour.
    fn read(secret: &Secret, user: &str) -> Token {
        let text = secret.expose().trim();
        let claims = text.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Json = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
        let in_an_hour = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from((now + AN_HOUR).as_millis()).unwrap_or(i64::MAX)
        };
        // Seconds, and parts of them where somebody likes that.
        let good_until = claims["exp"].as_f64().map_or_else(in_an_hour, |seconds| (seconds * 1000.0) as i64);
        let principal = claims["sub"].as_str().unwrap_or(user);
        // What holds a zero byte is no token, and the brokers say so.
        let text_of = |text: &str| CString::new(text).unwrap_or_default();
        Token { text: text_of(text), principal: text_of(principal), good_until }
    }
}

fn give(native: *mut RDKafka, token: &Token) -> Result<(), String> {
    let mut said = [0 as c_char; 512];
    // SAFETY: the client lives, for its owner is borrowed; the texts end and are copied; what it says fits, and ends.
    let (code, said) = unsafe {
        let code = rdkafka::bindings::rd_kafka_oauthbearer_set_token(
            native,
            token.text.as_ptr(),
            token.good_until,
            token.principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            said.as_mut_ptr(),
            said.len(),
        );
        (code, CStr::from_ptr(said.as_ptr()).to_string_lossy())
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(said.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_and_how_long_it_is_good() {
        let token = |claims: &str| {
            let text = format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims));
            let token = Token::read(&Secret::new(text), "somebody");
            (token.principal.into_string().unwrap(), token.good_until)
        };
        assert_eq!(token(r#"{"sub":"weir","exp":1700000000.5}"#), ("weir".to_owned(), 1_700_000_000_500));
        let (who, until) = token(r#"{"exp":"late"}"#);
        assert_eq!((who.as_str(), until > 1_700_000_000_000), ("somebody", true));
        let opaque = Token::read(&Secret::new("opaque"), "somebody");
        assert_eq!((opaque.text.to_str(), opaque.principal.to_str()), (Ok("opaque"), Ok("somebody")));
    }

    #[test]
    fn a_client_is_given_what_stands_there_now_and_forgotten_when_it_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("token");
        let mut kept = Kept {
            place: place.to_str().unwrap().to_owned(),
            user: "weir".to_owned(),
            given: None,
            said: String::new(),
            give: Box::new(|token| match token.text.to_str().unwrap() {
                "gone" => None,
                "bad" => Some(Err("it is bad".to_owned())),
                _ => Some(Ok(())),
            }),
        };
        let given = |kept: &Kept| kept.given.as_ref().map(|secret| secret.expose().to_owned());
        assert!(kept.renew() && kept.given.is_none(), "there is none yet");
        for (stands, has) in [("one", "one"), ("one", "one"), ("bad", "one"), ("two", "two")] {
            std::fs::write(&place, stands).unwrap();
            assert!(kept.renew());
            assert_eq!(given(&kept).as_deref(), Some(has));
        }
        std::fs::write(&place, "gone").unwrap();
        assert!(!kept.renew());
    }
}
