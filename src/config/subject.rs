//! NATS's names: subjects, streams and consumers.

use super::diagnostic::Report;
use super::node::Node;
use super::reader::{self, Wrong};

const LONGEST: usize = 255;

/// `orders.created`; with `wild`, also `orders.*` and `orders.>`.
fn check(text: &str, wild: bool) -> Result<(), Wrong> {
    let wrong = |message: &str, help: &str| Err((format!("'{text}' {message}"), help.to_owned()));
    if text.is_empty() || text.len() > LONGEST || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("is no subject", "write words joined by '.', without white space");
    }
    let tokens: Vec<&str> = text.split('.').collect();
    for (n, token) in tokens.iter().enumerate() {
        match *token {
            "" => {
                return wrong(
                    "is no subject: a word between the dots is empty",
                    "write as in orders.created",
                );
            }
            "*" | ">" if !wild => {
                return wrong("is a pattern, and events are written to one subject", "name it in full");
            }
            ">" if n + 1 < tokens.len() => {
                return wrong("is no subject: '>' stands at its end alone", "write as in orders.>");
            }
            "*" | ">" => {}
            word if word.contains(['*', '>']) => {
                return wrong(
                    "is no subject: '*' and '>' stand for whole words",
                    "write as in orders.*.created or orders.>",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether some subject is of both.
fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}

pub(super) fn one(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let text = reader::string(node, path, report)?;
    match check(text, false) {
        Ok(()) => Some(text.to_owned()),
        Err((message, help)) => {
            report.error(node.span, format!("{path}: {message}")).help(help);
            None
        }
    }
}

/// What a consumer is to be given of its stream: NATS takes no two that overlap.
pub(super) fn filters(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Vec<String>> {
    let subjects =
        reader::distinct(node, path, report, |text| check(text, true).map(|()| vec![text.to_owned()]))?;
    for (n, subject) in subjects.iter().enumerate() {
        if let Some(other) = subjects[..n].iter().find(|other| overlap(other, subject)) {
            let message = format!("{path}: '{other}' and '{subject}' overlap, which NATS does not take");
            report.error(node.span, message).help("remove the narrower one");
            return None;
        }
    }
    Some(subjects)
}

/// The name of a stream or a durable consumer.
pub(super) fn name(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    let text = reader::string(node, path, report)?;
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\');
    if !text.is_empty() && text.len() <= LONGEST && !text.contains(bad) {
        return Some(text.to_owned());
    }
    let plain = text.replace(bad, "-");
    let help = match plain != text {
        true => format!("it has no white space and none of . * > / \\: '{plain}'?"),
        false => format!("write 1 to {LONGEST} bytes"),
    };
    report.error(node.span, format!("{path}: '{text}' is no name to NATS")).help(help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_patterns() {
        for text in ["orders", "orders.created", "$JS.x", "a-b_c.1"] {
            assert!(check(text, false).is_ok() && check(text, true).is_ok(), "{text}");
        }
        for text in ["*", ">", "orders.*", "orders.>", "*.created.>"] {
            assert!(check(text, false).is_err() && check(text, true).is_ok(), "{text}");
        }
        for text in ["", ".", "a..b", "a.", ".a", "a b", "a.>.b", "a*", "a.b>", ">.a"] {
            assert!(check(text, true).is_err(), "{text}");
        }
    }

    #[test]
    fn two_patterns_overlap_where_a_subject_is_of_both() {
        for (one, other) in
            [("a", "a"), ("a.>", "a.b"), ("a.*", "*.b"), (">", "a"), ("a.*.c", "a.>"), ("a.>", "*.b.c")]
        {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("a.>", "a"), ("a.*", "a"), ("a.b", "a.b.c"), ("a.*.c", "a.*.d")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }
}
