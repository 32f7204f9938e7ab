//! Text to tokens, one at a time.

use super::ast::{Literal, Operator};
use super::number::Number;
use super::pointer::{self, Pointer};
use super::{Error, Span};

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub is: Is,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Is {
    Pointer(Pointer),
    Literal(Literal),
    Operator(Operator),
    Word(Word),
    /// A word that is none of ours.
    Unknown,
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    And,
    Or,
    Not,
    In,
    Exists,
}

impl Word {
    pub(super) const ALL: [(&'static str, Word); 5] = [
        ("and", Word::And),
        ("or", Word::Or),
        ("not", Word::Not),
        ("in", Word::In),
        ("exists", Word::Exists),
    ];
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Lexer<'t> {
        Lexer { text, at: 0 }
    }

    /// The next token; after the last one `End`, again and again.
    pub(super) fn token(&mut self) -> Result<Token, Error> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n']);
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            self.at = start;
            return Ok(Token { is: Is::End, span: Span::new(start, start) });
        };
        let (is, end) = match first {
            '/' => {
                let (pointer, end) = pointer::read(self.text, start)?;
                (Is::Pointer(pointer), end)
            }
            '"' | '\'' => {
                let (text, length) = quoted(self.text, start, first)?;
                (Is::Literal(Literal::Text(text.into())), start + length)
            }
            '(' => (Is::Open, start + 1),
            ')' => (Is::Close, start + 1),
            '[' => (Is::OpenList, start + 1),
            ']' => (Is::CloseList, start + 1),
            ',' => (Is::Comma, start + 1),
            _ => match Operator::ALL.iter().find(|(sign, _)| rest.starts_with(sign)) {
                Some((sign, operator)) if !is_foreign(rest) => (Is::Operator(*operator), start + sign.len()),
                _ => {
                    let length = rest.find(pointer::ends_a_name).unwrap_or(rest.len());
                    (self.word(rest, start, length)?, start + length)
                }
            },
        };
        self.at = end;
        Ok(Token { is, span: Span::new(start, end) })
    }

    fn word(&self, rest: &str, start: usize, length: usize) -> Result<Is, Error> {
        let word = &rest[..length];
        if word.is_empty() {
            return Err(unknown(rest, start));
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            let number = number(word, Span::new(start, start + length))?;
            return Ok(Is::Literal(Literal::Number(number)));
        }
        // However they are written.
        let known = |name: &str| name.eq_ignore_ascii_case(word);
        if let Some((_, word)) = Word::ALL.iter().find(|(name, _)| known(name)) {
            return Ok(Is::Word(*word));
        }
        Ok(match word {
            _ if known("true") => Is::Literal(Literal::Boolean(true)),
            _ if known("false") => Is::Literal(Literal::Boolean(false)),
            _ if known("null") => Is::Literal(Literal::Null),
            _ => Is::Unknown,
        })
    }
}

fn number(word: &str, span: Span) -> Result<Number, Error> {
    Number::new(word).ok_or_else(|| {
        let error = Error::new(span, format!("{word} is no JSON number"));
        let plain = word.trim_start_matches('+').replace('_', "");
        let zero = if plain.starts_with('.') { "0" } else { "" };
        let candidate = format!("{zero}{}", plain.trim_end_matches('.'));
        match Number::new(&candidate) {
            Some(_) => error.help(format!("write {candidate}")),
            None => error.help("numbers look like 42, -1.5 and 6e3; a text stands in quotes"),
        }
    })
}

/// Signs of other languages that begin as one of ours.
fn is_foreign(rest: &str) -> bool {
    ["==", "=~", "<>", "=>", "!~"].iter().any(|sign| rest.starts_with(sign))
}

/// What other languages have is told what it is called here.
fn unknown(rest: &str, start: usize) -> Error {
    let foreign = [
        ("==", "write '=' to compare"),
        ("<>", "write '!='"),
        ("=>", "write '>='"),
        ("=~", "there are no patterns: compare with '=' or 'in'"),
        ("!~", "there are no patterns: compare with '!=' or 'not in'"),
        ("&&", "write 'and'"),
        ("||", "write 'or'"),
        ("!", "write 'not'"),
        ("&", "write 'and'"),
        ("|", "write 'or'"),
        ("\u{a0}", "it is a no-break space: write a plain one"),
    ];
    let known = foreign.iter().find(|(sign, _)| rest.starts_with(sign));
    let first = rest.chars().next().unwrap_or_default();
    let length = known.map_or(first.len_utf8(), |(sign, _)| sign.len());
    let shown = match &rest[..length] {
        _ if first.is_control() || first.is_whitespace() => format!("U+{:04X}", u32::from(first)),
        sign => format!("'{sign}'"),
    };
    let error = Error::new(Span::new(start, start + length), format!("{shown} is no part of the language"));
    match known {
        Some((_, help)) => error.help(*help),
        None => error,
    }
}

/// The text in quotes that begins at `at`, and its length with them. Escapes are those of JSON, and `\'`.
pub(super) fn quoted(text: &str, at: usize, quote: char) -> Result<(String, usize), Error> {
    let (mut plain, mut from) = (String::new(), at + 1);
    while let Some(next) = text[from..].find([quote, '\\']) {
        let end = from + next;
        plain.push_str(&text[from..end]);
        if text[end..].starts_with(quote) {
            return Ok((plain, end + 1 - at));
        }
        let Some(escaped) = text[end + 1..].chars().next() else { break };
        let (c, length) = escape(escaped, &text[end..]).map_err(|(message, length)| {
            Error::new(Span::new(end, end + length), message).help("a backslash itself is written \\\\")
        })?;
        plain.push(c);
        from = end + length;
    }
    let missing = Span::new(at, text.len());
    Err(Error::new(missing, format!("the text that begins here has no closing {quote}")))
}

/// What `rest` begins with, a backslash and `escaped`, stands for, and its length; or what is wrong with so much of it.
fn escape(escaped: char, rest: &str) -> Result<(char, usize), (String, usize)> {
    let c = match escaped {
        '"' | '\'' | '\\' | '/' => escaped,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            return unicode(rest).ok_or_else(|| {
                let length = rest.char_indices().nth(6).map_or(rest.len(), |(end, _)| end);
                ("\\u stands before four hexadecimal digits, and they for a character".to_owned(), length)
            });
        }
        other => return Err((format!("\\{other} is no escape"), 1 + other.len_utf8())),
    };
    Ok((c, 2))
}

/// `\u00e9`, or the two of a character that needs two.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let units = std::iter::once(unit(0)?).chain(unit(6));
    let c = char::decode_utf16(units).next()?.ok()?;
    Some((c, if c.len_utf16() == 2 { 12 } else { 6 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Is>, Error> {
        let mut lexer = Lexer::new(text);
        let mut all = Vec::new();
        loop {
            match lexer.token()?.is {
                Is::End => return Ok(all),
                is => all.push(is),
            }
        }
    }

    fn pointer(text: &str) -> Vec<String> {
        match tokens(text).unwrap().as_slice() {
            [Is::Pointer(names)] => names.iter().map(|name| name.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pointers_are_those_of_rfc_6901_and_may_be_quoted() {
        assert_eq!(pointer("/a/0/b-c.d:e$"), ["a", "0", "b-c.d:e$"]);
        assert_eq!(pointer("/a~1b/m~0n/é"), ["a/b", "m~n", "é"]);
        assert_eq!(pointer(r#"/"first name"/'a"~/\u00e9'/"""#), ["first name", "a\"~/é", ""]);
        assert_eq!(tokens("/a=1").unwrap().len(), 3);
        assert_eq!(tokens("(/a)").unwrap().len(), 3);
    }

    #[test]
    fn texts_have_the_escapes_of_json() {
        let text = |text: &str| match tokens(text).unwrap().as_slice() {
            [Is::Literal(Literal::Text(text))] => text.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""a'b\"\\\/\n\u00e9\ud83d\ude00""#), "a'b\"\\/\né😀");
        assert_eq!(text(r#"'a"b\''"#), "a\"b'");
        for (wrong, at, message) in [
            (r#" "abc"#, 1, "no closing \""),
            (r#""abc\"#, 0, "no closing \""),
            (r#""a\x""#, 2, "\\x is no escape"),
            (r#""\ud83d""#, 1, "four hexadecimal"),
            (r#""\ud83d\u0041""#, 1, "four hexadecimal"),
            (r#""\u+041""#, 1, "four hexadecimal"),
            (r#""\u12é""#, 1, "four hexadecimal"),
        ] {
            let error = tokens(wrong).unwrap_err();
            assert!(error.span.start == at && error.message.contains(message), "{wrong}: {error:?}");
        }
    }

    #[test]
    fn what_is_foreign_is_told_its_name_here() {
        for (text, at, help) in [
            ("/a == 1", 3, "write '=' to compare"),
            ("/a && /b", 3, "write 'and'"),
            ("/a||/b", 2, "write 'or'"),
            ("!/a", 0, "write 'not'"),
            ("/a <> 1", 3, "write '!='"),
            ("/a =~ 'x'", 3, "no patterns"),
            ("/a = +5", 5, "write 5"),
            ("/a = .5", 5, "write 0.5"),
            ("/a = 10_000", 5, "write 10000"),
            ("/a = 1.2.3", 5, "numbers look like"),
            ("/items/*/sku", 7, "/items/0/sku"),
            ("/a/ = 1", 2, "/amount"),
            ("/a~b", 1, "~0 for a tilde"),
        ] {
            let error = tokens(text).unwrap_err();
            assert_eq!(error.span.start, at, "{text}: {error}");
            assert!(error.help.as_ref().unwrap().contains(help), "{text}: {error}");
        }
        assert_eq!(tokens("\u{7}").unwrap_err().message, "U+0007 is no part of the language");
    }
}
