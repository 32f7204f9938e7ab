//! The words and signs of an expression.

use std::borrow::Cow;

use super::Span;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub is: Is<'t>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Is<'t> {
    /// Digits; whether they fit 32 bits depends on the sign before them.
    Digits(&'t str),
    /// Without its quotes and escapes.
    Text(Cow<'t, str>),
    /// The name of an attribute or of a function.
    Name(&'t str),
    Word(Word),
    Sign(Sign),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    And,
    Or,
    Xor,
    Not,
    Like,
    In,
    Exists,
    True,
    False,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Open,
    Close,
    Comma,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Word {
    const ALL: [(&'static str, Word); 9] = [
        ("AND", Word::And),
        ("OR", Word::Or),
        ("XOR", Word::Xor),
        ("NOT", Word::Not),
        ("LIKE", Word::Like),
        ("IN", Word::In),
        ("EXISTS", Word::Exists),
        ("TRUE", Word::True),
        ("FALSE", Word::False),
    ];

    /// Keywords are keywords however they are written.
    pub(super) fn of(text: &str) -> Option<Word> {
        Word::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, word)| *word)
    }
}
