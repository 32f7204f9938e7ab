//! What a request gets that is not taken: a status, the reason, and when to come again.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

use super::intake::Refused;

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
    retry_after: Option<Duration>,
    /// Nothing more is read from this connection.
    close: bool,
    /// What is wanted of who is not let in.
    challenge: Option<String>,
    /// More headers.
    about: Vec<(&'static str, &'static str)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal {
            status,
            reason: reason.into(),
            retry_after: None,
            close: false,
            challenge: None,
            about: Vec::new(),
        }
    }

    /// The sender keeps its events and may come again after `wait`.
    pub(super) fn later(status: StatusCode, reason: impl Into<String>, wait: Duration) -> Refusal {
        Refusal { retry_after: Some(wait), ..Refusal::new(status, reason) }
    }

    /// The rest of the request is not waited for.
    pub(super) fn closing(self) -> Refusal {
        Refusal { close: true, ..self }
    }

    /// Says in WWW-Authenticate what is wanted.
    pub(super) fn challenging(self, challenge: String) -> Refusal {
        Refusal { challenge: Some(challenge), ..self }
    }

    /// Headers that become attributes of the dead letter where the sender is Knative's.
    pub(super) fn about(self, about: impl Into<Vec<(&'static str, &'static str)>>) -> Refusal {
        Refusal { about: about.into(), ..self }
    }

    /// RFC 9457, so that a machine finds the status and a person the reason.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let problem = serde_json::json!({
            "status": self.status.as_u16(),
            "title": self.status.canonical_reason(),
            "detail": self.reason,
        });
        let mut response = Response::new(Full::new(Bytes::from(problem.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            // Whole seconds, at least one: what the header can say.
            let seconds = (wait.as_millis().div_ceil(1000)).clamp(1, 3600) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let told = match self.status {
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "POST")),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Some((ACCEPT_ENCODING, "identity")),
            _ => None,
        };
        if let Some((name, value)) = told {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        for (name, value) in self.about {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        let status = match refused {
            Refused::Busy | Refused::QueueFull | Refused::Stopping | Refused::Backing => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            // It will be no smaller the next time.
            Refused::TooLarge => return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, refused.to_string()),
            Refused::DiskFull | Refused::JournalFull => StatusCode::INSUFFICIENT_STORAGE,
            Refused::Store => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let refusal = Refusal::later(status, refused.to_string(), Duration::from_secs(1));
        // Another worker may be at this address by then.
        if refused == Refused::Stopping { refusal.closing() } else { refusal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_come_again_is_told_when() {
        for (refused, status, closes) in [
            (Refused::Busy, 503, false),
            (Refused::QueueFull, 503, false),
            (Refused::DiskFull, 507, false),
            (Refused::JournalFull, 507, false),
            (Refused::Store, 500, false),
            (Refused::Backing, 503, false),
            (Refused::Stopping, 503, true),
        ] {
            let response = Refusal::from(refused).into_response();
            assert_eq!(
                (response.status().as_u16(), &response.headers()[RETRY_AFTER]),
                (status, &"1".parse().unwrap())
            );
            assert_eq!(response.headers().contains_key(CONNECTION), closes, "{refused:?}");
        }
        let too_large = Refusal::from(Refused::TooLarge).into_response();
        assert_eq!(too_large.status().as_u16(), 413);
        assert!(!too_large.headers().contains_key(RETRY_AFTER));
        let wait = |millis| {
            let refusal = Refusal::later(StatusCode::TOO_MANY_REQUESTS, "", Duration::from_millis(millis));
            refusal.into_response().headers()[RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!([0, 1, 1000, 1001, u64::MAX].map(wait), ["1", "1", "1", "2", "3600"]);
    }
}
