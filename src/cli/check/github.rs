//! What was found as the annotations of a GitHub Actions run: workflow commands, a line each.

use std::fmt::{self, Display, Formatter};

use crate::config::{Diagnostic, Diagnostics, Severity};

pub(super) struct Annotations<'d>(pub(super) [&'d Diagnostics; 2]);

impl Display for Annotations<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().flat_map(|d| d.sorted()).try_for_each(|diagnostic| write(f, diagnostic))?;
        match self.0.iter().map(|diagnostics| diagnostics.dropped()).sum() {
            0usize => Ok(()),
            dropped => writeln!(f, "and {dropped} more problems that are not shown"),
        }
    }
}

fn write(f: &mut Formatter<'_>, it: &Diagnostic) -> fmt::Result {
    let command = match it.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    write!(f, "::{command} ")?;
    let mut message = it.message.clone();
    if it.line > 0 {
        let (line, column) = (it.line, it.column);
        let end = column.saturating_add(it.length);
        let file = property(&it.file);
        write!(f, "file={file},line={line},endLine={line},col={column},endColumn={end},")?;
    } else {
        // Perhaps no file at all, but a flag.
        message = format!("{}: {message}", it.file);
    }
    if let Some(help) = &it.suggestion {
        message = format!("{message}\nhelp: {help}");
    }
    writeln!(f, "title={}::{}", property(it.code.text()), data(&message))
}

/// As the runner undoes it. What would steer a terminal is no part of a log either.
fn data(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && !matches!(c, '\n' | '\r') { '\u{fffd}' } else { c };
    let text: String = text.chars().map(harmless).collect();
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.whole(Severity::Warning, "a:b", "100%\r\nof, \u{1b}[1m").help("c::d");
        assert_eq!(
            Annotations([&diagnostics, &Diagnostics::default()]).to_string(),
            "::warning title=value::a:b: 100%25%0D%0Aof, \u{fffd}[1m%0Ahelp: c::d\n"
        );
        assert_eq!(property("C:\\a,b%"), "C%3A\\a%2Cb%25");
    }
}
