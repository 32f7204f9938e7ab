//! How events stand in a message, told by its content type.

use super::invalid::shown;
use super::{Invalid, media_type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in headers, the payload as the body.
    Binary,
    /// The body is one event in JSON.
    Structured,
    /// The body is a JSON array of events.
    Batch,
}

pub const STRUCTURED: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json";

impl Mode {
    /// Whatever does not begin with `application/cloudevents` may be a payload's own type.
    pub fn of(content_type: Option<&str>) -> Result<Mode, Invalid> {
        let essence = media_type::essence(content_type.unwrap_or_default());
        if !media_type::starts_with(essence, "application/cloudevents") {
            Ok(Mode::Binary)
        } else if essence.eq_ignore_ascii_case(STRUCTURED) {
            Ok(Mode::Structured)
        } else if essence.eq_ignore_ascii_case(BATCH) {
            Ok(Mode::Batch)
        } else {
            Err(Invalid::UnsupportedFormat(shown(essence)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_by_the_content_type() {
        for (content_type, mode) in [
            (None, Mode::Binary),
            (Some(""), Mode::Binary),
            (Some("application/json"), Mode::Binary),
            (Some("Application/CloudEvents+JSON; charset=utf-8"), Mode::Structured),
            (Some(" application/cloudevents+json ;x=y"), Mode::Structured),
            (Some("application/cloudevents-batch+JSON"), Mode::Batch),
        ] {
            assert_eq!(Mode::of(content_type), Ok(mode), "{content_type:?}");
        }
        for other in
            ["application/cloudevents+avro", "application/cloudevents", "application/CLOUDEVENTS-batch+xml"]
        {
            let message = Mode::of(Some(other)).unwrap_err().to_string();
            assert!(message.contains("supported are application/cloudevents+json"), "{message}");
        }
    }
}
