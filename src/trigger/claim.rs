//! What must be so of an event for a filter to match: less than the filter says, and never more.

use super::Filter;
use super::attribute::Wanted;
use super::cesql::Pattern;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim<'f> {
    /// No event does it.
    Never,
    /// Nothing is known of it.
    Perhaps,
    Has(&'f str),
    Lacks(&'f str),
    /// The attribute is there, and its text passes the test, or fails it.
    Text(&'f str, Test<'f>, bool),
    All(Vec<Claim<'f>>),
    Any(Vec<Claim<'f>>),
}

/// Something asked of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test<'f> {
    OneOf(Vec<&'f str>),
    Prefix(&'f str),
    Suffix(&'f str),
    NotEmpty,
    Like(&'f Pattern),
}

impl Test<'_> {
    pub(super) fn passes(&self, text: &str) -> bool {
        match self {
            Test::OneOf(all) => all.contains(&text),
            Test::Prefix(prefix) => text.starts_with(prefix),
            Test::Suffix(suffix) => text.ends_with(suffix),
            Test::NotEmpty => !text.is_empty(),
            Test::Like(pattern) => pattern.matches(text),
        }
    }
}

/// Attributes that no event is without.
pub(super) const REQUIRED: [&str; 4] = ["id", "source", "type", "specversion"];

impl Filter {
    /// What is so of every event that the filter matches, or that it does not.
    pub(super) fn claim(&self, matches: bool) -> Claim<'_> {
        match self {
            Filter::Attribute(attribute) => {
                let name = attribute.name();
                let test = match attribute.wanted() {
                    Wanted::Text(text) => Test::OneOf(vec![text]),
                    Wanted::Prefix(prefix) => Test::Prefix(prefix),
                    Wanted::Suffix(suffix) => Test::Suffix(suffix),
                    Wanted::Something => Test::NotEmpty,
                };
                let text = Claim::Text(name, test, matches);
                if matches { text } else { Claim::Any(vec![Claim::Lacks(name), text]) }
            }
            Filter::All(filters) | Filter::Any(filters) => {
                let each = filters.iter().map(|filter| filter.claim(matches)).collect();
                // Not all: any not. Not any: all not.
                if matches!(self, Filter::All(_)) == matches { Claim::All(each) } else { Claim::Any(each) }
            }
            Filter::Not(filter) => filter.claim(!matches),
            Filter::Cesql(expression) => expression.claim(matches),
        }
    }
}
