//! What can be known wrong before any event has come.

use super::ast::{Expr, Level, Node, Operator};
use super::error::Kind;
use super::evaluate::Evaluator;
use super::functions::{Function, no_cast};
use super::{Attributes, Error, Type, Value, cast};

/// What a check found. With errors the expression can't do what was meant; warnings are of what is easily read wrongly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub errors: Vec<Error>,
    pub warnings: Vec<Error>,
    /// `None`: that depends on the event.
    pub ty: Option<Type>,
    /// Says the same of every event.
    pub constant: bool,
}

/// Attributes that are Strings in every event. Extensions may be of any type.
pub(super) const CORE: [&str; 8] =
    ["id", "source", "type", "specversion", "subject", "time", "dataschema", "datacontenttype"];

pub(super) struct Nothing;

impl Attributes for Nothing {
    fn attribute(&self, _name: &str) -> Option<Value<'_>> {
        None
    }
}

pub(super) fn check(text: &str, root: &Expr) -> Findings {
    let mut checker = Checker { text, findings: Findings::default() };
    let ty = checker.visit(root, None);
    Findings { ty, constant: root.is_constant(), ..checker.findings }
}

struct Checker<'t> {
    text: &'t str,
    findings: Findings,
}

impl Checker<'_> {
    /// The type of an expression that is to become a `wanted`, if that is known.
    fn visit(&mut self, expr: &Expr, wanted: Option<Type>) -> Option<Type> {
        self.dispatched(expr);
        if expr.is_constant() {
            return Some(self.constant(expr, wanted));
        }
        match &expr.node {
            Node::Literal(value) => Some(value.ty()),
            Node::Attribute(name) => CORE.contains(&&**name).then_some(Type::String),
            Node::Exists(_) => Some(Type::Boolean),
            Node::Not(operand) => {
                self.visit(operand, Some(Type::Boolean));
                Some(Type::Boolean)
            }
            Node::Negate(operand) => {
                self.visit(operand, Some(Type::Integer));
                Some(Type::Integer)
            }
            Node::Like { operand, .. } => {
                self.visit(operand, Some(Type::String));
                Some(Type::Boolean)
            }
            Node::In { operand, set, .. } => {
                let ty = self.visit(operand, None);
                for element in set {
                    self.visit(element, ty);
                }
                Some(Type::Boolean)
            }
            Node::Chain { first, .. } => self.chain(expr, first),
            Node::Call { function, arguments, .. } => {
                for (n, argument) in arguments.iter().enumerate() {
                    self.visit(argument, function.and_then(|function| function.takes(n)));
                }
                function.map(Function::gives)
            }
        }
    }

    fn chain(&mut self, expr: &Expr, first: &Expr) -> Option<Type> {
        let Node::Chain { links, .. } = &expr.node else { return None };
        let level = links.first()?.operator.level();
        match level {
            Level::Logic => {
                self.mixed(expr);
                self.visit(first, Some(Type::Boolean));
                for link in links {
                    self.visit(&link.operand, Some(Type::Boolean));
                }
                Some(Type::Boolean)
            }
            Level::Comparison => {
                self.negated_first(first);
                let mut left = Some(first);
                for link in links {
                    let equality = matches!(link.operator, Operator::Equal | Operator::NotEqual);
                    let wanted = (!equality).then_some(Type::Integer);
                    let right = self.visit(&link.operand, wanted);
                    // Of equality the right operand says of what type the left one is to be.
                    if let Some(first) = left.take() {
                        self.visit(first, wanted.or(right));
                    }
                }
                Some(Type::Boolean)
            }
            Level::Sum | Level::Product => {
                self.visit(first, Some(Type::Integer));
                for link in links {
                    self.visit(&link.operand, Some(Type::Integer));
                }
                Some(Type::Integer)
            }
        }
    }

    /// What needs no event is tried out.
    fn constant(&mut self, expr: &Expr, wanted: Option<Type>) -> Type {
        self.precedence(expr);
        let mut evaluator = Evaluator { attributes: &Nothing, errors: Vec::new() };
        let found = evaluator.evaluate(expr);
        let (errors, ty) = (evaluator.errors, found.value.ty());
        if let Some(wanted) = wanted.filter(|_| !found.failed)
            && cast::cast(found.value.borrowed(), wanted).is_none()
        {
            let message = no_cast(&found.value.to_string(), wanted);
            self.findings.errors.push(Error::new(Kind::Cast, expr.span, message));
        }
        // Functions that are not there are told in words of their own.
        self.findings.errors.extend(errors.into_iter().filter(|error| error.kind != Kind::MissingFunction));
        ty
    }

    /// The traps below what is evaluated as a whole.
    fn precedence(&mut self, expr: &Expr) {
        self.mixed(expr);
        if let Node::Chain { first, links } = &expr.node
            && links.first().is_some_and(|link| link.operator.level() == Level::Comparison)
        {
            self.negated_first(first);
        }
        for part in expr.parts() {
            self.dispatched(part);
            self.precedence(part);
        }
    }

    fn dispatched(&mut self, expr: &Expr) {
        let Node::Call { name, function: None, arguments } = &expr.node else { return };
        let error = |message| Error::new(Kind::MissingFunction, expr.span, message);
        self.findings.errors.push(match Function::arity(name) {
            Some(arity) => error(format!("{name} takes {arity}, not {}", arguments.len())),
            None => {
                let near = Function::names()
                    .map(|known| (strsim::damerau_levenshtein(name, known), known))
                    .filter(|(distance, known)| distance * 3 <= known.len().max(3))
                    .min();
                let help = match near {
                    Some((_, known)) => format!("did you mean {known}?"),
                    None => format!("functions are {}", Function::names().collect::<Vec<_>>().join(", ")),
                };
                error(format!("there is no function {name}")).help(help)
            }
        });
    }

    /// In SQL AND binds tighter than OR; here it does not.
    fn mixed(&mut self, expr: &Expr) {
        let Node::Chain { first, links } = &expr.node else { return };
        let loose = links.iter().position(|link| matches!(link.operator, Operator::Or | Operator::Xor));
        let after = |at: usize| links[at..].iter().find(|link| link.operator == Operator::And);
        if let Some(link) = loose.and_then(after) {
            let message = "AND does not bind tighter than OR and XOR here: they apply from left to right";
            let warning = Error::new(Kind::Generic, first.span.to(link.operand.span), message);
            self.findings.warnings.push(warning.help("say with parentheses what belongs together"));
        }
    }

    /// `NOT a = b` is `(NOT a) = b`.
    fn negated_first(&mut self, first: &Expr) {
        let written = first.span.of(self.text);
        if matches!(first.node, Node::Not(_)) && !written.starts_with('(') {
            let message = "NOT binds tighter than a comparison: only what follows it directly is negated";
            let warning = Error::new(Kind::Generic, first.span, message);
            self.findings.warnings.push(warning.help("write NOT (…), or <> in place of ="));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;

    fn errors(text: &str) -> Vec<(usize, Kind)> {
        let findings = Expression::parse(text).unwrap().check();
        findings.errors.iter().map(|error| (error.span.start, error.kind)).collect()
    }

    #[test]
    fn what_must_fail_is_found() {
        use Kind::*;
        for (text, expected) in [
            ("x + 'abc' = 1", vec![(4, Cast)]),
            ("hop < 'ten'", vec![(6, Cast)]),
            ("x AND 'maybe'", vec![(6, Cast)]),
            ("x = 5 / 0", vec![(4, Math)]),
            ("ABS(2147483647 + 1) = x", vec![(4, Math)]),
            ("LEFT(x, 'two') = 'a'", vec![(8, Cast)]),
            ("LENGTH(x) IN (1, 'two')", vec![(17, Cast)]),
            ("INT('abc') = x", vec![(0, Cast)]),
            ("LENGHT(x) = 1", vec![(0, MissingFunction)]),
            ("LEFT(x) = 'a'", vec![(0, MissingFunction)]),
            ("NOPE(1) AND NOPE(2)", vec![(0, MissingFunction), (12, MissingFunction)]),
            ("'a' = INT(x)", vec![(0, Cast)]),
            // Never reached, or known only with the event.
            ("FALSE AND 1 / 0 = 1", vec![]),
            ("x = 1 AND y < ttl", vec![]),
            ("x / 0 = 1", vec![]),
            ("'a' = x", vec![]),
        ] {
            assert_eq!(errors(text), expected, "{text}");
        }
    }

    #[test]
    fn the_type_is_known_where_it_can_be() {
        let ty = |text: &str| Expression::parse(text).unwrap().check().ty;
        assert_eq!(ty("a = b"), Some(Type::Boolean));
        assert_eq!(ty("source"), Some(Type::String));
        assert_eq!(ty("anything"), None);
        assert_eq!(ty("LENGTH(id) + 1"), Some(Type::Integer));
        assert_eq!(ty("UPPER('a')"), Some(Type::String));
        assert_eq!(ty("EXISTS a"), Some(Type::Boolean));
    }

    #[test]
    fn what_is_easily_read_wrongly_is_told() {
        let warned = |text: &str| Expression::parse(text).unwrap().check().warnings.len();
        assert_eq!(
            ["a OR b AND c", "NOT a = b", "NOT TRUE = FALSE", "(a XOR b AND c) = d"].map(warned),
            [1; 4]
        );
        assert_eq!(
            ["a AND b OR c", "(a OR b) AND c", "(NOT a) = b", "NOT (a = b)", "NOT a"].map(warned),
            [0; 5]
        );
    }

    #[test]
    fn help_names_what_was_meant() {
        let helped = |text: &str| Expression::parse(text).unwrap().check().errors[0].to_string();
        assert_eq!(helped("LENGHT(x)"), "there is no function LENGHT (did you mean LENGTH?)");
        assert_eq!(helped("substring(x)"), "SUBSTRING takes 2 or 3 arguments, not 1");
        assert_eq!(helped("concat_ws()"), "CONCAT_WS takes 1 argument or more, not 0");
        assert!(helped("now()").starts_with("there is no function NOW (functions are LENGTH, CONCAT,"));
    }
}
