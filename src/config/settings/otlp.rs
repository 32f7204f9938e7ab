//! Where telemetry goes, and how much of it: an endpoint, a ratio.

use serde_json::{Value as Json, json};

use super::value::{Value, Wrong};

/// The base of a receiver of OTLP; `None`: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtlpEndpoint(pub Option<String>);

impl Value for OtlpEndpoint {
    const KIND: &'static str = "URL";

    fn parse(text: &str) -> Result<OtlpEndpoint, Wrong> {
        if text.is_empty() {
            return Ok(OtlpEndpoint(None));
        }
        let help = "write it as http://127.0.0.1:4317 or https://host:4318, or leave the setting out";
        // What is no URL may hold a password, so it is not shown.
        let wrong = |why: &str| Wrong::new(why, help);
        let uri: hyper::Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        let Some(authority) = uri.authority() else { return Err(wrong("it is no URL with a host")) };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("its scheme is neither http nor https"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("a URL with a name or a password in it"));
        }
        if uri.query().is_some() {
            return Err(wrong("a URL with a query"));
        }
        Ok(OtlpEndpoint(Some(text.to_owned())))
    }

    fn show(&self) -> String {
        self.0.clone().unwrap_or_else(|| "none".into())
    }

    fn schema(_least: &str, _most: &str) -> Json {
        json!({
            "type": "string",
            "pattern": r"^(https?://[^/?#@\s]+(/[^?#\s]*)?)?$",
            "patternErrorMessage": "Write it as http://127.0.0.1:4317 or https://host:4318.",
        })
    }
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

impl Value for Ratio {
    const KIND: &'static str = "ratio";

    fn parse(text: &str) -> Result<Ratio, Wrong> {
        let digits = |b: u8| b.is_ascii_digit() || b == b'.';
        let ratio = text.parse().ok().filter(|_| text.bytes().all(digits));
        let wrong = || Wrong::new(format!("'{text}' is no ratio"), "write a number from 0 to 1");
        ratio.map(Ratio).ok_or_else(wrong)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn schema(least: &str, most: &str) -> Json {
        let bound = |text: &str, none: f64| text.parse().unwrap_or(none);
        json!({
            "type": ["number", "string"],
            "minimum": bound(least, 0.0),
            "maximum": bound(most, 1.0),
            "pattern": r"^(0(\.[0-9]+)?|1(\.0+)?)$",
        })
    }
}
