//! What an HTTP subscriber's answer means: Knative's table of codes, and what is a reply.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use super::executor::HOPS;
use super::report::{LONGEST_SAID, Refused, Said};
use crate::client::{Answer, Body};
use crate::dispatch::{Outcome, Reason};
use crate::event::attributes::check_name;
use crate::event::{Event, binary};
use crate::function::Failure;

/// Of a refusal's own words, so much is told in messages, in characters.
const TOLD: usize = 200;
/// So many headers of an answer become extensions of a dead letter.
const EXTENSIONS: usize = 20;
/// What is not for an answer to say.
const OURS: [&str; 12] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "knativeerrordest",
    "knativeerrorcode",
    "knativeerrordata",
    HOPS,
];

/// The reply, if there is one, or why the attempt failed.
pub(super) fn read(answer: &Answer, timeout: Duration) -> Result<Option<Event<'_>>, Refused> {
    match answer.status {
        // What follows it is nobody's business.
        StatusCode::ACCEPTED => Ok(None),
        status if status.is_success() => reply(answer, timeout).map_err(Refused::from),
        status => Err(refused(status, answer)),
    }
}

fn reply(answer: &Answer, timeout: Duration) -> Result<Option<Event<'_>>, Failure> {
    let failed = |outcome, reason, message: String| Err(Failure { outcome, reason, message });
    let body = match &answer.body {
        Body::Whole(body) => body,
        Body::TooLong(body) => {
            let message = format!("the answer is longer than {} bytes (deliver.max-answer)", body.len());
            return failed(Outcome::Permanent, Reason::Output, message);
        }
        Body::Broken(_, reason) => {
            let message = format!("the answer broke off: {reason}");
            return failed(Outcome::Retryable, Reason::Connection, message);
        }
        Body::Late(_) => {
            return failed(
                Outcome::TimedOut,
                Reason::Deadline,
                format!("the answer took longer than {timeout:?}"),
            );
        }
    };
    let content_type = answer.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let is_structured = content_type.to_ascii_lowercase().starts_with(b"application/cloudevents");
    if body.is_empty() && (is_structured || !answer.headers.contains_key("ce-specversion")) {
        return Ok(None);
    }
    if !is_structured && !answer.headers.contains_key("ce-specversion") {
        let message = format!("the answer has {} bytes, and is no CloudEvent", body.len());
        return failed(Outcome::Permanent, Reason::BadOutput, message);
    }
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    binary::decode_http(headers, body).map(Some).or_else(|invalid| {
        failed(Outcome::Permanent, Reason::BadOutput, format!("the answer is no CloudEvent: {invalid}"))
    })
}

fn refused(status: StatusCode, answer: &Answer) -> Refused {
    let again = matches!(status.as_u16(), 404 | 408 | 409 | 429 | 500..);
    let outcome = if again { Outcome::Retryable } else { Outcome::Permanent };
    let body = answer.body.bytes();
    let body = body.slice(..body.len().min(LONGEST_SAID));
    let told = told(&body);
    let message = if told.is_empty() { status.to_string() } else { format!("{status}: {told}") };
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let said = Said {
        status: status.as_u16(),
        body,
        extensions: extensions(&answer.headers),
        retry_after: if asks { retry_after(&answer.headers) } else { None },
    };
    Refused { failure: Failure { outcome, reason: Reason::Status, message }, said: Some(Box::new(said)) }
}

/// On one line, without what terminals take for orders.
fn told(body: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(body);
    let plain = text.trim().chars().take(TOLD);
    plain.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Seconds, or a time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// `kne-reason: x` becomes the extension `reason`.
fn extensions(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("kne-")?;
        let value = value.to_str().ok()?;
        let good = check_name(name).is_ok() && !OURS.contains(&name) && value.len() <= LONGEST_SAID;
        good.then(|| (name.to_owned(), value.to_owned()))
    });
    named.take(EXTENSIONS).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Body::Whole(Bytes::from_static(body.as_bytes())),
        }
    }

    fn outcome(answer: &Answer) -> (Outcome, Reason) {
        match read(answer, Duration::ZERO) {
            Ok(_) => (Outcome::Succeeded, Reason::None),
            Err(refused) => (refused.failure.outcome, refused.failure.reason),
        }
    }

    #[test]
    fn knative_s_table_of_codes() {
        for status in 100..600 {
            let expected = match status {
                200..300 => (Outcome::Succeeded, Reason::None),
                404 | 408 | 409 | 429 | 500.. => (Outcome::Retryable, Reason::Status),
                _ => (Outcome::Permanent, Reason::Status),
            };
            assert_eq!(outcome(&answer(status, &[], "")), expected, "{status}");
        }
    }

    const EVENT: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    #[test]
    fn what_is_a_reply_and_what_is_none() {
        let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
        let is_reply = |answer: &Answer| read(answer, Duration::ZERO).unwrap().is_some();
        assert!(is_reply(&answer(200, &EVENT, "{}")) && is_reply(&answer(200, &EVENT, "")));
        assert!(is_reply(&answer(200, &structured, json)));
        assert!(!is_reply(&answer(200, &[], "")) && !is_reply(&answer(200, &structured, "")));
        assert!(!is_reply(&answer(202, &EVENT, "{}")) && !is_reply(&answer(202, &[], "garbage")));
        let bad = (Outcome::Permanent, Reason::BadOutput);
        assert_eq!(outcome(&answer(200, &[], "thank you")), bad);
        assert_eq!(outcome(&answer(200, &structured, "{}")), bad);
        assert_eq!(outcome(&answer(200, &EVENT[..3], "{}")), bad);
        assert_eq!(
            outcome(&answer(200, &[("content-type", "application/cloudevents-batch+json")], "[]")),
            bad
        );
    }

    #[test]
    fn what_a_refusal_says_is_kept() {
        let headers = [
            ("kne-reason", "sold out"),
            ("kne-id", "9"),
            ("kne-knativebrokerttl", "9"),
            ("kne-not-a-name", "x"),
            ("retry-after", "7"),
        ];
        let refused = read(&answer(503, &headers, "no\r\nmore"), Duration::ZERO).unwrap_err();
        assert_eq!(refused.failure.message, "503 Service Unavailable: no  more");
        let said = refused.said.unwrap();
        assert_eq!((said.status, &said.body[..]), (503, &b"no\r\nmore"[..]));
        assert_eq!(said.extensions, [("reason".to_owned(), "sold out".to_owned())]);
        assert_eq!(said.retry_after, Some(Duration::from_secs(7)));
        let after = |status: u16, text: &str| {
            let refused = read(&answer(status, &[("retry-after", text)], ""), Duration::ZERO).unwrap_err();
            refused.said.unwrap().retry_after
        };
        assert_eq!(after(500, "7"), None, "only where Knative heeds it");
        assert_eq!(after(429, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(after(429, "Tue, 31 Dec 2199 23:59:59 GMT").unwrap() > Duration::from_secs(1 << 30));
        assert_eq!((after(429, "soon"), after(429, "-1")), (None, None));
    }
}
