//! Where in an expression something stands.

/// From byte to byte, the second excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// From the beginning of this one to the end of the other.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }

    /// The text that it covers; empty where it is of another text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// In characters from 1.
    pub fn column(self, text: &str) -> usize {
        text.char_indices().take_while(|(at, _)| *at < self.start).count() + 1
    }
}
