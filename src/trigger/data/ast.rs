//! A data filter as a tree.

use std::cmp::Ordering;

use super::Span;
use super::number::Number;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expr {
    pub node: Node,
    /// With the parentheses around it.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Two or more, as for `Any`.
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    /// Of what the pointer with that index leads to.
    Clause(usize, Test),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Exists,
    Compare(Operator, Literal),
    In { list: Vec<Literal>, negated: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Box<str>),
}

impl Operator {
    pub(super) const ALL: [(&'static str, Operator); 6] = [
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("!=", Operator::NotEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];

    pub(super) fn holds(self, found: Ordering) -> bool {
        match self {
            Operator::Equal => found.is_eq(),
            Operator::NotEqual => found.is_ne(),
            Operator::Less => found.is_lt(),
            Operator::LessOrEqual => found.is_le(),
            Operator::Greater => found.is_gt(),
            Operator::GreaterOrEqual => found.is_ge(),
        }
    }

    pub(super) fn is_equality(self) -> bool {
        matches!(self, Operator::Equal | Operator::NotEqual)
    }
}
