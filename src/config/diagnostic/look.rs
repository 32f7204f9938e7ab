//! How a diagnostic is written: the place first, as compilers write it, so that editors can jump there.

use std::fmt;

use anstyle::{AnsiColor, Style};

use super::{Diagnostic, Severity};

/// How much of a source line is shown.
const WIDTH: usize = 120;

/// The styles of the parts.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    place: Style,
    error: Style,
    warning: Style,
    note: Style,
    gutter: Style,
    help: Style,
}

impl Look {
    pub const PLAIN: Look = Look {
        place: Style::new(),
        error: Style::new(),
        warning: Style::new(),
        note: Style::new(),
        gutter: Style::new(),
        help: Style::new(),
    };

    pub const COLOURED: Look = Look {
        place: Style::new().bold(),
        error: AnsiColor::Red.on_default().bold(),
        warning: AnsiColor::Yellow.on_default().bold(),
        note: AnsiColor::Cyan.on_default().bold(),
        gutter: AnsiColor::Blue.on_default(),
        help: AnsiColor::Green.on_default(),
    };

    fn of(&self, severity: Severity) -> (Style, &'static str) {
        match severity {
            Severity::Error => (self.error, "error"),
            Severity::Warning => (self.warning, "warning"),
            Severity::Note => (self.note, "note"),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Look::PLAIN.of(*self).1)
    }
}

impl Diagnostic {
    pub fn write(&self, out: &mut dyn fmt::Write, look: &Look) -> fmt::Result {
        let (style, word) = look.of(self.severity);
        let place = look.place;
        write!(out, "{place}{}", harmless(&self.file))?;
        if self.line > 0 {
            write!(out, ":{}:{}", self.line, self.column)?;
        }
        write!(out, "{place:#}: {style}{word}{style:#}: {}", harmless(&self.message))?;
        // What can be silenced says by which name.
        if self.code.is_lint() {
            write!(out, " [{}]", self.code)?;
        }
        writeln!(out)?;
        if let Some(line) = &self.excerpt {
            self.write_excerpt(out, look, line)?;
        }
        if let Some(suggestion) = &self.suggestion {
            let help = look.help;
            // Lines to write stand below each other.
            let mut lines = suggestion.lines();
            writeln!(out, "  {help}help{help:#}: {}", harmless(lines.next().unwrap_or_default()))?;
            lines.try_for_each(|line| writeln!(out, "        {}", harmless(line).trim_end()))?;
        }
        Ok(())
    }

    fn write_excerpt(&self, out: &mut dyn fmt::Write, look: &Look, line: &str) -> fmt::Result {
        let length = self.length as usize;
        let at = (self.column as usize).saturating_sub(1);
        // A very long line is shown from a little before the caret.
        let skip = if at + length.min(20) > WIDTH { at.saturating_sub(20) } else { 0 };
        let shown: String = line.chars().skip(skip).take(WIDTH).collect();
        let shown = harmless(&shown);
        let shown = shown.trim_end();
        let (caret, total) = (at - skip.min(at), shown.chars().count());
        let marks = length.clamp(1, total.saturating_sub(caret).max(1));
        let (gutter, (style, _)) = (look.gutter, look.of(self.severity));
        writeln!(out, "{gutter}{:>5} |{gutter:#} {shown}", self.line)?;
        writeln!(out, "{gutter}      |{gutter:#} {:caret$}{style}{}{style:#}", "", "^".repeat(marks))
    }
}

/// A file's text must not steer the terminal that it is shown on.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) => '\u{fffd}',
            c => c,
        })
        .collect()
}
