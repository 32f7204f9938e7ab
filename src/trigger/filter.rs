//! What a trigger wants of an event. A filter that can't be decided matches nothing.

use crate::event::Event;

/// Exact matches on context attributes, all of which must hold: Knative's `filter.attributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    exact: Vec<(Box<str>, Box<str>)>,
}

impl Filter {
    pub fn exact(attributes: impl IntoIterator<Item = (String, String)>) -> Filter {
        let mut exact: Vec<_> = attributes
            .into_iter()
            .map(|(name, value)| (name.into_boxed_str(), value.into_boxed_str()))
            .collect();
        exact.sort();
        Filter { exact }
    }

    /// An empty value means that the attribute is there and not empty.
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.exact.iter().all(|(name, wanted)| match event.attribute(name) {
            Some(value) if wanted.is_empty() => !value.is_empty(),
            Some(value) => *value == **wanted,
            None => false,
        })
    }

    /// The one value of `name` that can match, if the filter asks for one: what an index can use.
    pub fn wants(&self, name: &str) -> Option<&str> {
        self.exact.iter().find(|(n, v)| **n == *name && !v.is_empty()).map(|(_, v)| &**v)
    }
}
