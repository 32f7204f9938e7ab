//! Tokens to a tree, by recursive descent within bounds of length and depth. `not` binds tighter than `and`, and that tighter
//! than `or`; each clause is read whole before them.

use foldhash::HashMap;

use super::ast::{Expr, Literal, Node, Test};
use super::lexer::{Is, Lexer, Token, Word};
use super::pointer::Pointer;
use super::{Error, Span};

/// In bytes.
pub const MAX_LENGTH: usize = 64 * 1024;
/// Parentheses and `not` within each other.
pub const MAX_DEPTH: usize = 64;

const OPERATORS: &str = "a comparison is one of = != < <= > >=, 'in' and 'not in'";

/// The tree, and the pointers that its clauses name by their index; each is there once.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Pointer>), Error> {
    if text.len() > MAX_LENGTH {
        let message = format!("a data filter has at most {MAX_LENGTH} bytes, this one {}", text.len());
        return Err(Error::new(Span::new(0, 0), message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.token()?;
    if token.is == Is::End {
        return Err(Error::new(Span::new(0, text.len()), "the data filter is empty")
            .help("write a clause, such as /amount > 10000, or remove the annotation"));
    }
    let mut parser = Parser { text, lexer, token, depth: 0, pointers: HashMap::default() };
    let expr = parser.any()?;
    match parser.token.is {
        Is::End => Ok((expr, parser.pointers())),
        _ => Err(parser.unexpected("'and', 'or' or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    token: Token,
    depth: usize,
    pointers: HashMap<Pointer, usize>,
}

impl Parser<'_> {
    fn pointers(self) -> Vec<Pointer> {
        let mut all: Vec<(Pointer, usize)> = self.pointers.into_iter().collect();
        all.sort_unstable_by_key(|(_, index)| *index);
        all.into_iter().map(|(pointer, _)| pointer).collect()
    }

    fn any(&mut self) -> Result<Expr, Error> {
        self.joined(Word::Or, Parser::all, Node::Any)
    }

    fn all(&mut self) -> Result<Expr, Error> {
        self.joined(Word::And, Parser::one, Node::All)
    }

    /// A list and not a tree: a long row is not deep.
    fn joined(
        &mut self,
        word: Word,
        each: fn(&mut Self) -> Result<Expr, Error>,
        node: fn(Vec<Expr>) -> Node,
    ) -> Result<Expr, Error> {
        let first = each(self)?;
        if self.token.is != Is::Word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.token.is == Is::Word(word) {
            self.advance()?;
            parts.push(each(self)?);
        }
        let span = parts[0].span.to(parts[parts.len() - 1].span);
        Ok(Expr { node: node(parts), span })
    }

    fn one(&mut self) -> Result<Expr, Error> {
        let begin = self.token.span;
        match self.token.is {
            Is::Word(Word::Not) => {
                self.advance()?;
                self.deeper()?;
                let part = self.one()?;
                self.depth -= 1;
                let span = begin.to(part.span);
                Ok(Expr { node: Node::Not(Box::new(part)), span })
            }
            Is::Open => {
                self.advance()?;
                self.deeper()?;
                let mut inner = self.any()?;
                self.depth -= 1;
                inner.span = begin.to(self.token.span);
                self.expect(&Is::Close, "'and', 'or' or ')'")?;
                Ok(inner)
            }
            Is::Word(Word::Exists) => {
                self.advance()?;
                let end = self.token.span;
                let pointer = self.pointer("a pointer behind 'exists'")?;
                Ok(Expr { node: Node::Clause(pointer, Test::Exists), span: begin.to(end) })
            }
            _ => {
                let pointer = self.pointer("a pointer")?;
                let (test, end) = self.test(begin)?;
                Ok(Expr { node: Node::Clause(pointer, test), span: begin.to(end) })
            }
        }
    }

    fn pointer(&mut self, wanted: &str) -> Result<usize, Error> {
        let Is::Pointer(pointer) = &self.token.is else {
            let error = self.unexpected(wanted);
            return Err(error.help(self.instead_of_a_pointer()));
        };
        let next = self.pointers.len();
        let index = *self.pointers.entry(pointer.clone()).or_insert(next);
        self.advance()?;
        Ok(index)
    }

    /// What is asked of the pointer at `begin`, and where that ends.
    fn test(&mut self, begin: Span) -> Result<(Test, Span), Error> {
        match self.token.is {
            Is::Operator(operator) => {
                let at = self.token.span;
                self.advance()?;
                let (literal, end) = self.literal()?;
                if !operator.is_equality() && matches!(literal, Literal::Null | Literal::Boolean(_)) {
                    let message = format!("{} has no order", end.of(self.text));
                    return Err(
                        Error::new(at.to(end), message).help("only numbers and texts do: write = or !=")
                    );
                }
                Ok((Test::Compare(operator, literal), end))
            }
            Is::Word(Word::In) => self.list(false),
            Is::Word(Word::Not) => {
                self.advance()?;
                match self.token.is {
                    Is::Word(Word::In) => self.list(true),
                    _ => Err(self
                        .unexpected("'in' behind 'not'")
                        .help("'not' of a clause stands before its pointer")),
                }
            }
            // Behind a pointer alone.
            Is::Word(Word::And | Word::Or) | Is::Close | Is::End => {
                Ok((Test::Compare(super::ast::Operator::Equal, Literal::Boolean(true)), begin))
            }
            _ => Err(self.unexpected("a comparison").help(self.instead_of_a_comparison())),
        }
    }

    fn list(&mut self, negated: bool) -> Result<(Test, Span), Error> {
        self.advance()?;
        if self.token.is != Is::OpenList {
            return Err(self.unexpected("'[' behind 'in'").help("a list looks like [\"DE\", \"FR\"]"));
        }
        self.advance()?;
        let mut list = vec![self.literal()?.0];
        loop {
            let end = self.token.span;
            match self.token.is {
                Is::Comma => {
                    self.advance()?;
                    list.push(self.literal()?.0);
                }
                Is::CloseList => {
                    self.advance()?;
                    return Ok((Test::In { list, negated }, end));
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn literal(&mut self) -> Result<(Literal, Span), Error> {
        let span = self.token.span;
        let Is::Literal(literal) = &self.token.is else {
            let error = self.unexpected("a value");
            return Err(match &self.token.is {
                Is::Pointer(_) => error.help("a pointer is compared with a value, not with another pointer"),
                Is::Unknown | Is::Word(_) => {
                    error.help(format!("a text stands in quotes: \"{}\"", span.of(self.text)))
                }
                _ => error.help("a value is a number, a text in quotes, true, false or null"),
            });
        };
        let literal = literal.clone();
        self.advance()?;
        Ok((literal, span))
    }

    /// A path as other languages write it: `amount`, `data.amount`, `$.amount`, `.amount`.
    fn instead_of_a_pointer(&self) -> String {
        let written = self.token.span.of(self.text);
        match self.token.is {
            Is::Unknown => {
                let names = written.trim_start_matches(['$', '@', '.']).replace('.', "/");
                let names = names.strip_prefix("data/").unwrap_or(&names);
                match near(written) {
                    Some(word) => format!("did you mean '{word}', or /{names}?"),
                    None => format!("a pointer into the data begins with a slash: /{names}"),
                }
            }
            Is::Literal(_) => {
                "the pointer stands on the left, the value on the right: /amount > 10000".into()
            }
            _ => "a clause looks like: /amount > 10000, exists /coupon, /country in [\"DE\", \"FR\"]".into(),
        }
    }

    fn instead_of_a_comparison(&self) -> String {
        let near = if self.token.is == Is::Unknown { near(self.token.span.of(self.text)) } else { None };
        near.map_or_else(|| OPERATORS.into(), |word| format!("did you mean '{word}'?"))
    }

    fn expect(&mut self, is: &Is, what: &str) -> Result<(), Error> {
        if self.token.is != *is {
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
        if self.depth > MAX_DEPTH {
            return Err(Error::new(self.token.span, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(())
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
        Error::new(self.token.span, format!("expected {wanted}, found {found}"))
    }
}

/// The word of ours that may have been meant.
fn near(written: &str) -> Option<&'static str> {
    // No misspelling is that long, and distance is quadratic.
    let short = (2..=10).contains(&written.len()).then(|| written.to_ascii_lowercase())?;
    let distance = |word: &&str| strsim::damerau_levenshtein(&short, word);
    Word::ALL.iter().map(|(word, _)| *word).find(|word| distance(word) * 3 <= word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_where_it_stands() {
        for (text, at, message, help) in [
            (" ", 0, "the data filter is empty", "/amount > 10000"),
            ("amount > 5", 0, "expected a pointer, found amount", "slash: /amount"),
            ("data.order.amount > 5", 0, "expected a pointer, found data.order.amount", ": /order/amount"),
            ("$.amount > 5", 0, "expected a pointer, found $.amount", ": /amount"),
            ("exits /a", 0, "expected a pointer, found exits", "did you mean 'exists'"),
            ("5 < /amount", 0, "expected a pointer, found 5", "pointer stands on the left"),
            ("exists 'a'", 7, "expected a pointer behind 'exists', found 'a'", "on the left"),
            ("/a = /b", 5, "expected a value, found /b", "not with another pointer"),
            ("/country = DE", 11, "expected a value, found DE", "\"DE\""),
            ("/a =", 4, "expected a value, found the end", "true, false or null"),
            ("/a nad /b", 3, "expected a comparison, found nad", "did you mean 'and'?"),
            ("/a like 'x'", 3, "expected a comparison, found like", "= != < <= > >="),
            ("/a 5", 3, "expected a comparison, found 5", "= != < <= > >="),
            ("/a < true", 3, "true has no order", "write = or !="),
            ("/a >= null", 3, "null has no order", "write = or !="),
            ("/a not 5", 7, "expected 'in' behind 'not', found 5", "before its pointer"),
            ("/a in 'x'", 6, "expected '[' behind 'in', found 'x'", "[\"DE\", \"FR\"]"),
            ("/a in []", 7, "expected a value, found ]", "true, false or null"),
            ("/a and", 6, "expected a pointer, found the end", "looks like"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.span.start, &*error.message), (at, message), "{text}");
            assert!(error.help.as_ref().is_some_and(|is| is.contains(help)), "{text}: {error}");
        }
        for (text, at, message) in [
            ("/a = 1 /b", 7, "expected 'and', 'or' or the end, found /b"),
            ("(/a = 1", 7, "expected 'and', 'or' or ')', found the end"),
            ("/a = 1)", 6, "expected 'and', 'or' or the end, found )"),
            ("/a in [1 2]", 9, "expected ',' or ']', found 2"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.span.start, &*error.message), (at, message), "{text}");
        }
    }

    #[test]
    fn a_pointer_is_kept_once() {
        let (_, pointers) = parse("/a > 1 and (/b or /a < 5) and not exists /b").unwrap();
        assert_eq!(pointers.len(), 2);
    }

    #[test]
    fn long_is_fine_and_deep_is_not() {
        assert!(parse(&vec!["/a = 1"; 3_000].join(" or ")).is_ok());
        for deep in ["(", "not "] {
            let error = parse(&deep.repeat(5_000)).unwrap_err();
            assert!(error.message.contains("nested more than 64"), "{deep}: {error}");
        }
        assert!(parse(&format!("{}/a{}", "(".repeat(64), ")".repeat(64))).is_ok());
        assert!(parse(&"/a".repeat(128)).unwrap_err().message.contains("more than 127 levels deep"));
        assert!(parse(&" ".repeat(MAX_LENGTH + 1)).unwrap_err().message.contains("at most 65536 bytes"));
    }
}
