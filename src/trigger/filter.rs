//! What a trigger wants of an event, in every dialect. A filter that can't be decided matches nothing.

use super::attribute::{Attribute, Wanted};
use super::cesql::{self, Expression};
use crate::event::{Event, Value};

/// Made once, when the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    Attribute(Attribute),
    /// Of none: every event.
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Cesql(Box<Expression>),
}

/// Every event.
impl Default for Filter {
    fn default() -> Filter {
        Filter::All(Vec::new())
    }
}

impl Filter {
    /// Knative's `filter.attributes`, and the dialect `exact`. An empty value means that the attribute is there and not
    /// empty.
    pub fn exact(attributes: impl IntoIterator<Item = (String, String)>) -> Filter {
        Filter::each(attributes, |value| {
            if value.is_empty() { Wanted::Something } else { Wanted::Text(value.into_boxed_str()) }
        })
    }

    pub fn prefix(attributes: impl IntoIterator<Item = (String, String)>) -> Filter {
        Filter::each(attributes, |value| Wanted::Prefix(value.into_boxed_str()))
    }

    pub fn suffix(attributes: impl IntoIterator<Item = (String, String)>) -> Filter {
        Filter::each(attributes, |value| Wanted::Suffix(value.into_boxed_str()))
    }

    fn each(
        attributes: impl IntoIterator<Item = (String, String)>,
        wanted: impl Fn(String) -> Wanted,
    ) -> Filter {
        let each = attributes.into_iter();
        Filter::all(each.map(|(name, value)| Filter::Attribute(Attribute::new(&name, wanted(value)))))
    }

    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Filter {
        let mut filters: Vec<Filter> = filters.into_iter().collect();
        if filters.len() == 1 { filters.remove(0) } else { Filter::All(filters) }
    }

    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Filter {
        Filter::Any(filters.into_iter().collect())
    }

    pub fn cesql(expression: Expression) -> Filter {
        Filter::Cesql(Box::new(expression))
    }

    pub fn matches(&self, event: &Event<'_>) -> bool {
        match self {
            Filter::Attribute(wanted) => wanted.is_met(event.attribute(wanted.name()).as_deref()),
            Filter::All(filters) => filters.iter().all(|filter| filter.matches(event)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.matches(event)),
            Filter::Not(filter) => !filter.matches(event),
            Filter::Cesql(expression) => expression.matches(event),
        }
    }
}

/// Also what the filter can't decide: a missing attribute fails a match, and so meets the `not` of it.
impl std::ops::Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

/// What an expression is told of an event: texts, but for extensions that came as a number or a boolean.
impl cesql::Attributes for Event<'_> {
    fn attribute(&self, name: &str) -> Option<cesql::Value<'_>> {
        match self.extension(name) {
            Some(Value::Integer(number)) => Some(cesql::Value::Integer(*number)),
            Some(Value::Boolean(flag)) => Some(cesql::Value::Boolean(*flag)),
            Some(Value::String(text)) => Some(cesql::Value::String(text.as_ref().into())),
            None => Event::attribute(self, name).map(cesql::Value::String),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::arbitrary::event;

    fn pair(name: &str, value: &str) -> [(String, String); 1] {
        [(name.to_owned(), value.to_owned())]
    }

    fn cesql(text: &str) -> Filter {
        Filter::cesql(Expression::parse(text).unwrap())
    }

    proptest! {
        /// Dialects that say the same agree, and `not` turns each around, whatever the event.
        #[test]
        fn dialects_agree(
            event in event(),
            name in prop::sample::select(vec!["type", "source", "subject", "datacontenttype", "xa"]),
            cut in 0_usize..6,
        ) {
            let value = event.attribute(name).unwrap_or_default().into_owned();
            let start: String = value.chars().take(cut).filter(|c| !"%_\\'\"".contains(*c)).collect();
            let there = event.attribute(name).is_some();
            for (filter, expression) in [
                (Filter::exact(pair(name, &start)), format!("{name} = '{start}'")),
                (Filter::prefix(pair(name, &start)), format!("{name} LIKE '{start}%'")),
                (Filter::suffix(pair(name, &start)), format!("{name} LIKE '%{start}'")),
            ] {
                let matches = filter.matches(&event);
                // Empty, `exact` asks for something else.
                if !start.is_empty() {
                    prop_assert_eq!(cesql(&expression).matches(&event), matches, "{}", expression);
                }
                prop_assert_eq!((!filter.clone()).matches(&event), !matches);
                prop_assert_eq!((!!filter).matches(&event), matches);
                prop_assert!(there || !matches);
            }
            // Empty, it asks for something else.
            prop_assert!(value.is_empty() || Filter::exact(pair(name, &value)).matches(&event));
        }
    }

    #[test]
    fn a_missing_attribute_fails_a_match_and_passes_its_not() {
        let event = crate::event::structured::decode(
            br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","count":5,"flag":true}"#,
        )
        .unwrap();
        for (filter, expected) in [
            (Filter::exact(pair("subject", "a")), false),
            (!Filter::exact(pair("subject", "a")), true),
            (!cesql("subject = 'a'"), true),
            (cesql("subject <> 'a'"), false),
            (cesql("count"), false),
            (cesql("flag"), true),
            (cesql("count = 5 AND count = '5' AND EXISTS FLAG"), true),
            (cesql("type"), false),
            (Filter::exact(pair("count", "5")), true),
            (Filter::exact(pair("flag", "")), true),
            (Filter::prefix(pair("flag", "tr")), true),
            (Filter::any([Filter::exact(pair("type", "u")), Filter::suffix(pair("source", "s"))]), true),
            (Filter::any([]), false),
            (Filter::all([]), true),
            (Filter::default(), true),
        ] {
            assert_eq!(filter.matches(&event), expected, "{filter:?}");
        }
    }
}
