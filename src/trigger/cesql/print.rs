//! Trees back to text: the same tree when it is read again.

use std::fmt::{self, Display};

use super::Value;
use super::ast::{Expr, Level, Node};

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Literal(value) => value.fmt(f),
            Node::Attribute(name) => f.write_str(name),
            Node::Exists(name) => write!(f, "EXISTS {name}"),
            Node::Not(operand) => {
                f.write_str("NOT ")?;
                tight(f, operand)
            }
            Node::Negate(operand) => {
                f.write_str("-")?;
                // Digits after a minus would be read as one number.
                match &operand.node {
                    Node::Literal(Value::Integer(0..)) => write!(f, "({operand})"),
                    _ => tight(f, operand),
                }
            }
            Node::Like { operand, pattern, negated } => {
                tight_or_postfix(f, operand)?;
                f.write_str(if *negated { " NOT LIKE " } else { " LIKE " })?;
                text(f, pattern.text())
            }
            Node::In { operand, set, negated } => {
                tight_or_postfix(f, operand)?;
                f.write_str(if *negated { " NOT IN " } else { " IN " })?;
                list(f, set)
            }
            Node::Chain { first, links } => {
                let level = links.first().map_or(Level::Logic, |link| link.operator.level());
                operand_of(f, first, level)?;
                for link in links {
                    write!(f, " {} ", link.operator.symbol())?;
                    operand_of(f, &link.operand, level)?;
                }
                Ok(())
            }
            Node::Call { name, arguments, .. } => {
                f.write_str(name)?;
                list(f, arguments)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, all: &[Expr]) -> fmt::Result {
    f.write_str("(")?;
    for (n, expr) in all.iter().enumerate() {
        f.write_str(if n == 0 { "" } else { ", " })?;
        expr.fmt(f)?;
    }
    f.write_str(")")
}

/// An operand of operators at `level`: what does not bind tighter stands in parentheses.
fn operand_of(f: &mut fmt::Formatter<'_>, operand: &Expr, level: Level) -> fmt::Result {
    let looser = matches!(&operand.node, Node::Chain { links, .. }
        if links.first().is_none_or(|link| link.operator.level() <= level));
    if looser { write!(f, "({operand})") } else { operand.fmt(f) }
}

fn tight(f: &mut fmt::Formatter<'_>, operand: &Expr) -> fmt::Result {
    match &operand.node {
        Node::Like { .. } | Node::In { .. } => write!(f, "({operand})"),
        _ => tight_or_postfix(f, operand),
    }
}

fn tight_or_postfix(f: &mut fmt::Formatter<'_>, operand: &Expr) -> fmt::Result {
    match &operand.node {
        Node::Chain { .. } => write!(f, "({operand})"),
        _ => operand.fmt(f),
    }
}

/// In quotes that can hold it: a backslash before the quote itself could not be told from an escape. Every text that was
/// read can be written in the quotes it was read from.
pub(super) fn text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if holds(text, '\'') { '\'' } else { '"' };
    write!(f, "{quote}")?;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            write!(f, "\\{quote}")?;
        } else {
            write!(f, "{c}")?;
        }
        // What a backslash stands before belongs to it.
        if let ('\\', Some(next)) = (c, chars.clone().next()) {
            chars.next();
            write!(f, "{next}")?;
        }
    }
    write!(f, "{quote}")
}

pub(super) fn holds(text: &str, quote: char) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next().is_none_or(|next| next == quote) {
            return false;
        }
    }
    true
}
