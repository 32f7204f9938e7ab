//! Text to tokens, one at a time.

use std::borrow::Cow;

use super::token::{Is, Sign, Token, Word};
use super::{Error, Span};

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Lexer<'t> {
        Lexer { text, at: 0 }
    }

    /// The next token; after the last one `End`, again and again.
    pub(super) fn token(&mut self) -> Result<Token<'t>, Error> {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r', '\n']);
        let start = self.text.len() - rest.len();
        self.at = start;
        let is = match rest.chars().next() {
            None => Is::End,
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            Some(c) if c.is_ascii_alphanumeric() => self.word(),
            Some(c) => Is::Sign(self.sign(c)?),
        };
        Ok(Token { is, span: Span::new(start, self.at) })
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// A backslash escapes the quote; before anything else it stands for itself, and keeps that from ending the text.
    fn quoted(&mut self, quote: char) -> Result<Is<'t>, Error> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let (mut escaped, mut quotes_escaped) = (false, false);
        for (at, c) in inner.char_indices() {
            if escaped {
                escaped = false;
                quotes_escaped |= c == quote;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                self.at = start + 1 + at + 1;
                let text = &inner[..at];
                let text =
                    if quotes_escaped { Cow::Owned(unescaped(text, quote)) } else { Cow::Borrowed(text) };
                return Ok(Is::Text(text));
            }
        }
        let missing = Span::new(start, self.text.len());
        Err(Error::parse(missing, format!("the text that begins here has no closing {quote}")))
    }

    fn word(&mut self) -> Is<'t> {
        let rest = self.rest();
        let length = rest.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'_').unwrap_or(rest.len());
        self.at += length;
        let word = &rest[..length];
        if word.bytes().all(|b| b.is_ascii_digit()) {
            return Is::Digits(word);
        }
        Word::of(word).map_or(Is::Name(word), Is::Word)
    }

    fn sign(&mut self, first: char) -> Result<Sign, Error> {
        let rest = self.rest();
        let (sign, length) = match first {
            '<' if rest.starts_with("<>") => (Sign::NotEqual, 2),
            '<' if rest.starts_with("<=") => (Sign::LessOrEqual, 2),
            '>' if rest.starts_with(">=") => (Sign::GreaterOrEqual, 2),
            '!' if rest.starts_with("!=") => (Sign::NotEqual, 2),
            '=' if !rest.starts_with("==") => (Sign::Equal, 1),
            '(' => (Sign::Open, 1),
            ')' => (Sign::Close, 1),
            ',' => (Sign::Comma, 1),
            '+' => (Sign::Plus, 1),
            '-' => (Sign::Minus, 1),
            '*' => (Sign::Star, 1),
            '/' => (Sign::Slash, 1),
            '%' => (Sign::Percent, 1),
            '<' => (Sign::Less, 1),
            '>' => (Sign::Greater, 1),
            _ => return Err(self.unknown(first)),
        };
        self.at += length;
        Ok(sign)
    }

    /// What other languages have is told what it is called here.
    fn unknown(&self, first: char) -> Error {
        let foreign = [
            ("==", "write '=' to compare"),
            ("&&", "write AND"),
            ("||", "write OR, or CONCAT(…) to join texts"),
            ("!", "write NOT"),
            (".", "there are whole numbers only, and the event's data can't be reached"),
            ("\u{2018}", "texts stand in straight quotes: ' or \""),
            ("\u{2019}", "texts stand in straight quotes: ' or \""),
            ("\u{201c}", "texts stand in straight quotes: ' or \""),
            ("\u{201d}", "texts stand in straight quotes: ' or \""),
            ("\u{a0}", "it is a no-break space: write a plain one"),
        ];
        let known = foreign.iter().find(|(sign, _)| self.rest().starts_with(sign));
        let length = known.map_or(first.len_utf8(), |(sign, _)| sign.len());
        let span = Span::new(self.at, self.at + length);
        let shown = match span.of(self.text) {
            shown if first.is_control() || first.is_whitespace() || shown.is_empty() => {
                format!("U+{:04X}", u32::from(first))
            }
            shown => format!("'{shown}'"),
        };
        let error = Error::parse(span, format!("{shown} is no part of the language"));
        match known {
            Some((_, help)) => error.help(*help),
            None => error,
        }
    }
}

fn unescaped(text: &str, quote: char) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(next)) => {
                chars.next();
                if next != quote {
                    plain.push('\\');
                }
                plain.push(next);
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Is<'_>>, Error> {
        let mut lexer = Lexer::new(text);
        let mut all = Vec::new();
        loop {
            match lexer.token()?.is {
                Is::End => return Ok(all),
                is => all.push(is),
            }
        }
    }

    #[test]
    fn quotes_and_escapes() {
        let text = |text: &'static str| match tokens(text).unwrap().as_slice() {
            [Is::Text(text)] => text.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#"'a"b\'c'"#), r#"a"b'c"#);
        assert_eq!(text(r#""a'b\"c""#), r#"a'b"c"#);
        assert_eq!(text(r#"'a\"b\n\\'"#), r#"a\"b\n\\"#);
        assert_eq!(text(r"'\\\''"), r"\\'");
        assert_eq!(tokens("'a''b'").unwrap().len(), 2);
        assert_eq!(tokens("é = 'x").unwrap_err().span, Span::new(0, 2));
        let open = tokens("x = 'abc\\'").unwrap_err();
        assert_eq!(
            (open.span, &*open.message),
            (Span::new(4, 10), "the text that begins here has no closing '")
        );
    }

    #[test]
    fn a_minus_is_never_part_of_a_number() {
        let expected = [Is::Digits("4"), Is::Sign(Sign::Minus), Is::Digits("1")];
        assert_eq!(tokens("4-1").unwrap(), expected);
        assert_eq!(tokens("1a nOt a_b").unwrap(), [Is::Name("1a"), Is::Word(Word::Not), Is::Name("a_b")]);
    }

    #[test]
    fn what_is_foreign_is_told_its_name_here() {
        for (text, at, help) in [
            ("a == 1", 2, "write '=' to compare"),
            ("a && b", 2, "write AND"),
            ("!a", 0, "write NOT"),
            ("data.amount", 4, "can't be reached"),
            ("type = \u{2018}a\u{2019}", 7, "straight quotes"),
        ] {
            let error = tokens(text).unwrap_err();
            assert_eq!(error.span.start, at, "{text}");
            assert!(error.help.unwrap().contains(help), "{text}");
        }
        assert_eq!(tokens("\u{7}").unwrap_err().message, "U+0007 is no part of the language");
    }
}
