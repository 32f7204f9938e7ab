//! Each part of an expression and what an event makes of it: for whoever wonders why it matched or did not.

use super::ast::{Expr, Level, Link, Node, Operator};
use super::claims::equality;
use super::error::Kind;
use super::evaluate::{Evaluator, Found};
use super::functions::no_cast;
use super::{Attributes, Error, Span, Type, Value, cast};

/// A part of an expression that is true or false, with such parts of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'e> {
    /// Where it stands.
    pub span: Span,
    /// What joins its parts: `AND`, `OR`, `XOR`, `NOT`. `None`: it asks something of the event itself.
    pub operator: Option<&'static str>,
    /// `None`: an error lies in it or below it.
    pub value: Option<Value<'e>>,
    /// Those that arose here, and not in one of its parts.
    pub errors: Vec<Error>,
    /// What stands before it had not decided yet. Of what was not asked, all here says what it would have been.
    pub asked: bool,
    /// The attributes that it asks for, and what was computed of them. `None`: there is none, or an error.
    pub seen: Vec<(String, Option<Value<'e>>)>,
    /// The attribute and the text that it must be, if that is all it asks.
    pub equality: Option<(&'e str, &'e str)>,
    pub parts: Vec<Step<'e>>,
}

impl Step<'_> {
    /// What it counts as where a Boolean is wanted; `None`: an error.
    pub fn flag(&self) -> Option<bool> {
        self.value.as_ref().and_then(cast::boolean)
    }
}

/// The walk over an expression whose text this is.
pub(super) struct Walk<'e, A: ?Sized> {
    pub(super) text: &'e str,
    pub(super) attributes: &'e A,
}

impl<'e, A: Attributes + ?Sized> Walk<'e, A> {
    pub(super) fn step(&self, expr: &'e Expr, asked: bool) -> Step<'e> {
        if let Node::Chain { first, links } = &expr.node
            && level(links) == Some(Level::Logic)
        {
            return Step { span: expr.span, ..self.chain(first, links, asked) };
        }
        let mut evaluator = self.evaluator();
        let found = evaluator.evaluate(expr);
        let (operator, parts) = match &expr.node {
            Node::Not(operand) => (Some("NOT"), vec![self.operand(operand, asked)]),
            _ => (None, self.within(expr, asked)),
        };
        let mut seen = Vec::new();
        if operator.is_none() {
            self.see(expr, true, &mut seen);
        }
        Step {
            span: expr.span,
            operator,
            value: value(found),
            errors: own(evaluator.errors, &parts),
            asked,
            seen,
            equality: equality(expr),
            parts,
        }
    }

    /// What is wanted as a Boolean.
    fn operand(&self, expr: &'e Expr, asked: bool) -> Step<'e> {
        let mut step = self.step(expr, asked);
        if let (Some(value), None) = (&step.value, step.flag()) {
            step.errors.push(Error::new(Kind::Cast, expr.span, no_cast(&value.to_string(), Type::Boolean)));
        }
        step
    }

    /// AND, OR and XOR apply from left to right: `a AND b OR c` is an OR of an AND.
    fn chain(&self, first: &'e Expr, links: &'e [Link], asked: bool) -> Step<'e> {
        let mut evaluator = self.evaluator();
        let mut left = evaluator.evaluate(first);
        let mut parts = vec![self.operand(first, asked)];
        let mut operator = links.first().map_or(Operator::And, |link| link.operator);
        let mut span = first.span;
        for link in links {
            if link.operator != operator {
                let so_far = value(left.clone());
                parts = vec![joined(operator, span, so_far, evaluator.errors.clone(), asked, parts)];
                operator = link.operator;
            }
            let flag = if left.failed { None } else { cast::boolean(&left.value) };
            let undecided = match operator {
                Operator::And => flag == Some(true),
                Operator::Or => flag != Some(true),
                _ => true,
            };
            parts.push(self.operand(&link.operand, asked && undecided));
            span = first.span.to(link.operand.span);
            left = evaluator.apply(left, first.span, link, span);
        }
        joined(operator, span, value(left), evaluator.errors, asked, parts)
    }

    /// What is true or false within something else: `(a = 1) = (b = 2)`.
    fn within(&self, expr: &'e Expr, asked: bool) -> Vec<Step<'e>> {
        let mut steps = Vec::new();
        for part in expr.parts().filter(|part| !part.is_constant()) {
            if part.is_logical() {
                steps.push(self.step(part, asked));
            } else {
                steps.extend(self.within(part, asked));
            }
        }
        steps
    }

    /// The attributes and what is computed of them, but for what is a step by itself.
    fn see(&self, expr: &'e Expr, whole: bool, seen: &mut Vec<(String, Option<Value<'e>>)>) {
        let mut add = |what: String, value| {
            if !seen.iter().any(|(other, _)| *other == what) {
                seen.push((what, value));
            }
        };
        match &expr.node {
            Node::Attribute(name) | Node::Exists(name) => {
                add(name.to_string(), self.attributes.attribute(name));
            }
            Node::Call { .. } | Node::Negate(_) | Node::Chain { .. } if !whole && !expr.is_constant() => {
                let found = self.evaluator().evaluate(expr);
                add(expr.span.of(self.text).to_owned(), value(found));
            }
            _ => {}
        }
        expr.parts().filter(|part| !part.is_logical()).for_each(|part| self.see(part, false, seen));
    }

    fn evaluator(&self) -> Evaluator<'e, A, Vec<Error>> {
        Evaluator { attributes: self.attributes, errors: Vec::new() }
    }
}

fn joined<'e>(
    operator: Operator,
    span: Span,
    value: Option<Value<'e>>,
    errors: Vec<Error>,
    asked: bool,
    parts: Vec<Step<'e>>,
) -> Step<'e> {
    let errors = own(errors, &parts);
    let operator = Some(operator.symbol());
    Step { span, operator, value, errors, asked, seen: Vec::new(), equality: None, parts }
}

fn value(found: Found<'_>) -> Option<Value<'_>> {
    (!found.failed).then_some(found.value)
}

/// The errors that did not arise in one of the parts.
fn own(errors: Vec<Error>, parts: &[Step<'_>]) -> Vec<Error> {
    fn arose(step: &Step<'_>, error: &Error) -> bool {
        step.errors.contains(error) || step.parts.iter().any(|part| arose(part, error))
    }
    errors.into_iter().filter(|error| !parts.iter().any(|part| arose(part, error))).collect()
}

fn level(links: &[Link]) -> Option<Level> {
    links.first().map(|link| link.operator.level())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Expression;
    use super::*;

    /// One line a step: `-` before what was not asked, `!` for an error, then what it asks, and what was seen.
    fn shown(text: &str) -> Vec<String> {
        fn show(step: &Step<'_>, text: &str, depth: usize, lines: &mut Vec<String>) {
            let mark = match step.flag() {
                Some(true) => "T",
                Some(false) => "F",
                None => "!",
            };
            let seen: Vec<String> = step
                .seen
                .iter()
                .map(|(what, value)| match value {
                    Some(value) => format!(" {what}={value}"),
                    None => format!(" {what}=?"),
                })
                .collect();
            let errors: Vec<String> =
                step.errors.iter().map(|error| format!(" ({})", error.message)).collect();
            let what = step.operator.unwrap_or_else(|| step.span.of(text));
            let asked = if step.asked { "" } else { "-" };
            lines.push(format!(
                "{}{asked}{mark} {what}{}{}",
                "  ".repeat(depth),
                seen.concat(),
                errors.concat()
            ));
            step.parts.iter().for_each(|part| show(part, text, depth + 1, lines));
        }
        let event = BTreeMap::from([
            ("type".to_owned(), Value::String("order.created".into())),
            ("count".to_owned(), Value::Integer(3)),
            ("word".to_owned(), Value::String("maybe".into())),
        ]);
        let expression = Expression::parse(text).unwrap();
        let mut lines = Vec::new();
        show(&expression.steps(&event), text, 0, &mut lines);
        lines
    }

    #[test]
    fn a_comparison_shows_what_it_saw() {
        assert_eq!(shown("type = 'x'"), ["F type = 'x' type='order.created'"]);
        assert_eq!(
            shown("LENGTH(type) + 1 < count * 2"),
            [
                "F LENGTH(type) + 1 < count * 2 LENGTH(type) + 1=14 LENGTH(type)=13 type='order.created' count * 2=6 count=3"
            ]
        );
        assert_eq!(shown("NOT EXISTS subject"), ["T NOT", "  F EXISTS subject subject=?"]);
        assert_eq!(shown("count IN (1, 2 + 1)"), ["T count IN (1, 2 + 1) count=3"]);
        assert_eq!(shown("count"), ["T count count=3"]);
    }

    #[test]
    fn operators_apply_from_left_to_right_and_stop_early() {
        assert_eq!(
            shown("count = 1 AND type = 'x' OR count = 3 OR word = 'y'"),
            [
                "T OR",
                "  F AND",
                "    F count = 1 count=3",
                "    -F type = 'x' type='order.created'",
                "  T count = 3 count=3",
                "  -F word = 'y' word='maybe'",
            ]
        );
        assert_eq!(shown("TRUE XOR (count = 3 AND TRUE)")[..3], ["F XOR", "  T TRUE", "  T AND"]);
    }

    #[test]
    fn an_error_is_shown_where_it_arose_and_fails_what_stands_above() {
        assert_eq!(
            shown("NOT (subject = 'a' OR type = 'order.created')"),
            [
                "! NOT",
                "  ! OR",
                "    ! subject = 'a' subject=? (the event has no attribute 'subject')",
                "    T type = 'order.created' type='order.created'",
            ]
        );
        assert_eq!(
            shown("word AND TRUE"),
            ["! AND", "  ! word word='maybe' ('maybe' is not a Boolean)", "  -T TRUE"]
        );
    }

    #[test]
    fn what_is_true_or_false_within_a_comparison_is_a_step() {
        assert_eq!(
            shown("(count = 3) = BOOL('true')"),
            ["T (count = 3) = BOOL('true')", "  T (count = 3) count=3"]
        );
    }
}
