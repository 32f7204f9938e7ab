//! Trees and events for the property tests, and what must hold of all of them.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::ast::{Expr, Level, Link, Node, Operator};
use super::functions::Function;
use super::like::Pattern;
use super::*;

impl Attributes for BTreeMap<String, Value<'static>> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.get(name).map(Value::borrowed)
    }
}

/// Texts that can be written in one kind of quotes or the other.
fn text() -> impl Strategy<Value = String> {
    let any = prop_oneof!["[a-c%_'\" \\\\é]{0,6}", "-?[0-9]{1,10}", "(?i:true|false)"];
    any.prop_filter("it can be quoted", |text| print::holds(text, '\'') || print::holds(text, '"'))
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        text().prop_map(|text| Value::String(text.into())),
        prop_oneof![-3..4, Just(i32::MIN), Just(i32::MAX), any::<i32>()].prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
    ]
}

fn name() -> impl Strategy<Value = Box<str>> {
    prop::sample::select(vec!["type", "source", "left", "a1", "1a", "missing"]).prop_map(Into::into)
}

fn event() -> impl Strategy<Value = BTreeMap<String, Value<'static>>> {
    btree_map(name().prop_map(String::from), value(), 0..6)
}

fn operators(level: Level) -> Vec<Operator> {
    use Operator::*;
    let all = [
        And,
        Or,
        Xor,
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
        Add,
        Subtract,
        Multiply,
        Divide,
        Remainder,
    ];
    all.into_iter().filter(|operator| operator.level() == level).collect()
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        value().prop_map(Node::Literal),
        name().prop_map(Node::Attribute),
        name().prop_map(Node::Exists)
    ];
    let plain = |node| Expr { node, span: Span::default() };
    leaf.prop_map(plain).prop_recursive(4, 24, 4, move |inner| {
        let operand = || inner.clone().prop_map(Box::new);
        let levels = prop::sample::select(vec![Level::Logic, Level::Comparison, Level::Sum, Level::Product]);
        let links = levels.prop_flat_map({
            let inner = inner.clone();
            move |level| vec((prop::sample::select(operators(level)), inner.clone()), 1..4)
        });
        let names = Function::names().chain(["NOPE", "A_B"]).collect::<Vec<_>>();
        let call = (prop::sample::select(names), vec(inner.clone(), 0..4)).prop_map(|(name, arguments)| {
            Node::Call { name: name.into(), function: Function::of(name, arguments.len()), arguments }
        });
        prop_oneof![
            operand().prop_map(Node::Not),
            operand().prop_map(Node::Negate),
            (operand(), text(), any::<bool>()).prop_map(|(operand, text, negated)| Node::Like {
                operand,
                pattern: Pattern::new(&text),
                negated
            }),
            (operand(), vec(inner.clone(), 1..4), any::<bool>())
                .prop_map(|(operand, set, negated)| Node::In { operand, set, negated }),
            (operand(), links).prop_map(|(first, links)| {
                let links = links.into_iter().map(|(operator, operand)| Link { operator, operand }).collect();
                Node::Chain { first, links }
            }),
            call,
        ]
        .prop_map(plain)
    })
}

/// As somebody wrote it.
pub(in crate::trigger) fn expression() -> impl Strategy<Value = Expression> {
    expr().prop_map(|expr| Expression::parse(&expr.to_string()).expect("what is printed can be read"))
}

/// Without the places, which another text has elsewhere.
fn bare(mut expr: Expr) -> Expr {
    fn strip(expr: &mut Expr) {
        expr.span = Span::default();
        match &mut expr.node {
            Node::Literal(_) | Node::Attribute(_) | Node::Exists(_) => {}
            Node::Not(operand) | Node::Negate(operand) | Node::Like { operand, .. } => strip(operand),
            Node::In { operand, set, .. } => {
                strip(operand);
                set.iter_mut().for_each(strip);
            }
            Node::Call { arguments, .. } => arguments.iter_mut().for_each(strip),
            Node::Chain { first, links } => {
                strip(first);
                links.iter_mut().for_each(|link| strip(&mut link.operand));
            }
        }
    }
    strip(&mut expr);
    expr
}

const PARTS: &[&str] = &[
    "type",
    "source",
    "a1",
    "x_y",
    "'a'",
    "\"b%\"",
    "'\\'",
    "\\",
    "'",
    "1",
    "-",
    "+",
    "2147483648",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<>",
    "<=",
    ">",
    "*",
    "/",
    "%",
    " AND ",
    " or ",
    " XOR ",
    " NOT ",
    " LIKE ",
    " IN ",
    " EXISTS ",
    "TRUE",
    "LEFT(",
    "CONCAT(",
    "SUBSTRING('abc', ",
    "é",
    "\u{0}",
    " ",
    "\n",
];

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(expr in expr()) {
        let printed = expr.to_string();
        let read = Expression::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(bare(read.root), expr, "{}", printed);
    }

    /// A value in any case; no error exactly where nothing failed; what is known before is what then happens.
    #[test]
    fn every_tree_has_a_value_for_every_event(expr in expr(), event in event()) {
        let expression = Expression::parse(&expr.to_string()).unwrap();
        let findings = expression.check();
        let Evaluation { value, errors } = expression.evaluate(&event);
        prop_assert_eq!(expression.matches(&event), value == Value::Boolean(true) && errors.is_empty());
        // Step by step it comes to the same.
        let whole = expression.steps(&event);
        prop_assert_eq!(whole.value.as_ref(), errors.is_empty().then_some(&value), "{}: {:?}", expression, whole);
        if findings.constant {
            // A function that is not there is told also where it is never reached.
            let unreached = |error: &Error| error.kind == Kind::MissingFunction && !errors.contains(error);
            let found = !findings.errors.is_empty();
            prop_assert!(found || errors.is_empty(), "{}: {:?}", expression, errors);
            prop_assert!(!errors.is_empty() || findings.errors.iter().all(unreached), "{:?}", findings);
        }
        if let (Some(ty), true) = (findings.ty, errors.is_empty()) {
            let typed_otherwise = ["type", "source"].iter().any(|core| {
                event.get(*core).is_some_and(|value| value.ty() != Type::String)
            });
            prop_assert!(typed_otherwise || value.ty() == ty, "{}: {} is no {}", expression, value, ty);
        }
        if expression.matches(&event) {
            prop_assert!(expression.conjuncts().iter().all(|part| part.matches(&event)));
            if let (Some(all), Some(Value::String(ty))) = (expression.wanted().get("type"), event.get("type")) {
                prop_assert!(all.contains(&&**ty), "{}: {} is none of {:?}", expression, ty, all);
            }
        } else {
            prop_assert!(!expression.conjuncts().iter().all(|part| part.matches(&event)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), event in event()) {
        if let Ok(expression) = Expression::parse(&text) {
            expression.check();
            expression.evaluate(&event);
        }
    }

    /// Texts made of what expressions are made of get further than arbitrary ones.
    #[test]
    fn likely_texts_are_read_or_refused(parts in vec(prop::sample::select(PARTS), 0..30), event in event()) {
        let text = parts.concat();
        match Expression::parse(&text) {
            Ok(expression) => {
                expression.check();
                expression.evaluate(&event);
                prop_assert_eq!(bare(Expression::parse(&expression.to_string()).unwrap().root), bare(expression.root));
            }
            Err(error) => prop_assert!(
                text.get(error.span.start..error.span.end).is_some() && !error.message.is_empty(), "{text}: {error:?}"
            ),
        }
    }
}

#[test]
fn the_deepest_tree_is_evaluated_checked_and_dropped() {
    let mut deepest = "a".to_owned();
    for _ in 0..MAX_DEPTH - 1 {
        deepest = format!("({deepest}{})", " LIKE 'a' IN (1)".repeat(4));
    }
    let expression = Expression::parse(&deepest).unwrap();
    expression.check();
    let event = BTreeMap::from([("a".to_owned(), Value::Integer(1))]);
    assert_eq!(expression.evaluate(&event).errors, []);
    let row = vec!["a = 2"; 7_000].join(" OR ");
    assert!(!Expression::parse(&row).unwrap().matches(&event));
}
