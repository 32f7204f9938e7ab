//! All that a trigger wants of an event.

use super::{Clause, DataFilter, Filter};
use crate::event::Event;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Of its attributes.
    pub filter: Filter,
    /// Of its data, which is looked at only where the filter matches.
    pub data: Option<DataFilter>,
}

impl Criteria {
    pub fn are_met(&self, event: &Event<'_>) -> bool {
        self.filter.matches(event) && self.data.as_ref().is_none_or(|data| data.matches(event))
    }

    /// Every clause; the first is true where they [are met](Criteria::are_met), and only there. Slow: for people.
    pub fn explain(&self, event: &Event<'_>) -> Clause {
        let clause = self.filter.explain(event);
        let Some(data) = &self.data else { return clause };
        let asked = clause.matches();
        let data = Clause { asked, ..data.explain(event) };
        let verdict = if asked { data.verdict } else { clause.verdict };
        let mut parts = match clause.is {
            "all" => clause.parts,
            _ => vec![clause],
        };
        parts.push(data);
        Clause { parts, ..Clause::new("all", String::new(), verdict) }
    }
}

impl From<Filter> for Criteria {
    fn from(filter: Filter) -> Criteria {
        Criteria { filter, data: None }
    }
}
