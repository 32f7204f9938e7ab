//! What is wrong, where, and what to do about it. Problems are collected, never thrown: all are reported at once.

use std::fmt;
use std::sync::Arc;

use super::text::{Place, Span, Text};

mod code;
mod look;

pub use code::Code;
pub use look::Look;

/// How many of each severity are kept; the rest are counted.
const KEPT: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Note,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub file: Arc<str>,
    /// Counted from 1; 0: the file as a whole.
    pub line: u32,
    pub column: u32,
    /// How many characters of the line are meant.
    pub length: u32,
    pub message: String,
    pub suggestion: Option<String>,
    /// The source line that it points into.
    excerpt: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    counts: [usize; 3],
    /// Of what is not given one of its own.
    code: Code,
}

impl Diagnostics {
    /// The code of what is said from here on and is given none of its own.
    pub fn coded(&mut self, code: Code) {
        self.code = code;
    }

    /// A problem of something that is no place in a file: a path, a flag, a variable of the environment.
    pub fn whole(&mut self, severity: Severity, file: &str, message: impl Into<String>) -> Added<'_> {
        self.push(Diagnostic {
            severity,
            code: self.code,
            file: file.into(),
            line: 0,
            column: 0,
            length: 0,
            message: message.into(),
            suggestion: None,
            excerpt: None,
        })
    }

    pub fn at(&mut self, severity: Severity, place: &Place, message: impl Into<String>) -> Added<'_> {
        self.inside(severity, &place.text, place.span, message)
    }

    fn inside(
        &mut self,
        severity: Severity,
        text: &Text,
        span: Span,
        message: impl Into<String>,
    ) -> Added<'_> {
        // Of what is only counted no line is looked at: all that is wrong may stand on one, and that may be long.
        let kept = self.counts[severity as usize] < KEPT;
        let line = text.line(span.line).filter(|line| kept && !names_a_secret(line));
        let excerpt = line.map(str::to_owned);
        self.push(Diagnostic {
            severity,
            code: self.code,
            file: text.name.clone(),
            line: span.line,
            column: span.column,
            length: span.length,
            message: message.into(),
            suggestion: None,
            excerpt,
        })
    }

    fn push(&mut self, diagnostic: Diagnostic) -> Added<'_> {
        // What an alias makes appear twice is said once.
        let said = |d: &Diagnostic| {
            d.file == diagnostic.file
                && (d.line, d.column, d.severity) == (diagnostic.line, diagnostic.column, diagnostic.severity)
                && d.message == diagnostic.message
        };
        if self.all.iter().any(said) {
            return Added(None);
        }
        let count = &mut self.counts[diagnostic.severity as usize];
        *count += 1;
        if *count > KEPT {
            return Added(None);
        }
        self.all.push(diagnostic);
        Added(self.all.last_mut())
    }

    /// Takes the source lines out of what points into these lines of a file: they hold a secret.
    pub fn conceal(&mut self, file: &str, from: u32, to: u32) {
        for diagnostic in &mut self.all {
            if *diagnostic.file == *file && (from..=to).contains(&diagnostic.line) {
                diagnostic.excerpt = None;
            }
        }
    }

    pub fn absorb(&mut self, other: Diagnostics) {
        for (count, theirs) in self.counts.iter_mut().zip(other.counts) {
            *count += theirs.saturating_sub(KEPT);
        }
        for diagnostic in other.all {
            self.push(diagnostic);
        }
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.counts[severity as usize]
    }

    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there were beyond those that are kept.
    pub fn dropped(&self) -> usize {
        self.counts.iter().map(|count| count.saturating_sub(KEPT)).sum()
    }

    /// By file, line and column.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.all.iter().collect();
        sorted.sort_by(|a, b| {
            (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity))
        });
        sorted
    }

    /// `2 errors, 1 warning`, or nothing where there is nothing to say.
    pub fn summary(&self) -> Option<String> {
        let part = |severity, word: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let parts = [part(Severity::Error, "error"), part(Severity::Warning, "warning")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    pub fn write(&self, out: &mut dyn fmt::Write, look: &Look) -> fmt::Result {
        for diagnostic in self.sorted() {
            diagnostic.write(out, look)?;
        }
        let dropped = self.dropped();
        if dropped > 0 {
            writeln!(out, "and {dropped} more problems that are not shown")?;
        }
        Ok(())
    }
}

/// Whether a line looks as if a secret stood on it: then it is not shown, whatever is wrong there.
fn names_a_secret(line: &str) -> bool {
    let line = line.to_lowercase().replace(['-', '_', '"', '\'', ' '], "");
    ["password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "privatekey"]
        .iter()
        .any(|word| line.contains(&format!("{word}:")) || line.contains(&format!("{word}s:")))
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Look::PLAIN)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Look::PLAIN)
    }
}

/// A diagnostic that was just added and may still be given its help line.
pub struct Added<'a>(Option<&'a mut Diagnostic>);

impl Added<'_> {
    pub fn code(mut self, code: Code) -> Self {
        if let Some(diagnostic) = &mut self.0 {
            diagnostic.code = code;
        }
        self
    }

    pub fn help(self, suggestion: impl Into<String>) {
        self.maybe_help(Some(suggestion.into()));
    }

    pub fn maybe_help(self, suggestion: Option<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.suggestion = suggestion;
        }
    }
}

/// The diagnostics of one file: what readers are handed.
pub struct Report<'a> {
    text: &'a Arc<Text>,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Report<'a> {
    pub fn new(text: &'a Arc<Text>, diagnostics: &'a mut Diagnostics) -> Report<'a> {
        Report { text, diagnostics }
    }

    pub fn error(&mut self, span: Span, message: impl Into<String>) -> Added<'_> {
        self.diagnostics.inside(Severity::Error, self.text, span, message)
    }

    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> Added<'_> {
        self.diagnostics.inside(Severity::Warning, self.text, span, message)
    }

    pub fn note(&mut self, span: Span, message: impl Into<String>) -> Added<'_> {
        self.diagnostics.inside(Severity::Note, self.text, span, message)
    }

    /// Takes the source lines out of what was said of these lines: they may hold a secret.
    pub fn conceal(&mut self, span: Span) {
        self.diagnostics.conceal(&self.text.name, span.line, span.end_line);
    }

    /// To speak of this place later, when other files are known too.
    pub fn place(&self, span: Span) -> Place {
        Place { text: self.text.clone(), span }
    }

    pub fn text(&self) -> &Text {
        self.text
    }

    /// As [`Diagnostics::coded`].
    pub fn coded(&mut self, code: Code) {
        self.diagnostics.coded(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_kept_is_counted() {
        let mut diagnostics = Diagnostics::default();
        for n in 0..KEPT + 7 {
            diagnostics.whole(Severity::Note, "a", format!("{n}"));
        }
        diagnostics.whole(Severity::Error, "a", "an error still counts");
        assert!(diagnostics.has_errors());
        let shown = diagnostics.to_string();
        assert!(
            shown.contains("an error still counts")
                && shown.ends_with("and 7 more problems that are not shown\n")
        );
        let mut both = Diagnostics::default();
        both.absorb(diagnostics);
        assert_eq!((both.dropped(), both.count(Severity::Note)), (7, KEPT + 7));
    }

    #[test]
    fn the_caret_stands_under_what_is_meant_and_control_characters_do_nothing() {
        let text = Arc::new(Text::new("f.yaml", "a: 1\n\tké: \u{1b}[31mred\n"));
        let mut diagnostics = Diagnostics::default();
        let span = Span { line: 2, column: 2, length: 2, end_line: 2 };
        Report::new(&text, &mut diagnostics).error(span, "bad \u{7}").help("good");
        assert_eq!(
            diagnostics.to_string(),
            "f.yaml:2:2: error: bad \u{fffd}\n    2 |  ké: \u{fffd}[31mred\n      |  ^^\n  help: good\n"
        );
        diagnostics.conceal("f.yaml", 1, 2);
        assert_eq!(diagnostics.to_string(), "f.yaml:2:2: error: bad \u{fffd}\n  help: good\n");
    }
}
