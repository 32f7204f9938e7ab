//! All that a trigger wants of an event.

use super::{DataFilter, Filter};
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
}

impl From<Filter> for Criteria {
    fn from(filter: Filter) -> Criteria {
        Criteria { filter, data: None }
    }
}
