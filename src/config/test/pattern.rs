//! Attributes and data as a Test writes them, of an event that is given or of one that is expected.

use crate::event::attributes::check_name;

use super::super::diagnostic::Report;
use super::super::node::{Entry, Kind, Node};
use super::super::reader::{self, Fields};
use super::super::scalar::Scalar;
use super::super::shape;
use super::super::spelling::nearest;
use super::{Pattern, Payload, json};

const CORE: [&str; 8] =
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"];

/// Those that are written down, each with its value's JSON and its string form.
pub(super) struct Attribute<'n> {
    pub entry: &'n Entry,
    pub json: String,
    pub text: String,
}

/// What could not be read, and why is said.
pub(super) struct Reported;

/// All attributes of an event. `fields` is not finished: any name may be an extension's.
pub(super) fn attributes<'n>(
    fields: &mut Fields<'n>,
    report: &mut Report<'_>,
) -> Result<Vec<Attribute<'n>>, Reported> {
    for name in ["data", "data_base64"] {
        fields.entry(name);
    }
    let core = CORE.into_iter().filter_map(|name| {
        let (entry, text) = (fields.entry(name)?, fields.string(name, report));
        Some(text.map(|text| Attribute { entry, json: json::quoted(text), text: text.to_owned() }))
    });
    // Each is read, so that all of their mistakes are said.
    let mut all: Vec<Option<Attribute<'n>>> = core.collect();
    // Also where it has no value a name must be one.
    let extensions =
        fields.unknown().filter(|entry| !entry.value.is_null() || check_name(&entry.key).is_err());
    all.extend(extensions.map(|entry| extension(entry, &fields.path, report)));
    all.into_iter().collect::<Option<_>>().ok_or(Reported)
}

fn extension<'n>(entry: &'n Entry, path: &str, report: &mut Report<'_>) -> Option<Attribute<'n>> {
    let near = nearest(&entry.key, CORE.into_iter().chain(["data", "data_base64", "exactly"]));
    // Of shorter names there are too many.
    let near = near.filter(|near| near.len() >= 4);
    let meant = |near: &str| format!("did you mean '{near}'?");
    if let Err(invalid) = check_name(&entry.key) {
        let help = near.map_or_else(|| "an extension's name is of a to z and digits".to_owned(), meant);
        report.error(entry.key_span, format!("{path}: {invalid}")).help(help);
        return None;
    }
    let (json, text) = match &entry.value.kind {
        Kind::Scalar { is: Scalar::Str, text, .. } => (json::quoted(text), text.to_string()),
        Kind::Scalar { is: Scalar::Int(number), .. } => (number.to_string(), number.to_string()),
        Kind::Scalar { is: Scalar::Bool(flag), .. } => (flag.to_string(), flag.to_string()),
        Kind::Scalar { is: Scalar::Float(_), text, .. } => {
            report
                .error(entry.value.span, format!("{path}.{}: an attribute can't be a fraction", entry.key))
                .help(format!("write it in quotes: \"{text}\""));
            return None;
        }
        _ => {
            let message = format!("{path}.{}: an attribute can't be {}", entry.key, entry.value.describe());
            let help = near.map_or_else(|| "what has parts belongs into 'data'".to_owned(), meant);
            report.error(entry.key_span, message).help(help);
            return None;
        }
    };
    if let Some(near) = near {
        report
            .warning(entry.key_span, format!("{path}: '{}' is taken for an extension", entry.key))
            .help(meant(near));
    }
    Some(Attribute { entry, json, text })
}

/// The data as the member that it is in the JSON format.
pub(super) fn data(
    fields: &mut Fields<'_>,
    report: &mut Report<'_>,
) -> Result<Option<(&'static str, String)>, Reported> {
    match (fields.optional("data"), fields.entry("data_base64")) {
        (Some(node), None) => {
            let json = json::text(node, &fields.below("data"), report).ok_or(Reported)?;
            Ok(Some(("data", json)))
        }
        (None, Some(entry)) => {
            let text = reader::string(&entry.value, &fields.below("data_base64"), report).ok_or(Reported)?;
            Ok(Some(("data_base64", json::quoted(text))))
        }
        (Some(_), Some(entry)) => {
            report
                .error(entry.key_span, format!("{}: 'data' and 'data_base64' both stand here", fields.path))
                .help("remove one of them");
            Err(Reported)
        }
        (None, None) => Ok(None),
    }
}

/// An event that is expected: some of its attributes and data, or under `exactly` all of them.
pub(super) fn read(node: &Node, path: String, report: &mut Report<'_>) -> Option<Pattern> {
    let mut fields = Fields::of(node, &shape::test::PATTERN, path, report)?;
    if fields.alone("exactly", report).is_none() {
        return Some(part(&mut fields, report));
    }
    let mut fields = fields.map("exactly", report)?;
    Some(Pattern { exactly: true, ..part(&mut fields, report) })
}

fn part(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Pattern {
    let attributes = attributes(fields, report).unwrap_or_default();
    let attributes = attributes.into_iter().map(|a| (a.entry.key.to_string(), a.text)).collect();
    Pattern { exactly: false, attributes, data: payload(fields, report) }
}

fn payload(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Payload> {
    let (member, json) = data(fields, report).ok()??;
    if member == "data" {
        return serde_json::from_str(&json).ok().map(Payload::Json);
    }
    use base64::Engine;
    let text: String = serde_json::from_str(&json).ok()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    if bytes.is_err() {
        let span = fields.entry("data_base64").map_or(fields.node.span, |entry| entry.value.span);
        report
            .error(span, format!("{}.data_base64: not Base64", fields.path))
            .help("the standard alphabet, padded, without line breaks");
    }
    bytes.ok().map(Payload::Binary)
}
