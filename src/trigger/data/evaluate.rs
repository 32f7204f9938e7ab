//! From a tree and what a scan found to a verdict.

use super::ast::{Expr, Literal, Node, Operator, Test};
use super::found::{Found, Value};
use super::verdict::Verdict;

/// A payload that was scanned, and the places of a filter's pointers in it.
#[derive(Clone, Copy)]
pub(super) struct Payload<'t> {
    pub text: &'t str,
    pub found: &'t Found,
    pub places: &'t [u32],
}

impl Payload<'_> {
    pub(super) fn verdict(self, expr: &Expr) -> Verdict {
        match &expr.node {
            Node::All(parts) => Verdict::all(parts.iter().map(|part| self.verdict(part))),
            Node::Any(parts) => Verdict::any(parts.iter().map(|part| self.verdict(part))),
            Node::Not(part) => !self.verdict(part),
            Node::Clause(pointer, test) => self.clause(*pointer, test),
        }
    }

    fn clause(self, pointer: usize, test: &Test) -> Verdict {
        let place = self.places[pointer];
        if *test == Test::Exists {
            return self.found.is_there(place).into();
        }
        let Ok(value) = self.found.value(place, self.text) else { return Verdict::Undecided };
        match test {
            Test::Exists => Verdict::True,
            Test::Compare(operator, literal) => compare(&value, *operator, literal).into(),
            Test::In { list, negated } => {
                let found = is_in(&value, list).map(|found| found != *negated);
                found.into()
            }
        }
    }
}

/// `None`: they are of different types. Only with null anything may be compared.
fn compare(value: &Value<'_>, operator: Operator, literal: &Literal) -> Option<bool> {
    let found = match (value, literal) {
        (Value::Number(number), Literal::Number(literal)) => literal.compare(number)?,
        // As their characters' numbers are, which is how RFC 3339 times of one zone are ordered, too.
        (Value::Text(text), Literal::Text(literal)) => (*text).cmp(literal),
        (Value::Boolean(flag), Literal::Boolean(literal)) => flag.cmp(literal),
        (value, Literal::Null) => (*value != Value::Null).cmp(&false),
        _ => return None,
    };
    Some(operator.holds(found))
}

/// `None`: it is of none of the list's types.
fn is_in(value: &Value<'_>, list: &[Literal]) -> Option<bool> {
    let each = list.iter().filter_map(|literal| compare(value, Operator::Equal, literal));
    each.reduce(|found, equal| found || equal)
}
