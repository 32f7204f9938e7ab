//! A file's text and places in it.

use std::sync::Arc;

/// Where something stands: counted from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    /// On its first line.
    pub length: u32,
    pub end_line: u32,
}

#[derive(Clone, Debug)]
pub struct Place {
    pub text: Arc<Text>,
    pub span: Span,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.text.name, self.span.line, self.span.column)
    }
}

#[derive(Debug)]
pub struct Text {
    /// As it was found: what diagnostics say.
    pub name: Arc<str>,
    pub content: String,
    /// Where each line begins and ends, by bytes.
    lines: Vec<(usize, usize)>,
}

impl Text {
    pub fn new(name: &str, content: impl Into<String>) -> Text {
        let mut content = content.into();
        // A byte order mark is no part of the text.
        if content.starts_with('\u{feff}') {
            content.drain(..'\u{feff}'.len_utf8());
        }
        let (mut lines, mut start, bytes) = (Vec::new(), 0, content.as_bytes());
        for (at, byte) in bytes.iter().enumerate() {
            // YAML's line breaks: LF, CR LF and CR.
            match byte {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
                b'\n' | b'\r' => {
                    let end =
                        if *byte == b'\n' && at > start && bytes[at - 1] == b'\r' { at - 1 } else { at };
                    lines.push((start, end));
                    start = at + 1;
                }
                _ => {}
            }
        }
        lines.push((start, content.len()));
        Text { name: name.into(), content, lines }
    }

    /// A line by its number from 1.
    pub fn line(&self, number: u32) -> Option<&str> {
        let (start, end) = *self.lines.get((number as usize).checked_sub(1)?)?;
        self.content.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_line_breaks() {
        let text = Text::new("f", "a\r\nb\rc\n\nd");
        let lines: Vec<_> = (0..7).map(|n| text.line(n)).collect();
        assert_eq!(lines, [None, Some("a"), Some("b"), Some("c"), Some(""), Some("d"), None]);
    }
}
