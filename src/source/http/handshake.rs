//! The handshake of CloudEvents' web hooks: a delivery service asks, before it sends anything, whether it may. That
//! protects others from being sent what they never asked for; it is no authentication, so it is asked for without a token
//! and tells of nothing else.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::source::refusal::Refusal;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

#[derive(Debug)]
pub(super) struct Handshake {
    /// In lower case; `*` is everyone.
    origins: Vec<String>,
    rate: HeaderValue,
}

impl Handshake {
    pub(super) fn new(origins: Vec<String>, requests_per_second: u32) -> Handshake {
        let rate = match requests_per_second {
            0 => HeaderValue::from_static("*"),
            // Requests a minute.
            rate => HeaderValue::from(u64::from(rate) * 60),
        };
        let origins = origins.into_iter().map(|origin| origin.to_ascii_lowercase()).collect();
        Handshake { origins, rate }
    }

    pub(super) fn is_asked_for<B>(request: &Request<B>) -> bool {
        request.method() == Method::OPTIONS && request.headers().contains_key(REQUEST_ORIGIN)
    }

    /// The allowance. A callback that is offered with the request is not used: the worker calls nobody at a stranger's word.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refusal> {
        let asks = &headers[REQUEST_ORIGIN];
        let origin = asks.to_str().map(str::to_ascii_lowercase);
        let allows =
            |allowed: &String| allowed == "*" || origin.as_ref().is_ok_and(|origin| origin == allowed);
        if !self.origins.iter().any(allows) {
            let reason = "http.allowed-origins does not name this WebHook-Request-Origin";
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        }
        let mut response = Response::new(Full::default());
        let answer = response.headers_mut();
        answer.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        answer.insert(ALLOWED_ORIGIN, asks.clone());
        answer.insert(ALLOWED_RATE, self.rate.clone());
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(origins: &[&str], rate: u32, origin: &'static str) -> Response<Full<Bytes>> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ORIGIN, HeaderValue::from_static(origin));
        let handshake = Handshake::new(origins.iter().map(|o| (*o).to_owned()).collect(), rate);
        handshake.answer(&headers).unwrap_or_else(Refusal::into_response)
    }

    #[test]
    fn who_is_named_is_allowed_at_the_rate_that_there_is() {
        let allowed = answer(&["other", "events.example.com"], 20, "Events.Example.com");
        assert_eq!(allowed.status(), 200);
        assert_eq!(allowed.headers()[ALLOWED_ORIGIN], "Events.Example.com");
        assert_eq!(allowed.headers()[ALLOWED_RATE], "1200");
        let anyone = answer(&["*"], 0, "anyone");
        assert_eq!(
            (&anyone.headers()[ALLOWED_ORIGIN], &anyone.headers()[ALLOWED_RATE]),
            (&HeaderValue::from_static("anyone"), &HeaderValue::from_static("*"))
        );
    }

    #[test]
    fn who_is_not_named_gets_no_allowance() {
        for (origins, origin) in [(&[][..], "a"), (&["a"], "b"), (&["a"], "a.b"), (&["a"], "*"), (&["a"], "")]
        {
            let refused = answer(origins, 0, origin);
            assert_eq!(refused.status(), 403, "{origin}");
            assert!(!refused.headers().contains_key(ALLOWED_ORIGIN), "{origin}");
        }
    }
}
