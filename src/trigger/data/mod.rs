//! What a trigger wants of an event's data: a small language of clauses, joined by `and`, `or`, `not` and parentheses.
//!
//! ```text
//! /amount > 10000 and /customer/country in ["DE", "FR"]
//! /vip or exists /coupon and not /coupon/used
//! ```
//!
//! A clause begins with a JSON pointer (RFC 6901) into the data. `/a = 1` and the like compare what stands there with a
//! number, a text in quotes, `true`, `false` or `null`; `/a in […]` asks for one of several; `exists /a` asks that something
//! stands there, be it null; `/a` alone is `/a = true`. Numbers are compared exactly, as they are written.
//!
//! A verdict is true, false or *undecided*: nothing stands there, or something of another type, or a member of that name twice.
//! (Anything may be compared with null.) `not` leaves undecided what is undecided, so that only what is known to be so
//! matches; where the data is no JSON, every clause is undecided. What is to match without a member says so:
//! `not exists /test or not /test`.
//!
//! The pointers of many filters are looked for in one pass over the payload; its cost grows with the payload alone.

#[cfg(test)]
mod arbitrary;
mod ast;
mod error;
mod evaluate;
mod explain;
mod found;
mod lexer;
mod number;
mod parser;
mod places;
mod pointer;
mod scan;
mod verdict;

pub use super::cesql::Span;
pub use error::Error;
pub use found::Found;
pub use parser::{MAX_DEPTH, MAX_LENGTH};
use verdict::Verdict;

use ast::Expr;
use evaluate::Payload;
use places::Places;
use pointer::Pointer;

use crate::event::Event;

/// A data filter, ready to be asked as often as wanted.
#[derive(Clone, Debug)]
pub struct DataFilter {
    text: Box<str>,
    root: Expr,
    pointers: Box<[Pointer]>,
}

impl DataFilter {
    pub fn parse(text: &str) -> Result<DataFilter, Error> {
        let (root, pointers) = parser::parse(text)?;
        Ok(DataFilter { text: text.into(), root, pointers: pointers.into() })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn verdict(&self, event: &Event<'_>) -> Verdict {
        let (mut places, mut found) = (Places::default(), Found::default());
        let at = places.add_all(&self.pointers);
        match event.json() {
            Some(text) if scan::scan(text, &places, &mut found) => {
                Payload { text, found: &found, places: &at }.verdict(&self.root)
            }
            _ => Verdict::Undecided,
        }
    }

    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.verdict(event) == Verdict::True
    }
}

/// The same text is the same filter.
impl PartialEq for DataFilter {
    fn eq(&self, other: &DataFilter) -> bool {
        self.text == other.text
    }
}

impl Eq for DataFilter {}

/// The data filters of many triggers, decided together: an event's data is read once for all of them.
#[derive(Debug, Default)]
pub(super) struct DataFilters {
    places: Places,
    all: Vec<(Expr, Box<[u32]>)>,
}

impl DataFilters {
    /// The number under which it is asked for.
    pub(super) fn add(&mut self, filter: &DataFilter) -> usize {
        let at = self.places.add_all(&filter.pointers);
        self.all.push((filter.root.clone(), at));
        self.all.len() - 1
    }

    /// Reads the event's data; `None`: no filter matches.
    pub(super) fn read<'t>(&'t self, event: &'t Event<'_>, found: &'t mut Found) -> Option<Read<'t>> {
        let text = event.json()?;
        scan::scan(text, &self.places, found).then_some(Read { filters: self, text, found })
    }
}

/// An event's data as the filters see it.
pub(super) struct Read<'t> {
    filters: &'t DataFilters,
    text: &'t str,
    found: &'t Found,
}

impl Read<'_> {
    pub(super) fn matches(&self, filter: usize) -> bool {
        let (root, places) = &self.filters.all[filter];
        Payload { text: self.text, found: self.found, places }.verdict(root) == Verdict::True
    }
}
