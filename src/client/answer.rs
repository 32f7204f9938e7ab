//! What a server answered.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use tokio::time::{Instant, timeout_at};

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

/// What was read of a body, and why no more.
#[derive(Debug)]
pub enum Body {
    Whole(Bytes),
    /// It was longer than it may be; so much of it is here.
    TooLong(Bytes),
    /// It broke off.
    Broken(Bytes, String),
    /// It had not ended by the deadline.
    Late(Bytes),
}

impl Body {
    /// What is there of it.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Body::Whole(bytes) | Body::TooLong(bytes) | Body::Broken(bytes, _) | Body::Late(bytes) => bytes,
        }
    }

    pub(super) async fn read(mut body: Incoming, most: usize, until: Instant) -> Body {
        let mut read = BytesMut::new();
        loop {
            let frame = match timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Body::Broken(read.freeze(), error.to_string()),
                Ok(None) => return Body::Whole(read.freeze()),
                Err(_) => return Body::Late(read.freeze()),
            };
            let Ok(data) = frame.into_data() else { continue };
            let room = most - read.len();
            if data.len() > room {
                read.extend_from_slice(&data[..room]);
                return Body::TooLong(read.freeze());
            }
            read.extend_from_slice(&data);
        }
    }
}
