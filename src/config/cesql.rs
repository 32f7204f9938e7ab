//! CESQL in a document: read, checked, and every mistake shown inside the scalar that it stands in.

use crate::trigger::cesql::{self, Expression, Type};

use super::diagnostic::Report;
use super::inside::inside;
use super::node::Node;
use super::reader;
use super::text::Span;

pub(super) fn read(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Expression> {
    let text = reader::string(node, path, report)?;
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => {
            tell(&error, node, text, path, report);
            return None;
        }
    };
    let findings = expression.check();
    for warning in &findings.warnings {
        let at = place(warning, node, text, report);
        report
            .warning(at, format!("{path}: {}", warning.message))
            .maybe_help(warning.help.clone().map(Into::into));
    }
    for error in &findings.errors {
        tell(error, node, text, path, report);
    }
    if !findings.errors.is_empty() {
        return None;
    }
    if let Some(ty @ (Type::Integer | Type::String)) = findings.ty {
        let article = if ty == Type::Integer { "an" } else { "a" };
        report
            .error(node.span, format!("{path}: the expression gives {article} {ty} and would never match"))
            .help("a filter must be true or false: compare it, as in type = 'order.created'");
        return None;
    }
    // That none does is a lint's to tell.
    if findings.constant && expression.matches(&NoEvent) {
        report
            .warning(
                node.span,
                format!("{path}: every event matches: the expression asks for nothing of an event"),
            )
            .help("name an attribute, as in type = 'order.created'");
    }
    Some(expression)
}

fn tell(error: &cesql::Error, node: &Node, text: &str, path: &str, report: &mut Report<'_>) {
    let at = place(error, node, text, report);
    let help = error.help.clone().map_or_else(|| example(error.kind).to_owned(), Into::into);
    report.error(at, format!("{path}: {}", error.message)).help(help);
}

fn place(error: &cesql::Error, node: &Node, text: &str, report: &Report<'_>) -> Span {
    inside(report.text(), node.span, text, error.span.start, error.span.end)
}

/// What to do, where the error does not say it better.
fn example(kind: cesql::Kind) -> &'static str {
    match kind {
        cesql::Kind::Parse => "an expression looks like: type = 'order.created' AND source LIKE '/shop/%'",
        _ => "every event would fail here",
    }
}

struct NoEvent;

impl cesql::Attributes for NoEvent {
    fn attribute(&self, _name: &str) -> Option<cesql::Value<'_>> {
        None
    }
}
