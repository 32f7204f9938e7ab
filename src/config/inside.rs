//! Where in a file a character of a scalar stands: quotes, escapes, folded lines and block indentation taken into account.

use super::text::{Span, Text};

/// The place of `value[start..end]`, of a scalar that stands at `scalar` in the file. What YAML changes on the way from text
/// to value is white space and escapes: all other characters are found one after the other.
pub(super) fn inside(text: &Text, scalar: Span, value: &str, start: usize, end: usize) -> Span {
    let mut walk = Walk::new(text, scalar);
    let mut found: Option<Span> = None;
    let mut behind = (scalar.line, scalar.column);
    for (at, c) in value.char_indices() {
        if c.is_whitespace() {
            continue;
        }
        if at >= end && found.is_some() {
            break;
        }
        let Some(Written { line, column, width }) = walk.find(c) else { return scalar };
        behind = (line, column + width);
        match &mut found {
            None if at >= start => found = Some(Span { line, column, length: width, end_line: line }),
            None => {}
            Some(span) => {
                span.end_line = line;
                if line == span.line {
                    span.length = column + width - span.column;
                }
            }
        }
    }
    // Behind the last character: what is missing there.
    let (line, column) = behind;
    found.unwrap_or(Span { line, column, length: 1, end_line: line })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Plain, or in a block: as it is.
    Plain,
    Single,
    Double,
}

/// A character of the value, as it is written.
struct Written {
    line: u32,
    column: u32,
    width: u32,
}

struct Walk<'t> {
    text: &'t Text,
    style: Style,
    line: u32,
    /// Characters of the line that are passed.
    column: u32,
    rest: &'t str,
}

impl<'t> Walk<'t> {
    fn new(text: &'t Text, scalar: Span) -> Walk<'t> {
        let passed = scalar.column.saturating_sub(1);
        let rest = text.line(scalar.line).unwrap_or_default();
        let begin = rest.char_indices().nth(passed as usize).map_or(rest.len(), |(at, _)| at);
        let mut walk =
            Walk { text, style: Style::Plain, line: scalar.line, column: passed, rest: &rest[begin..] };
        walk.skip_properties();
        match walk.rest.chars().next() {
            Some('\'') => walk.quoted(Style::Single),
            Some('"') => walk.quoted(Style::Double),
            // The value begins on the line after.
            Some('|' | '>') => walk.rest = "",
            _ => {}
        }
        walk
    }

    /// An anchor and a tag, which may stand on lines of their own.
    fn skip_properties(&mut self) {
        loop {
            self.skip(char::is_whitespace);
            if self.rest.starts_with(['&', '!']) {
                self.skip(|c| !c.is_whitespace());
            } else if !self.rest.is_empty() || !self.next_line() {
                return;
            }
        }
    }

    fn skip(&mut self, passed: impl Fn(char) -> bool) {
        while self.rest.starts_with(&passed) {
            self.take();
        }
    }

    fn next_line(&mut self) -> bool {
        let next = self.text.line(self.line + 1);
        (self.line, self.column, self.rest) = (self.line + 1, 0, next.unwrap_or_default());
        next.is_some()
    }

    fn quoted(&mut self, style: Style) {
        self.style = style;
        self.take();
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.column += 1;
        Some(c)
    }

    /// The next character that is no white space, if it is `wanted`.
    fn find(&mut self, wanted: char) -> Option<Written> {
        loop {
            let (line, column) = (self.line, self.column);
            let Some(c) = self.take() else {
                if !self.next_line() {
                    return None;
                }
                continue;
            };
            let c = match (self.style, c) {
                (Style::Single, '\'') => self.take()?,
                (Style::Double, '\\') => match self.escaped() {
                    Some(c) => c,
                    // The end of the line: the next one goes on.
                    None => continue,
                },
                _ => c,
            };
            if c.is_whitespace() {
                continue;
            }
            let width = self.column.saturating_sub(column);
            return (c == wanted).then_some(Written { line, column: column + 1, width });
        }
    }

    /// What follows a backslash; an unknown one stands for itself.
    fn escaped(&mut self) -> Option<char> {
        let digits = match self.take()? {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            '0' => return Some('\0'),
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            'v' => return Some('\u{b}'),
            'f' => return Some('\u{c}'),
            'e' => return Some('\u{1b}'),
            'N' => return Some('\u{85}'),
            '_' => return Some('\u{a0}'),
            'L' => return Some('\u{2028}'),
            'P' => return Some('\u{2029}'),
            other => return Some(other),
        };
        let code: String = (0..digits).filter_map(|_| self.take()).collect();
        u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::diagnostic::{Diagnostics, Report};
    use super::super::yaml;
    use super::*;

    /// Where `part` of the value under `k` stands, as line, column and length.
    fn place(content: &str, part: &str) -> (u32, u32, u32) {
        let (text, mut diagnostics) = (Arc::new(Text::new("f", content)), Diagnostics::default());
        let stream = yaml::parse(&mut Report::new(&text, &mut diagnostics), content);
        let node = &stream.documents[0].get("k").unwrap().value;
        let value = node.text().unwrap();
        let start = value.find(part).unwrap();
        let span = inside(&text, node.span, value, start, start + part.len());
        (span.line, span.column, span.length)
    }

    #[test]
    fn every_style_of_scalar() {
        assert_eq!(place("k: type = 'a' AND nope\n", "nope"), (1, 19, 4));
        assert_eq!(place("k: type =\n  'a' AND\n\n  nope # not this\n", "nope"), (4, 3, 4));
        assert_eq!(place("{k: type nope}\n", "nope"), (1, 10, 4));
        assert_eq!(place("k: 'type = ''é'' nope'\n", "nope"), (1, 18, 4));
        assert_eq!(place("k: 'type = ''é'' nope'\n", "'é'"), (1, 12, 5));
        assert_eq!(place("k: 'type =\n   ''a''\n   nope'\n", "nope"), (3, 4, 4));
        assert_eq!(place("k: \"type = \\\"a\\\" \\x6eope\"\n", "nope"), (1, 18, 7));
        assert_eq!(place("k: \"a \\\n   \\u00e9\\n nope\"\n", "nope"), (2, 13, 4));
        assert_eq!(place("k: |\n  type = 'a'\n  AND nope\n", "nope"), (3, 7, 4));
        assert_eq!(place("k: >-  # folded\n  type = 'a'\n\n    AND nope\n", "nope"), (4, 9, 4));
        assert_eq!(place("x: 1\nk:\n  &anchor |-2\n    type nope\n", "nope"), (4, 10, 4));
        assert_eq!(place("k: &a !!str 'x nope'\n", "nope"), (1, 16, 4));
        assert_eq!(place("k: a\r\n  nope\r\n", "nope"), (2, 3, 4));
    }

    #[test]
    fn what_is_missing_at_the_end_is_shown_there() {
        let (text, mut diagnostics) = (Arc::new(Text::new("f", "k: 'a ='\n")), Diagnostics::default());
        let stream = yaml::parse(&mut Report::new(&text, &mut diagnostics), &text.content);
        let node = &stream.documents[0].get("k").unwrap().value;
        let span = inside(&text, node.span, "a =", 3, 3);
        assert_eq!((span.line, span.column, span.length), (1, 8, 1));
        // A value of another text: the scalar as a whole.
        assert_eq!(inside(&text, node.span, "b", 0, 1), node.span);
    }
}
