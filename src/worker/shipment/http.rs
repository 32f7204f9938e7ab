//! Posts usage events in batches, as OpenMeter takes them: `application/cloudevents-batch+json`, answered 2xx.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::way::{Sent, Usage};
use crate::client::{Bounds, Client, Limits, Trust};
use crate::config::{Reach, SecretRef, Settings};

/// For a whole batch.
const DEADLINE: Duration = Duration::from_secs(30);
/// As much of the words of who refuses.
const SAID: usize = 1024;
/// No receiver puts us off for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Posts {
    uri: Uri,
    token: Option<SecretRef>,
    secrets: PathBuf,
    client: Client,
    runtime: Handle,
    stop: watch::Receiver<()>,
}

impl Posts {
    pub(super) fn new(
        url: &str,
        token: Option<SecretRef>,
        settings: &Settings,
        (runtime, stop): (Handle, watch::Receiver<()>),
    ) -> Result<Posts, String> {
        let reach = Reach { allow: settings.deliver_allow.clone(), deny: settings.deliver_deny.clone() };
        let client = Client::new(Limits::default(), Arc::new(reach), &Trust::system());
        let uri = url.parse().map_err(|error| format!("'{url}' is no URL: {error}"))?;
        let posts = Posts { uri, token, secrets: settings.secrets_dir.clone(), client, runtime, stop };
        posts.bearer()?;
        Ok(posts)
    }

    /// Read each time: it may be another one by now.
    fn bearer(&self) -> Result<Option<HeaderValue>, String> {
        let Some(token) = &self.token else { return Ok(None) };
        let secret = token.resolve(&self.secrets, &|name| std::env::var(name).ok())?;
        let value = HeaderValue::from_str(&format!("Bearer {}", secret.expose().trim()));
        let mut value = value.map_err(|_| format!("the secret '{token}' can't stand in a header"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    pub(super) fn send(&mut self, usage: &[Usage]) -> Sent {
        let bearer = match self.bearer() {
            Ok(bearer) => bearer,
            Err(why) => return Sent::Again(why, None),
        };
        let mut body = Vec::with_capacity(usage.iter().map(|one| one.bytes.len() + 1).sum::<usize>() + 2);
        for (n, one) in usage.iter().enumerate() {
            body.push(if n == 0 { b'[' } else { b',' });
            body.extend_from_slice(&one.bytes);
        }
        body.push(b']');
        let mut request =
            Request::post(self.uri.clone()).body(Full::new(Bytes::from(body))).expect("a URL that was read");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents-batch+json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION"))));
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer);
        }
        let bounds = Bounds { deadline: DEADLINE, body: SAID, refusal: SAID };
        let (client, mut stop) = (self.client.clone(), self.stop.clone());
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = client.send(request, bounds) => Some(answer),
                () = super::farewell(&mut stop) => None,
            }
        });
        match answer {
            None => Sent::Stopped,
            Some(Err(failure)) => Sent::Again(failure.to_string(), None),
            Some(Ok(answer)) => {
                let after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
                meaning(answer.status, &said(answer.body.bytes()), after.map(|after| after.min(LONGEST_WAIT)))
            }
        }
    }
}

fn said(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// What speaks of the events themselves refuses them; what speaks of the door, or of now, does not.
fn meaning(status: StatusCode, said: &str, after: Option<Duration>) -> Sent {
    let why = || format!("{status} {said}").trim_end().to_owned();
    match status.as_u16() {
        200..=299 => Sent::Acknowledged,
        400 | 406 | 409..=411 | 413..=416 | 418..=424 | 431 | 451 => Sent::Refused(why()),
        _ => Sent::Again(why(), after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_come_in_or_comes_at_a_bad_time_is_not_refused_what_he_brings() {
        let of = |status| meaning(StatusCode::from_u16(status).unwrap(), "", None);
        for status in [200, 202, 204] {
            assert_eq!(of(status), Sent::Acknowledged);
        }
        for status in [400, 409, 413, 415, 422] {
            assert!(matches!(of(status), Sent::Refused(_)), "{status}");
        }
        for status in [301, 307, 401, 402, 403, 404, 405, 407, 408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(of(status), Sent::Again(..)), "{status}");
        }
    }
}
