//! What must be so of an event for an expression to be true or false.

use super::ast::{Expr, Level, Link, Node, Operator};
use super::check::Nothing;
use super::evaluate::Evaluator;
use super::{Expression, Value, cast};
use crate::trigger::claim::{Claim, REQUIRED, Test};

impl Expression {
    /// What is so of every event that it matches, or that it does not: of the latter it may be false or in error.
    pub(in crate::trigger) fn claim(&self, matches: bool) -> Claim<'_> {
        if self.root.is_constant() {
            return if self.matches(&Nothing) == matches { Claim::Perhaps } else { Claim::Never };
        }
        if matches || is_sure(&self.root) { claim(&self.root, matches) } else { Claim::Perhaps }
    }
}

/// What is so of every event of which `expr` counts as `flag`, without an error.
fn claim(expr: &Expr, flag: bool) -> Claim<'_> {
    if expr.is_constant() {
        let found = Evaluator { attributes: &Nothing, errors: () }.evaluate(expr);
        let counts = cast::boolean(&found.value).filter(|_| !found.failed);
        return if counts == Some(flag) { Claim::Perhaps } else { Claim::Never };
    }
    match &expr.node {
        Node::Not(operand) => claim(operand, !flag),
        Node::Exists(name) => {
            if flag {
                Claim::Has(name)
            } else {
                Claim::Lacks(name)
            }
        }
        Node::Chain { first, links } if level(links) == Some(Level::Logic) => logic(first, links, flag),
        Node::Chain { first, links } => match (links.as_slice(), text_test(first, links)) {
            ([link], Some((name, text))) => {
                Claim::Text(name, Test::OneOf(vec![text]), (link.operator == Operator::Equal) == flag)
            }
            _ => present(expr),
        },
        Node::Like { operand, pattern, negated } => match &operand.node {
            Node::Attribute(name) => Claim::Text(name, Test::Like(pattern), flag != *negated),
            _ => present(expr),
        },
        Node::In { operand, set, negated } => match (&operand.node, texts(set)) {
            // A number among texts is found otherwise: '05' is 5.
            (Node::Attribute(name), Some(texts)) if super::check::CORE.contains(&&**name) => {
                Claim::Text(name, Test::OneOf(texts), flag != *negated)
            }
            _ => present(expr),
        },
        Node::Literal(_) | Node::Attribute(_) | Node::Negate(_) | Node::Call { .. } => present(expr),
    }
}

/// From left to right, as they apply.
fn logic<'e>(first: &'e Expr, links: &'e [Link], flag: bool) -> Claim<'e> {
    let mut links = links;
    // Of a row that ends in AND the left side counts as a whole, and so of OR; XOR tells nothing of either.
    let mut rest = Vec::new();
    while let [before @ .., last] = links {
        let both = match last.operator {
            Operator::And => flag,
            Operator::Or => !flag,
            _ => break,
        };
        rest.push((both, claim(&last.operand, flag)));
        links = before;
    }
    let mut whole = match links {
        [] => claim(first, flag),
        _ => Claim::Perhaps,
    };
    for (both, claim) in rest.into_iter().rev() {
        whole = match whole {
            // A long row is not deep.
            Claim::All(mut all) if both => {
                all.push(claim);
                Claim::All(all)
            }
            Claim::Any(mut any) if !both => {
                any.push(claim);
                Claim::Any(any)
            }
            whole if both => Claim::All(vec![whole, claim]),
            whole => Claim::Any(vec![whole, claim]),
        };
    }
    whole
}

/// Without its attributes it would be in error.
fn present(expr: &Expr) -> Claim<'_> {
    fn collect<'e>(expr: &'e Expr, all: &mut Vec<Claim<'e>>) {
        if let Node::Attribute(name) = &expr.node {
            all.push(Claim::Has(name));
        }
        // What is true or false by itself may stop before it asks.
        expr.parts().filter(|part| !part.is_logical()).for_each(|part| collect(part, all));
    }
    let mut all = Vec::new();
    collect(expr, &mut all);
    Claim::All(all)
}

/// Whether no event brings it into error, as far as that is easily seen.
fn is_sure(expr: &Expr) -> bool {
    let there = |name: &str| REQUIRED.contains(&name);
    match &expr.node {
        Node::Literal(value) => matches!(value, Value::Boolean(_)),
        Node::Exists(_) => true,
        Node::Not(operand) => is_sure(operand),
        Node::Like { operand, .. } => matches!(&operand.node, Node::Attribute(name) if there(name)),
        Node::In { operand, set, .. } => {
            matches!(&operand.node, Node::Attribute(name) if there(name)) && texts(set).is_some()
        }
        Node::Chain { first, links } if level(links) == Some(Level::Logic) => {
            is_sure(first) && links.iter().all(|link| is_sure(&link.operand))
        }
        Node::Chain { first, links } => {
            links.len() == 1 && text_test(first, links).is_some_and(|(name, _)| there(name))
        }
        Node::Attribute(_) | Node::Negate(_) | Node::Call { .. } => false,
    }
}

/// The attribute and the text that it must be, if that is all it asks.
pub(super) fn equality(expr: &Expr) -> Option<(&str, &str)> {
    let Node::Chain { first, links } = &expr.node else { return None };
    let equal = matches!(links.as_slice(), [link] if link.operator == Operator::Equal);
    if equal { text_test(first, links) } else { None }
}

/// An attribute compared with a text, as texts.
fn text_test<'e>(first: &'e Expr, links: &'e [Link]) -> Option<(&'e str, &'e str)> {
    let [Link { operator: Operator::Equal | Operator::NotEqual, operand }] = links else { return None };
    match (&first.node, &operand.node) {
        (Node::Attribute(name), Node::Literal(Value::String(text))) => Some((name, text)),
        // The type of the right operand decides: of an extension it is not known.
        (Node::Literal(Value::String(text)), Node::Attribute(name))
            if super::check::CORE.contains(&&**name) =>
        {
            Some((name, text))
        }
        _ => None,
    }
}

fn texts(set: &[Expr]) -> Option<Vec<&str>> {
    set.iter()
        .map(|element| match &element.node {
            Node::Literal(Value::String(text)) => Some(&**text),
            _ => None,
        })
        .collect()
}

fn level(links: &[Link]) -> Option<Level> {
    links.first().map(|link| link.operator.level())
}
