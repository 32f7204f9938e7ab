//! Why something is not a valid CloudEvent: a closed list, so that a source can tell what to answer.

use std::fmt;

/// What is wrong, of which attribute, and where it helps what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No mark of either mode: a source may wrap such a record. Every other reason is of something that claims to be an event.
    NotAnEvent {
        marker: &'static str,
    },
    /// A CloudEvents media type that is not JSON.
    UnsupportedFormat(String),
    /// A batch where only one event can stand.
    UnexpectedBatch,
    Json(String),
    /// JSON nested deeper than [`MAX_DEPTH`](super::structured::MAX_DEPTH).
    TooDeep,
    Data(&'static str),
    Attribute {
        name: String,
        fault: Fault,
    },
    TooManyExtensions {
        limit: usize,
    },
    TooLarge {
        limit: usize,
    },
    BatchTooLong {
        limit: usize,
    },
    InBatch {
        index: usize,
        reason: Box<Invalid>,
    },
}

/// What is wrong with one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    Empty,
    Duplicate,
    /// The name itself is illegal.
    Name(&'static str),
    Version(String),
    /// Of another type than the attribute has.
    Type(&'static str),
    /// A number that is no 32-bit integer in plain form.
    Integer(String),
    Character(char),
    UriCharacter(char),
    Uri(&'static str),
    Timestamp(&'static str),
    MediaType(&'static str),
    Utf8,
    /// An attribute that travels as a header of its own and so must not come as this one.
    Misplaced {
        instead: &'static str,
    },
    /// Where it was looked for it is not.
    Unmapped(String),
    /// The other representation has no place for the value.
    Unrepresentable(String),
}

impl Invalid {
    pub(crate) fn attribute(name: &str, fault: Fault) -> Invalid {
        Invalid::Attribute { name: shown(name), fault }
    }

    /// An attribute that is not where a source's document has it, and why.
    pub fn unmapped(name: &str, reason: String) -> Invalid {
        Invalid::attribute(name, Fault::Unmapped(reason))
    }
}

/// Messages end up in logs and in dead letters' attributes: what they quote is cut short.
pub(crate) fn shown(text: &str) -> String {
    const LIMIT: usize = 64;
    let mut cut: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().nth(LIMIT).is_some() {
        cut.push('…');
    }
    cut
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::NotAnEvent { marker } => write!(
                f,
                "not a CloudEvent: no {marker} and no application/cloudevents content type; \
                 send binary mode ({marker} \"1.0\" and the other attributes as headers) \
                 or structured mode (content type application/cloudevents+json)"
            ),
            Invalid::UnsupportedFormat(content_type) => write!(
                f,
                "content type '{content_type}' is a CloudEvents format that is not supported; \
                 supported are application/cloudevents+json and application/cloudevents-batch+json"
            ),
            Invalid::UnexpectedBatch => {
                write!(f, "a batch where only one event can stand; send each as application/cloudevents+json")
            }
            Invalid::Json(reason) => write!(f, "not a CloudEvent in JSON: {reason}"),
            Invalid::TooDeep => {
                write!(f, "data: nested deeper than {} levels", super::structured::MAX_DEPTH)
            }
            Invalid::Data(reason) => f.write_str(reason),
            Invalid::Attribute { name, fault } => write!(f, "{name}: {fault}"),
            Invalid::TooManyExtensions { limit } => write!(f, "more than {limit} extension attributes"),
            Invalid::TooLarge { limit } => {
                write!(f, "the attributes are more than {limit} bytes; put what is large into data")
            }
            Invalid::BatchTooLong { limit } => {
                write!(f, "a batch of more than {limit} events; send smaller batches")
            }
            Invalid::InBatch { index, reason } => write!(f, "event {index} of the batch: {reason}"),
        }
    }
}

impl std::error::Error for Invalid {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("missing; it is required"),
            Fault::Empty => f.write_str("empty; leave it out or give it a value"),
            Fault::Duplicate => f.write_str("given more than once"),
            Fault::Name(reason) => write!(f, "not an attribute name: {reason}"),
            Fault::Version(found) => {
                write!(f, "'{found}' is not supported; only 1.0 is (written as the string \"1.0\")")
            }
            Fault::Type(found) => write!(f, "{found} is not legal here"),
            Fault::Integer(found) => {
                write!(f, "{found} is not a 32-bit integer in plain form; write other numbers as a string")
            }
            Fault::Character(c) => {
                write!(f, "U+{:04X} is not legal in an attribute; move the value to data", *c as u32)
            }
            Fault::UriCharacter(c) => {
                write!(f, "'{}' is not legal in a URI reference; write it as ", c.escape_debug())?;
                c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
            }
            Fault::Uri(reason) => write!(f, "not a URI (RFC 3986): {reason}"),
            Fault::Timestamp(reason) => {
                write!(f, "not an RFC 3339 timestamp: {reason}; write it like 2018-04-05T17:31:00Z")
            }
            Fault::MediaType(reason) => {
                write!(f, "not a media type (RFC 2046): {reason}; write it like application/json")
            }
            Fault::Utf8 => f.write_str("not valid UTF-8"),
            Fault::Misplaced { instead } => write!(f, "must not be sent so; send it as {instead}"),
            Fault::Unmapped(reason) | Fault::Unrepresentable(reason) => f.write_str(reason),
        }
    }
}
