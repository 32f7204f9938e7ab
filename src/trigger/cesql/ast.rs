//! An expression as a tree.

use super::functions::Function;
use super::like::Pattern;
use super::{Span, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expr {
    pub node: Node,
    /// With the parentheses around it.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Literal(Value<'static>),
    /// In lower case, as attributes are named.
    Attribute(Box<str>),
    Exists(Box<str>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Like {
        operand: Box<Expr>,
        pattern: Pattern,
        negated: bool,
    },
    In {
        operand: Box<Expr>,
        set: Vec<Expr>,
        negated: bool,
    },
    /// Operators of one level, applied from left to right. A list and not a tree: a long row of `OR` is not deep.
    Chain {
        first: Box<Expr>,
        links: Vec<Link>,
    },
    Call {
        name: Box<str>,
        /// `None`: there is none of that name that takes as many arguments.
        function: Option<Function>,
        arguments: Vec<Expr>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub operator: Operator,
    pub operand: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
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
}

/// How tightly operators bind, the loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Logic,
    Comparison,
    Sum,
    Product,
}

impl Operator {
    pub(super) fn level(self) -> Level {
        match self {
            Operator::And | Operator::Or | Operator::Xor => Level::Logic,
            Operator::Add | Operator::Subtract => Level::Sum,
            Operator::Multiply | Operator::Divide | Operator::Remainder => Level::Product,
            _ => Level::Comparison,
        }
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Operator::And => "AND",
            Operator::Or => "OR",
            Operator::Xor => "XOR",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

impl Expr {
    /// What it is made of, one level down.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Expr> {
        let (one, many, links): (Option<&Expr>, &[Expr], &[Link]) = match &self.node {
            Node::Literal(_) | Node::Attribute(_) | Node::Exists(_) => (None, &[], &[]),
            Node::Not(operand) | Node::Negate(operand) | Node::Like { operand, .. } => {
                (Some(operand), &[], &[])
            }
            Node::In { operand, set, .. } => (Some(operand), set, &[]),
            Node::Call { arguments, .. } => (None, arguments, &[]),
            Node::Chain { first, links } => (Some(first), &[], links),
        };
        one.into_iter().chain(many).chain(links.iter().map(|link| &link.operand))
    }

    /// Whether it says the same of every event.
    pub(super) fn is_constant(&self) -> bool {
        !matches!(self.node, Node::Attribute(_) | Node::Exists(_)) && self.parts().all(Expr::is_constant)
    }

    /// Whether it is true or false by what it is, whatever stands in it; an attribute alone may be anything.
    pub(super) fn is_logical(&self) -> bool {
        match &self.node {
            Node::Exists(_) | Node::Not(_) | Node::Like { .. } | Node::In { .. } => true,
            Node::Literal(value) => matches!(value, Value::Boolean(_)),
            Node::Chain { links, .. } => {
                links.first().is_some_and(|link| link.operator.level() <= Level::Comparison)
            }
            Node::Attribute(_) | Node::Negate(_) | Node::Call { .. } => false,
        }
    }

    /// Calls `each` with every attribute that it asks for, some of them more than once.
    pub(super) fn attributes<'e>(&'e self, each: &mut impl FnMut(&'e str)) {
        self.names(&mut |name, _| each(name));
    }

    /// As [`attributes`](Self::attributes), with whether it asks for the value, and not only whether there is one.
    pub(super) fn names<'e>(&'e self, each: &mut impl FnMut(&'e str, bool)) {
        match &self.node {
            Node::Attribute(name) => each(name, true),
            Node::Exists(name) => each(name, false),
            _ => {}
        }
        self.parts().for_each(|part| part.names(each));
    }
}
