//! Why a token is not taken: said to whoever sent it, without a word of what was expected instead.

use std::time::Duration;

use hyper::StatusCode;

use crate::source::refusal::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    NoToken,
    /// None of the static ones.
    Unknown,
    Malformed,
    UnknownKey,
    Algorithm,
    Signature,
    Expired,
    NotYet,
    Issuer,
    Audience,
    Claims,
    /// It is good, and names nobody that an event could name.
    Nobody,
    /// There are no keys yet, which is not the sender's doing.
    NoKeys,
}

impl Denied {
    const fn reason(self) -> &'static str {
        match self {
            Denied::NoToken => "the request needs one 'Authorization: Bearer <token>'",
            Denied::Unknown => "the token is not known",
            Denied::Malformed => "the token is no signed token",
            Denied::UnknownKey => "the token's key is not known",
            Denied::Algorithm => "the token's algorithm is not that of its key",
            Denied::Signature => "the token's signature is wrong",
            Denied::Expired => "the token has expired",
            Denied::NotYet => "the token is not valid yet",
            Denied::Issuer => "the token is of another issuer",
            Denied::Audience => "the token is for another audience",
            Denied::Claims => "the token lacks a claim: iss, aud, exp and sub are needed",
            Denied::Nobody => "the token's subject can't stand in an event",
            Denied::NoKeys => "the issuer's keys could not be had yet",
        }
    }

    /// RFC 6750: who sent nothing is told what is wanted, else what is wrong.
    fn challenge(self) -> String {
        match self {
            Denied::NoToken => "Bearer".to_owned(),
            _ => format!("Bearer error=\"invalid_token\", error_description=\"{}\"", self.reason()),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Refusal {
        match denied {
            Denied::Nobody => Refusal::new(StatusCode::FORBIDDEN, denied.reason()),
            Denied::NoKeys => {
                let wait = Duration::from_secs(5);
                Refusal::later(StatusCode::SERVICE_UNAVAILABLE, denied.reason(), wait)
            }
            _ => Refusal::new(StatusCode::UNAUTHORIZED, denied.reason()).challenging(denied.challenge()),
        }
    }
}
