//! From a tree and an event to a value: the specification's complete mode. No error ends it.

use super::ast::{Expr, Link, Node, Operator};
use super::error::Kind;
use super::functions::{Function, no_cast};
use super::{Attributes, Error, Span, Type, Value, cast};

/// More are not kept.
pub(super) const MAX_ERRORS: usize = 32;

/// Where errors go. That there was one is known without it: who wants no more need not pay for messages.
pub(super) trait Errors {
    fn add(&mut self, error: impl FnOnce() -> Error);
}

impl Errors for Vec<Error> {
    fn add(&mut self, error: impl FnOnce() -> Error) {
        if self.len() < MAX_ERRORS {
            self.push(error());
        }
    }
}

impl Errors for () {
    fn add(&mut self, _error: impl FnOnce() -> Error) {}
}

/// A value, and whether an error lies in it or below it. An operator is not applied to a failed operand: it fails with the
/// zero value of its own type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'e> {
    pub value: Value<'e>,
    pub failed: bool,
}

impl<'e> Found<'e> {
    fn good(value: Value<'e>) -> Found<'e> {
        Found { value, failed: false }
    }

    fn failed(ty: Type) -> Found<'e> {
        Found { value: ty.zero(), failed: true }
    }

    /// `None`: what it was made from failed.
    fn of<T>(made: Option<T>, ty: Type, value: impl FnOnce(T) -> Value<'e>) -> Found<'e> {
        made.map_or_else(|| Found::failed(ty), |made| Found::good(value(made)))
    }
}

pub(super) struct Evaluator<'e, A: ?Sized, E> {
    pub attributes: &'e A,
    pub errors: E,
}

impl<'e, A: Attributes + ?Sized, E: Errors> Evaluator<'e, A, E> {
    pub(super) fn evaluate(&mut self, expr: &'e Expr) -> Found<'e> {
        match &expr.node {
            Node::Literal(value) => Found::good(value.borrowed()),
            Node::Attribute(name) => match self.attributes.attribute(name) {
                Some(value) => Found::good(value),
                // Of what type it would have been is not known; the specification says Boolean.
                None => self.fail(Kind::MissingAttribute, expr.span, Type::Boolean, || {
                    format!("the event has no attribute '{name}'").into()
                }),
            },
            Node::Exists(name) => Found::good(Value::Boolean(self.attributes.attribute(name).is_some())),
            Node::Not(operand) => {
                let flag = self.operand(operand, Type::Boolean).and_then(|value| cast::boolean(&value));
                Found::of(flag, Type::Boolean, |flag| Value::Boolean(!flag))
            }
            Node::Negate(operand) => {
                match self.operand(operand, Type::Integer).and_then(|value| cast::integer(&value)) {
                    Some(number) => self.checked(number.checked_neg(), expr.span),
                    None => Found::failed(Type::Integer),
                }
            }
            Node::Like { operand, pattern, negated } => {
                let text = self.operand(operand, Type::String).map(cast::string);
                Found::of(text, Type::Boolean, |text| Value::Boolean(pattern.matches(&text) != *negated))
            }
            Node::In { operand, set, negated } => {
                let found = self.is_in(operand, set);
                Found::of(found, Type::Boolean, |found| Value::Boolean(found != *negated))
            }
            Node::Chain { first, links } => {
                let mut left = self.evaluate(first);
                for link in links {
                    let span = first.span.to(link.operand.span);
                    left = self.apply(left, first.span, link, span);
                }
                left
            }
            Node::Call { name, function, arguments } => self.call(name, *function, arguments, expr.span),
        }
    }

    /// `None`: an operand failed. Every element of the set is looked at, as AND and OR alone stop early.
    fn is_in(&mut self, operand: &'e Expr, set: &'e [Expr]) -> Option<bool> {
        let left = self.evaluate(operand);
        let (mut within, mut failed) = (false, left.failed);
        for element in set {
            let found = self.evaluate(element);
            failed |= found.failed;
            if failed {
                continue;
            }
            match self.cast(found, left.value.ty(), element.span) {
                Some(value) => within |= value == left.value,
                None => failed = true,
            }
        }
        (!failed).then_some(within)
    }

    pub(super) fn apply(&mut self, left: Found<'e>, at: Span, link: &'e Link, span: Span) -> Found<'e> {
        match link.operator {
            Operator::And | Operator::Or | Operator::Xor => self.logic(left, at, link),
            Operator::Equal | Operator::NotEqual => {
                let right = self.evaluate(&link.operand);
                let equal = if left.failed || right.failed {
                    None
                } else {
                    self.cast(left, right.value.ty(), at).map(|left| left == right.value)
                };
                let wanted = link.operator == Operator::Equal;
                Found::of(equal, Type::Boolean, |equal| Value::Boolean(equal == wanted))
            }
            operator => {
                let right = self.evaluate(&link.operand);
                let ty = if operator.level() == super::ast::Level::Comparison {
                    Type::Boolean
                } else {
                    Type::Integer
                };
                if left.failed || right.failed {
                    return Found::failed(ty);
                }
                let left = self.cast(left, Type::Integer, at);
                let right = self.cast(right, Type::Integer, link.operand.span);
                let number = |value: Option<Value<'_>>| value.and_then(|value| cast::integer(&value));
                match (number(left), number(right)) {
                    (Some(left), Some(right)) => self.arithmetic(operator, left, right, span),
                    _ => Found::failed(ty),
                }
            }
        }
    }

    fn arithmetic(&mut self, operator: Operator, left: i32, right: i32, span: Span) -> Found<'e> {
        let result = match operator {
            Operator::Less => return Found::good(Value::Boolean(left < right)),
            Operator::LessOrEqual => return Found::good(Value::Boolean(left <= right)),
            Operator::Greater => return Found::good(Value::Boolean(left > right)),
            Operator::GreaterOrEqual => return Found::good(Value::Boolean(left >= right)),
            Operator::Divide | Operator::Remainder if right == 0 => {
                return self.fail(Kind::Math, span, Type::Integer, || "a division by zero".into());
            }
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => left.checked_div(right),
            // The least number by -1: nothing remains, though the division would overflow.
            _ => Some(left.wrapping_rem(right)),
        };
        self.checked(result, span)
    }

    fn checked(&mut self, number: Option<i32>, span: Span) -> Found<'e> {
        match number {
            Some(number) => Found::good(Value::Integer(number)),
            None => self.fail(Kind::Math, span, Type::Integer, || "the result has no 32 bits".into()),
        }
    }

    fn logic(&mut self, left: Found<'e>, at: Span, link: &'e Link) -> Found<'e> {
        let left = if left.failed { None } else { self.cast(left, Type::Boolean, at) };
        let left = left.and_then(|value| cast::boolean(&value));
        match (link.operator, left) {
            // What failed counts as false.
            (Operator::And, None) => return Found::failed(Type::Boolean),
            (Operator::And, Some(false)) => return Found::good(Value::Boolean(false)),
            (Operator::Or, Some(true)) => return Found::good(Value::Boolean(true)),
            _ => {}
        }
        let right = self.operand(&link.operand, Type::Boolean).and_then(|value| cast::boolean(&value));
        let both = left.zip(right).map(|(left, right)| match link.operator {
            Operator::Xor => left != right,
            // The left one has not decided it.
            _ => right,
        });
        Found::of(both, Type::Boolean, Value::Boolean)
    }

    fn call(
        &mut self,
        name: &str,
        function: Option<Function>,
        arguments: &'e [Expr],
        span: Span,
    ) -> Found<'e> {
        let found: Vec<Found<'e>> = arguments.iter().map(|argument| self.evaluate(argument)).collect();
        let Some(function) = function else {
            return self.fail(Kind::MissingFunction, span, Type::Boolean, || {
                format!("there is no function {name} of {} arguments", arguments.len()).into()
            });
        };
        if found.iter().any(|argument| argument.failed) {
            return Found::failed(function.gives());
        }
        let each = found.into_iter().zip(arguments).enumerate();
        let cast: Vec<Option<Value<'e>>> = each
            .map(|(n, (found, argument))| match function.takes(n) {
                Some(ty) => self.cast(found, ty, argument.span),
                None => Some(found.value),
            })
            .collect();
        let Some(values) = cast.into_iter().collect() else { return Found::failed(function.gives()) };
        match function.call(values) {
            (value, None) => Found::good(value),
            (value, Some((kind, message))) => {
                self.errors.add(|| Error::new(kind, span, message));
                Found { value, failed: true }
            }
        }
    }

    fn operand(&mut self, operand: &'e Expr, ty: Type) -> Option<Value<'e>> {
        let found = self.evaluate(operand);
        if found.failed { None } else { self.cast(found, ty, operand.span) }
    }

    fn cast(&mut self, found: Found<'e>, ty: Type, span: Span) -> Option<Value<'e>> {
        let value = found.value;
        let made = match (&value, ty) {
            (Value::String(_), Type::Integer) => cast::integer(&value).map(Value::Integer),
            (Value::String(_), Type::Boolean) => cast::boolean(&value).map(Value::Boolean),
            // All others can be cast.
            _ => return cast::cast(value, ty),
        };
        if made.is_none() {
            self.errors.add(|| Error::new(Kind::Cast, span, no_cast(&value.to_string(), ty)));
        }
        made
    }

    fn fail(
        &mut self,
        kind: Kind,
        span: Span,
        ty: Type,
        message: impl FnOnce() -> std::borrow::Cow<'static, str>,
    ) -> Found<'e> {
        self.errors.add(|| Error::new(kind, span, message()));
        Found::failed(ty)
    }
}
