//! What must hold of attributes for an expression to be true: what an index can use.

use std::collections::BTreeMap;

use super::Value;
use super::ast::{Expr, Level, Link, Node, Operator};
use super::check::CORE;

/// Attributes, and of each the texts of which it must be one. Its size is at most that of the expression.
pub(super) type Wanted<'e> = BTreeMap<&'e str, Vec<&'e str>>;

/// What must hold in every event of which `expr` is true, as far as it is known.
pub(super) fn wanted(expr: &Expr) -> Wanted<'_> {
    if let Some(one) = one_of(expr) {
        return Wanted::from([one]);
    }
    let Node::Chain { first, links } = &expr.node else { return Wanted::new() };
    if links.iter().any(|link| link.operator.level() != Level::Logic) {
        return Wanted::new();
    }
    let mut all = wanted(first);
    for link in links {
        let mut next = wanted(&link.operand);
        if link.operator == Operator::And {
            all.extend(next);
        } else {
            // One of both must be true.
            all.retain(|name, texts| next.remove(name).map(|more| texts.extend(more)).is_some());
        }
    }
    all
}

/// The attribute and the texts of which it must be one, if that is all that `expr` asks.
pub(super) fn one_of(expr: &Expr) -> Option<(&str, Vec<&str>)> {
    match &expr.node {
        // What is in the set, or stands on the left, becomes of the attribute's type: of an extension that came as a number,
        // '05' is 5. The others are texts.
        Node::In { operand, set, negated: false } => {
            let name = attribute(operand).filter(|name| CORE.contains(name))?;
            Some((name, set.iter().map(text).collect::<Option<_>>()?))
        }
        Node::Chain { first, links } => match links.as_slice() {
            // The type of the right operand decides: a text on the right is compared as text.
            [Link { operator: Operator::Equal, operand }] => match (attribute(first), text(operand)) {
                (Some(name), Some(text)) => Some((name, vec![text])),
                _ => Some((attribute(operand).filter(|name| CORE.contains(name))?, vec![text(first)?])),
            },
            links if links.iter().all(|link| link.operator == Operator::Or) => {
                let (name, mut texts) = one_of(first)?;
                for link in links {
                    texts.extend(one_of(&link.operand).filter(|(other, _)| *other == name)?.1);
                }
                Some((name, texts))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Of `name LIKE 'a%'` and `name LIKE '%a'`: the attribute, what it must begin with, and what it must end with.
pub(super) fn ends(expr: &Expr) -> Option<(&str, &str, &str)> {
    let Node::Like { operand, pattern, negated: false } = &expr.node else { return None };
    let Node::Attribute(name) = &operand.node else { return None };
    Some((name, pattern.begin().unwrap_or_default(), pattern.end().unwrap_or_default()))
}

/// What must each be true for `expr` to be, in place of which they can be asked one by one. Not what only counts as true
/// beside AND, as a number does.
pub(super) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    let all = |links: &[Link]| links.iter().all(|link| link.operator == Operator::And);
    match &expr.node {
        Node::Chain { first, links } if all(links) && expr.parts().all(Expr::is_logical) => {
            std::iter::once(&**first)
                .chain(links.iter().map(|link| &link.operand))
                .flat_map(conjuncts)
                .collect()
        }
        _ => vec![expr],
    }
}

fn attribute(expr: &Expr) -> Option<&str> {
    match &expr.node {
        Node::Attribute(name) => Some(name),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match &expr.node {
        Node::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;

    #[test]
    fn what_an_index_can_use() {
        for (text, expected) in [
            ("type = 'a'", Some(vec!["a"])),
            ("'a' = TYPE AND x = 1", Some(vec!["a"])),
            ("x = 1 AND (source LIKE 'b%' AND type = 'a')", Some(vec!["a"])),
            ("type = 'a' OR type = 'b' AND x = 1", Some(vec!["a", "b"])),
            ("x = 1 AND type = 'a' OR type = 'b'", Some(vec!["a", "b"])),
            ("type IN ('a', 'b')", Some(vec!["a", "b"])),
            ("type = 'a' OR x = 1", None),
            ("type NOT IN ('a', 'b')", None),
            ("type IN ('a', x)", None),
            ("type != 'a'", None),
            ("NOT (type = 'a')", None),
            ("type = 'a' = x", None),
            ("type = 1", None),
            ("type = x", None),
            ("source = 'a'", None),
            ("a1 = '5'", None),
        ] {
            assert_eq!(wanted(&parse(text).unwrap()).remove("type"), expected, "{text}");
        }
        // What came as the number 5 is equal to '05' there, and not here.
        for (text, expected) in [("a = '05'", Some(vec!["05"])), ("'05' = a", None), ("a IN ('05')", None)] {
            assert_eq!(wanted(&parse(text).unwrap()).remove("a"), expected, "{text}");
        }
    }

    #[test]
    fn what_a_pattern_begins_and_ends_with() {
        for (text, expected) in [
            ("a LIKE 'x%'", Some(("a", "x", ""))),
            ("a LIKE '%x_y%\\%z'", Some(("a", "", "%z"))),
            ("a LIKE 'x'", Some(("a", "x", "x"))),
            ("a LIKE '_x'", Some(("a", "", ""))),
            ("a NOT LIKE 'x%'", None),
            ("LOWER(a) LIKE 'x%'", None),
        ] {
            assert_eq!(ends(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn conjuncts_are_the_operands_of_and() {
        let of = |text| conjuncts(&parse(text).unwrap()).iter().map(|e| e.to_string()).collect::<Vec<_>>();
        assert_eq!(of("a = 1 AND (EXISTS b AND NOT c) AND d < 2"), ["a = 1", "EXISTS b", "NOT c", "d < 2"]);
        assert_eq!(of("a = 1 AND (b AND NOT c)"), ["a = 1", "b AND NOT c"]);
        assert_eq!(of("a = 1 AND 5"), ["a = 1 AND 5"]);
        assert_eq!(of("a AND b OR c"), ["a AND b OR c"]);
    }
}
