//! What a publisher said, as a line of the log has it: on one line, and no longer than a person reads.

use std::fmt::{self, Display, Formatter, Write};

/// So many characters are shown.
const LONGEST: usize = 200;

/// An id, a source or a message that is not ours: without control characters, cut off with a note of what is missing.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(LONGEST).map_or(self.0.len(), |(at, _)| at);
        for c in self.0[..end].chars() {
            if is_plain(c) { f.write_char(c)? } else { write!(f, "{}", c.escape_unicode())? }
        }
        match self.0.len() - end {
            0 => Ok(()),
            more => write!(f, "... ({more} bytes more)"),
        }
    }
}

/// What turns the direction of text, or can't be seen, could make one line look like another.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_plain() {
        assert_eq!(Shown("order-1/ä/注文").to_string(), "order-1/ä/注文");
        assert_eq!(Shown("a\nb\u{1b}[31m\u{202e}").to_string(), r"a\u{a}b\u{1b}[31m\u{202e}");
        let long = "é".repeat(500_000);
        let shown = Shown(&long).to_string();
        assert_eq!(shown, format!("{}... (999600 bytes more)", "é".repeat(200)));
        assert!(Shown(&"\0".repeat(1 << 20)).to_string().len() < 2_000);
    }
}
