//! Tokens to a tree, by recursive descent within bounds of length and depth.

use super::ast::{Expr, Level, Link, Node, Operator};
use super::functions::Function;
use super::lexer::Lexer;
use super::like::Pattern;
use super::token::{Is, Sign, Token, Word};
use super::{Error, Span, Value};

/// In bytes.
pub const MAX_LENGTH: usize = 64 * 1024;
/// Parentheses, arguments, `NOT` and `-` within each other.
pub const MAX_DEPTH: usize = 64;
/// `LIKE` and `IN` in a row, each of what the one before says.
const MAX_ROW: usize = 8;

pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > MAX_LENGTH {
        let message = format!("an expression has at most {MAX_LENGTH} bytes, this one {}", text.len());
        return Err(Error::parse(Span::new(0, 0), message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.token()?;
    if token.is == Is::End {
        return Err(Error::parse(Span::new(0, text.len()), "the expression is empty"));
    }
    let mut parser = Parser { text, lexer, token, depth: 0 };
    let expr = parser.chain(Level::Logic)?;
    match parser.token.is {
        Is::End => Ok(expr),
        _ => Err(parser.unexpected("an operator, or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    token: Token<'t>,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// Operands of one level with the operators between them.
    fn chain(&mut self, level: Level) -> Result<Expr, Error> {
        let first = self.operand(level)?;
        let mut links = Vec::new();
        while let Some(operator) = operator(&self.token.is).filter(|operator| operator.level() == level) {
            self.advance()?;
            links.push(Link { operator, operand: self.operand(level)? });
        }
        let Some(last) = links.last() else { return Ok(first) };
        let span = first.span.to(last.operand.span);
        Ok(Expr { node: Node::Chain { first: Box::new(first), links }, span })
    }

    fn operand(&mut self, level: Level) -> Result<Expr, Error> {
        match level {
            Level::Logic => self.chain(Level::Comparison),
            Level::Comparison => self.chain(Level::Sum),
            Level::Sum => self.chain(Level::Product),
            Level::Product => self.postfix(),
        }
    }

    /// `x LIKE 'a%'`, `x NOT IN (1, 2)`.
    fn postfix(&mut self) -> Result<Expr, Error> {
        let mut operand = self.unary()?;
        for _ in 0..MAX_ROW {
            let negated = self.token.is == Is::Word(Word::Not);
            if negated {
                self.advance()?;
            }
            operand = match self.token.is {
                Is::Word(Word::Like) => self.like(operand, negated)?,
                Is::Word(Word::In) => self.within(operand, negated)?,
                _ if negated => return Err(self.unexpected("LIKE or IN after NOT")),
                _ => return Ok(operand),
            };
        }
        match self.token.is {
            Is::Word(Word::Not | Word::Like | Word::In) => Err(self.too_deep()),
            _ => Ok(operand),
        }
    }

    fn like(&mut self, operand: Expr, negated: bool) -> Result<Expr, Error> {
        self.advance()?;
        let at = self.token.span;
        let Is::Text(text) = &self.token.is else {
            let error = self.unexpected("a pattern in quotes after LIKE");
            return Err(error.help("% stands for any characters, _ for one: LIKE 'order.%'"));
        };
        let pattern = Pattern::new(text);
        self.advance()?;
        let span = operand.span.to(at);
        Ok(Expr { node: Node::Like { operand: Box::new(operand), pattern, negated }, span })
    }

    fn within(&mut self, operand: Expr, negated: bool) -> Result<Expr, Error> {
        self.advance()?;
        self.expect(Sign::Open, "'(' after IN")?;
        let (set, end) = self.list(Vec::new())?;
        let span = operand.span.to(end);
        Ok(Expr { node: Node::In { operand: Box::new(operand), set, negated }, span })
    }

    /// One or more expressions and the parenthesis behind them.
    fn list(&mut self, mut all: Vec<Expr>) -> Result<(Vec<Expr>, Span), Error> {
        self.deeper()?;
        loop {
            all.push(self.chain(Level::Logic)?);
            let end = self.token.span;
            match self.token.is {
                Is::Sign(Sign::Comma) => self.advance()?,
                Is::Sign(Sign::Close) => {
                    self.depth -= 1;
                    self.advance()?;
                    return Ok((all, end));
                }
                _ => return Err(self.unexpected("',' or ')'")),
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        let begin = self.token.span;
        let sign = self.token.is.clone();
        if !matches!(sign, Is::Word(Word::Not) | Is::Sign(Sign::Minus | Sign::Plus)) {
            return self.primary();
        }
        self.advance()?;
        if let (Is::Sign(_), Is::Digits(digits)) = (&sign, &self.token.is) {
            let span = begin.to(self.token.span);
            let literal = integer(digits, sign == Is::Sign(Sign::Minus), span)?;
            self.advance()?;
            return Ok(literal);
        }
        if sign == Is::Sign(Sign::Plus) {
            return Err(self.unexpected("a number after +"));
        }
        self.deeper()?;
        let operand = Box::new(self.unary()?);
        self.depth -= 1;
        let span = begin.to(operand.span);
        let node = if sign == Is::Word(Word::Not) { Node::Not(operand) } else { Node::Negate(operand) };
        Ok(Expr { node, span })
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let Token { is, span } = self.token.clone();
        match is {
            Is::Digits(digits) => {
                let literal = integer(digits, false, span)?;
                self.advance()?;
                Ok(literal)
            }
            Is::Text(text) => self.literal(Value::String(text.into_owned().into())),
            Is::Word(Word::True) => self.literal(Value::Boolean(true)),
            Is::Word(Word::False) => self.literal(Value::Boolean(false)),
            Is::Word(Word::Exists) => {
                self.advance()?;
                let end = self.token.span;
                let Is::Name(name) = self.token.is else {
                    return Err(self.unexpected("the name of an attribute after EXISTS"));
                };
                let name = attribute(name, end)?;
                self.advance()?;
                Ok(Expr { node: Node::Exists(name), span: span.to(end) })
            }
            Is::Name(name) => {
                self.advance()?;
                if self.token.is == Is::Sign(Sign::Open) {
                    return self.call(name, span);
                }
                Ok(Expr { node: Node::Attribute(attribute(name, span)?), span })
            }
            Is::Sign(Sign::Open) => {
                self.deeper()?;
                self.advance()?;
                let mut inner = self.chain(Level::Logic)?;
                self.depth -= 1;
                inner.span = span.to(self.token.span);
                self.expect(Sign::Close, "an operator or ')'")?;
                Ok(inner)
            }
            Is::Sign(_) | Is::Word(_) | Is::End => Err(self.unexpected("a value")),
        }
    }

    fn literal(&mut self, value: Value<'static>) -> Result<Expr, Error> {
        let span = self.token.span;
        self.advance()?;
        Ok(Expr { node: Node::Literal(value), span })
    }

    fn call(&mut self, name: &str, span: Span) -> Result<Expr, Error> {
        if name.bytes().any(|b| b.is_ascii_digit()) || name.starts_with('_') {
            return Err(Error::parse(span, format!("'{name}' can't be the name of a function"))
                .help("they are of letters and '_', a letter first"));
        }
        self.advance()?;
        let (arguments, end) = if self.token.is == Is::Sign(Sign::Close) {
            let end = self.token.span;
            self.advance()?;
            (Vec::new(), end)
        } else {
            self.list(Vec::new())?
        };
        let name = name.to_ascii_uppercase().into_boxed_str();
        let function = Function::of(&name, arguments.len());
        Ok(Expr { node: Node::Call { name, function, arguments }, span: span.to(end) })
    }

    fn expect(&mut self, sign: Sign, what: &str) -> Result<(), Error> {
        if self.token.is != Is::Sign(sign) {
            return Err(self.unexpected(what));
        }
        self.advance()
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.token = self.lexer.token()?;
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.too_deep()) } else { Ok(()) }
    }

    fn too_deep(&self) -> Error {
        Error::parse(self.token.span, format!("nested more than {MAX_DEPTH} levels deep"))
    }

    fn unexpected(&self, wanted: &str) -> Error {
        let found = match &self.token.is {
            Is::End => "the end".to_owned(),
            _ => {
                let shown = self.token.span.of(self.text);
                let cut: String = shown.chars().take(40).collect();
                if cut.len() < shown.len() { format!("{cut}…") } else { cut }
            }
        };
        Error::parse(self.token.span, format!("expected {wanted}, found {found}"))
    }
}

fn operator(is: &Is<'_>) -> Option<Operator> {
    Some(match is {
        Is::Word(Word::And) => Operator::And,
        Is::Word(Word::Or) => Operator::Or,
        Is::Word(Word::Xor) => Operator::Xor,
        Is::Sign(Sign::Equal) => Operator::Equal,
        Is::Sign(Sign::NotEqual) => Operator::NotEqual,
        Is::Sign(Sign::Less) => Operator::Less,
        Is::Sign(Sign::LessOrEqual) => Operator::LessOrEqual,
        Is::Sign(Sign::Greater) => Operator::Greater,
        Is::Sign(Sign::GreaterOrEqual) => Operator::GreaterOrEqual,
        Is::Sign(Sign::Plus) => Operator::Add,
        Is::Sign(Sign::Minus) => Operator::Subtract,
        Is::Sign(Sign::Star) => Operator::Multiply,
        Is::Sign(Sign::Slash) => Operator::Divide,
        Is::Sign(Sign::Percent) => Operator::Remainder,
        _ => return None,
    })
}

fn integer(digits: &str, negative: bool, span: Span) -> Result<Expr, Error> {
    // Longer ones don't fit i64 either.
    let number = digits.parse::<i64>().ok().map(|number| if negative { -number } else { number });
    let Some(number) = number.and_then(|number| i32::try_from(number).ok()) else {
        return Err(Error::parse(span, "a number has 32 bits").help(format!(
            "it lies between {} and {}",
            i32::MIN,
            i32::MAX
        )));
    };
    Ok(Expr { node: Node::Literal(Value::Integer(number)), span })
}

fn attribute(name: &str, span: Span) -> Result<Box<str>, Error> {
    if name.contains('_') {
        return Err(Error::parse(span, format!("'{name}' can't be the name of an attribute"))
            .help("they are of letters and digits"));
    }
    Ok(name.to_ascii_lowercase().into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With parentheses around everything that has operands.
    fn shape(expr: &Expr) -> String {
        let inner = |all: &mut dyn Iterator<Item = &Expr>| all.map(shape).collect::<Vec<_>>().join(" ");
        match &expr.node {
            Node::Not(operand) => format!("(NOT {})", shape(operand)),
            Node::Negate(operand) => format!("(- {})", shape(operand)),
            Node::Like { operand, .. } => format!("({} LIKE)", shape(operand)),
            Node::In { operand, set, .. } => format!("({} IN {})", shape(operand), inner(&mut set.iter())),
            Node::Chain { first, links } => links.iter().fold(shape(first), |left, l| {
                format!("({left} {} {})", l.operator.symbol(), shape(&l.operand))
            }),
            _ => expr.to_string(),
        }
    }

    #[test]
    fn what_binds_tighter() {
        for (text, expected) in [
            ("a or b and c xor d", "(((a OR b) AND c) XOR d)"),
            ("NOT a = b", "((NOT a) = b)"),
            ("NOT a LIKE 'x' = -b", "(((NOT a) LIKE) = (- b))"),
            ("NOT EXISTS a AND b", "((NOT EXISTS a) AND b)"),
            ("1 - 2 - 3 * 4 % 5", "((1 - 2) - ((3 * 4) % 5))"),
            ("4-1 = +3", "((4 - 1) = 3)"),
            ("- 2147483648 < --1", "(-2147483648 < (- -1))"),
            ("a < b < c IN (1, d + 2)", "((a < b) < (c IN 1 (d + 2)))"),
            ("a LIKE 'x' NOT IN (TRUE)", "((a LIKE) IN TRUE)"),
            ("Left(A, 1) <> tYpe", "(LEFT(a, 1) != type)"),
            ("(a or b) and c", "((a OR b) AND c)"),
            ("a or (b and c)", "(a OR (b AND c))"),
        ] {
            assert_eq!(shape(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_where_it_stands() {
        for (text, at, message) in [
            (" ", 0, "the expression is empty"),
            ("type = ", 7, "expected a value, found the end"),
            ("type = 'a' 'b'", 11, "expected an operator, or the end, found 'b'"),
            ("x LIKE 123", 7, "expected a pattern in quotes after LIKE, found 123"),
            ("x NOT 5", 6, "expected LIKE or IN after NOT, found 5"),
            ("x IN ()", 6, "expected a value, found )"),
            ("ABC(", 4, "expected a value, found the end"),
            ("(a = 1", 6, "expected an operator or ')', found the end"),
            ("EXISTS 'a'", 7, "expected the name of an attribute after EXISTS, found 'a'"),
            ("my_type = 1", 0, "'my_type' can't be the name of an attribute"),
            ("2147483648", 0, "a number has 32 bits"),
            ("a = +b", 5, "expected a number after +, found b"),
            ("+'5'", 1, "expected a number after +, found '5'"),
            ("f1(2)", 0, "'f1' can't be the name of a function"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.span.start, &*error.message), (at, message), "{text}");
        }
    }

    #[test]
    fn long_is_fine_and_deep_is_not() {
        assert!(parse(&vec!["type = 'a'"; 3_000].join(" OR ")).is_ok());
        for deep in ["(", "NOT ", "- ", "a IN (", "ABS(", "x = (("] {
            let error = parse(&deep.repeat(5_000)).unwrap_err();
            assert!(error.message.contains("nested more than 64"), "{deep}: {error}");
        }
        let row = format!("a{}", " LIKE 'a'".repeat(5_000));
        assert!(parse(&row).unwrap_err().message.contains("nested more than 64"));
        assert!(parse(&" ".repeat(MAX_LENGTH + 1)).unwrap_err().message.contains("at most 65536 bytes"));
        assert!(parse(&format!("{}a{}", "(".repeat(64), ")".repeat(64))).is_ok());
    }
}
