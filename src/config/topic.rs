//! Names of Kafka's topics.

use super::diagnostic::Report;
use super::node::Node;
use super::reader::{self, Wrong};

/// Kafka's own limit.
pub(super) const LONGEST: usize = 249;

pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !matches!(text, "" | "." | "..") && text.len() <= LONGEST && text.bytes().all(allowed)
}

fn parse(text: &str) -> Result<String, Wrong> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let help = match text.len() <= LONGEST && plain != text {
        true => format!("topics are of letters, digits, '.', '_' and '-': '{plain}'?"),
        false => format!("write 1 to {LONGEST} letters, digits, '.', '_' and '-'"),
    };
    Err((format!("'{text}' is no name of a topic"), help))
}

pub(super) fn one(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let text = reader::string(node, path, report)?;
    let parsed = parse(text);
    if let Err((message, help)) = &parsed {
        report.error(node.span, format!("{path}: {message}")).help(help);
    }
    parsed.ok()
}

pub(super) fn list(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<String>> {
    reader::distinct(node, path, report, |text| Ok(vec![parse(text)?]))
}
