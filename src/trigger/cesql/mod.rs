//! CloudEvents SQL 1.0: expressions over an event's context attributes, read once and evaluated without surprises.
//!
//! [`Expression::parse`] reads, [`Expression::check`] finds what can be known wrong before any event comes,
//! [`Expression::evaluate`] gives a value and a list of errors (the specification's complete mode), and
//! [`Expression::matches`] is what a filter asks: true, and no error. Reading is bounded in length and depth, evaluation in
//! time and memory by what was read; neither panics. All that it knows of an event is [`Attributes`].
//!
//! Where the specification, its grammar and its tests disagree: AND, OR and XOR have one level of precedence and apply
//! from left to right; a minus is an operator and not part of a number, so `4-1` is 3; names of attributes may be written
//! in any case; `''` in a text is not an escape; an integer can always be cast to a boolean.

#[cfg(test)]
mod arbitrary;
mod ast;
mod cast;
mod check;
mod claims;
mod constraint;
mod error;
mod evaluate;
mod functions;
mod lexer;
mod like;
mod parser;
mod print;
mod span;
mod steps;
mod token;
mod value;

#[cfg(test)]
pub(super) use arbitrary::expression as arbitrary_expression;
pub use check::Findings;
pub use error::{Error, Kind};
pub(super) use like::Pattern;
pub use parser::{MAX_DEPTH, MAX_LENGTH};
pub use span::Span;
pub use steps::Step;
pub use value::{Type, Value};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ast::Expr;
use evaluate::Evaluator;
use steps::Walk;

/// The context attributes of an event, by name in lower case.
pub trait Attributes {
    fn attribute(&self, name: &str) -> Option<Value<'_>>;
}

/// An expression, ready to be evaluated as often as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: Arc<str>,
    root: Expr,
}

/// What an event makes of an expression. There is always a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation<'e> {
    pub value: Value<'e>,
    /// In the order they arose; none beyond the first 32.
    pub errors: Vec<Error>,
}

impl Expression {
    pub fn parse(text: &str) -> Result<Expression, Error> {
        Ok(Expression { text: text.into(), root: parser::parse(text)? })
    }

    pub fn check(&self) -> Findings {
        check::check(&self.text, &self.root)
    }

    pub fn evaluate<'e>(&'e self, attributes: &'e (impl Attributes + ?Sized)) -> Evaluation<'e> {
        let mut evaluator = Evaluator { attributes, errors: Vec::new() };
        let value = evaluator.evaluate(&self.root).value;
        Evaluation { value, errors: evaluator.errors }
    }

    /// Whether it is true, without any error.
    pub fn matches(&self, attributes: &(impl Attributes + ?Sized)) -> bool {
        let found = Evaluator { attributes, errors: () }.evaluate(&self.root);
        !found.failed && found.value == Value::Boolean(true)
    }

    /// Every part that is true or false, and what the event makes of it. Slow: for people.
    pub fn steps<'e>(&'e self, attributes: &'e (impl Attributes + ?Sized)) -> Step<'e> {
        Walk { text: &self.text, attributes }.step(&self.root, true)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Attributes, and of each the texts of which it must be one in every event that matches.
    pub fn wanted(&self) -> BTreeMap<&str, Vec<&str>> {
        constraint::wanted(&self.root)
    }

    /// Expressions that all match where this one does, and only there. They say less each, and can be asked one by one.
    pub fn conjuncts(&self) -> Vec<Expression> {
        let all = constraint::conjuncts(&self.root);
        all.into_iter().map(|root| Expression { text: self.text.clone(), root: root.clone() }).collect()
    }

    /// The attributes whose values it looks at, but not those of which it asks whether they are there.
    pub fn compared(&self) -> BTreeSet<&str> {
        let (mut compared, mut tested) = (BTreeSet::new(), BTreeSet::new());
        self.root.names(&mut |name, value| {
            if value { &mut compared } else { &mut tested }.insert(name);
        });
        compared.difference(&tested).copied().collect()
    }

    /// The attribute and the text that it must be, if that is all it asks.
    pub fn equality(&self) -> Option<(&str, &str)> {
        claims::equality(&self.root)
    }

    /// The attribute and the texts of which it must be one, if that is all it asks.
    pub fn one_of(&self) -> Option<(&str, Vec<&str>)> {
        constraint::one_of(&self.root)
    }

    /// Of `a LIKE 'x%y'` and nothing else: the attribute, what it must begin with, and what it must end with.
    pub fn ends(&self) -> Option<(&str, &str, &str)> {
        constraint::ends(&self.root)
    }

    /// Calls `each` with every attribute that it asks for, some of them more than once.
    pub fn attributes<'e>(&'e self, mut each: impl FnMut(&'e str)) {
        self.root.attributes(&mut each);
    }

    /// Whether it asks for these attributes at most.
    pub fn asks_only(&self, names: &[&str]) -> bool {
        let mut only = true;
        self.root.attributes(&mut |name| only &= names.contains(&name));
        only
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
