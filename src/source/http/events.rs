//! From a request to the events in it, as records.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::event::mode::Mode;
use crate::event::{Event, Invalid, binary, structured};
use crate::source::refusal::Refusal;

use super::Identity;

pub(super) fn mode(headers: &HeaderMap) -> Result<Mode, Refusal> {
    let bad = |reason| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let unsupported = |reason| Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
    let mut content_types = headers.get_all(CONTENT_TYPE).iter();
    let content_type = match content_types.next().map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(bad("the Content-Type is not ASCII text")),
    };
    if content_types.next().is_some() {
        return Err(bad("there is more than one Content-Type"));
    }
    // A compressed payload would be stored as if it were of its content type.
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(unsupported("a Content-Encoding is not supported: send the body as it is".to_owned()));
    }
    Mode::of(content_type).map_err(|e| unsupported(e.to_string()))
}

/// The request's events as records. One that is invalid refuses them all: nothing is half taken.
pub(super) fn records(
    mode: Mode,
    headers: &HeaderMap,
    body: &[u8],
    max_batch: usize,
    identity: Option<&Identity>,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let invalid = |error: Invalid| Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
    let record = |event| record(event, identity);
    match mode {
        Mode::Binary => {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            Ok(vec![record(binary::decode_http(headers, body).map_err(invalid)?)])
        }
        Mode::Structured => Ok(vec![record(structured::decode(body).map_err(invalid)?)]),
        Mode::Batch => {
            Ok(structured::decode_batch(body, max_batch).map_err(invalid)?.into_iter().map(record).collect())
        }
    }
}

fn record<'a>(mut event: Event<'a>, identity: Option<&'a Identity>) -> Vec<u8> {
    if let Some(identity) = identity {
        identity.write(&mut event);
    }
    let mut record = Vec::with_capacity(512);
    crate::event::record::encode(&event, &mut record);
    record
}
