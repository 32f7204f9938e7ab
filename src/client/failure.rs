//! Why there is no answer.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper_util::client::legacy;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not to be reached: trying again can't help.
    Denied(Denied),
    /// There was no connection: the name, the address, or TLS.
    Unreachable(String),
    /// The connection broke before there was an answer, or what came was no HTTP.
    Broken(String),
    /// There was no answer within this time.
    Deadline(Duration),
}

/// A destination that the settings do not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

/// The connection took too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooSlow(pub(super) Duration);

impl Failure {
    pub(super) fn of(error: &legacy::Error) -> Failure {
        let mut cause: &dyn Error = error;
        while let Some(deeper) = cause.source() {
            if let Some(denied) = deeper.downcast_ref::<Denied>() {
                return Failure::Denied(denied.clone());
            }
            cause = deeper;
        }
        // What wraps others mostly says what they say, too.
        let reason = cause.to_string();
        if error.is_connect() { Failure::Unreachable(reason) } else { Failure::Broken(reason) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Denied(denied) => denied.fmt(f),
            Failure::Unreachable(reason) => write!(f, "no connection: {reason}"),
            Failure::Broken(reason) => write!(f, "the connection broke: {reason}"),
            Failure::Deadline(limit) => write!(f, "no answer within {limit:?}"),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { host, address } = self;
        if host.parse() == Ok(*address) {
            write!(f, "the settings do not allow connections to {address}")
        } else {
            write!(f, "the settings do not allow connections to {address}, which {host} stands for")
        }
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none within {:?}", self.0)
    }
}

impl Error for Failure {}
impl Error for Denied {}
impl Error for TooSlow {}
