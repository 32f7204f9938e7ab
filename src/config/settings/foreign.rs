//! Other systems' words for our settings, taken with a note: a deployment's `config.yaml` runs as it stands.

use super::super::diagnostic::Report;
use super::super::text::Span;

/// Their word and ours.
const WORDS: [(&str, &str); 5] = [
    ("server.timeout", "http.request-timeout"),
    ("function.max_concurrent_requests", "http.max-concurrent-requests"),
    ("function.request_timeout", "http.request-timeout"),
    ("rate_limit.requests_per_second", "http.rate-limit.per-second"),
    ("rate_limit.burst_size", "http.rate-limit.burst"),
];

/// Together they are `http.address`.
const HOST: &str = "server.host";
const PORT: &str = "server.port";

/// OpenTelemetry's variables, for settings that nothing of ours says.
const VARIABLES: [(&str, &str); 2] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp.endpoint"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "telemetry.otlp.protocol"),
];

/// The variable that says a setting in their words, and the value in ours.
pub(super) fn variable(setting: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    // It is how they say that they shall not be listened to.
    if env("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let (variable, _) = VARIABLES.into_iter().find(|(_, ours)| *ours == setting)?;
    let text = env(variable).filter(|text| !text.is_empty())?;
    let text = if text == "http/protobuf" { "http".to_owned() } else { text };
    Some((variable.to_owned(), text))
}

/// Theirs and ours, for the documentation.
pub(in super::super) fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORDS.into_iter().chain([(HOST, "http.address"), (PORT, "http.address")])
}

/// Whether theirs is worth as much as ours; else it is a part of it.
pub(in super::super) fn is_whole(theirs: &str) -> bool {
    theirs != HOST && theirs != PORT
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(theirs, _)| *theirs).chain([HOST, PORT])
}

/// A setting that the file says.
pub(super) struct Said {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) span: Span,
}

/// Puts our words for theirs.
pub(super) fn translate(said: Vec<Said>, report: &mut Report<'_>) -> Vec<Said> {
    let mut ours = Vec::new();
    let (mut host, mut port) = (None, None);
    for said in said {
        if let Some((theirs, name)) = WORDS.iter().find(|(theirs, _)| *theirs == said.name) {
            report.note(said.span, format!("'{theirs}' is taken as '{name}'"));
            ours.push(Said { name: (*name).into(), ..said });
        } else if said.name == HOST {
            host = Some(said);
        } else if said.name == PORT {
            port = Some(said);
        } else {
            ours.push(said);
        }
    }
    if let Some(span) = host.as_ref().or(port.as_ref()).map(|said| said.span) {
        let text =
            |said: &Option<Said>, default: &str| said.as_ref().map_or(default.into(), |s| s.text.clone());
        let (host, port) = (text(&host, "127.0.0.1"), text(&port, "8080"));
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        let text = format!("{host}:{port}");
        report.note(span, format!("'{HOST}' and '{PORT}' are taken as 'http.address: {text}'"));
        ours.push(Said { name: "http.address".into(), text, span });
    }
    ours
}
