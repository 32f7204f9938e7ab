//! Filters that say the same in other words.

use super::Filter;
use super::attribute::Wanted;
use super::cesql::Expression;

/// What a filter says, without regard to order, repetition, lists of one and lists in lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Exact(String, String),
    Prefix(String, String),
    Suffix(String, String),
    Something(String),
    All(Vec<Form>),
    Any(Vec<Form>),
    Not(Box<Form>),
    /// As it is printed: case of keywords, white space and needless parentheses are gone.
    Cesql(String),
}

impl Filter {
    /// Whether both surely match the same events. `false`: it was not found out.
    pub fn is_alike(&self, other: &Filter) -> bool {
        self.form() == other.form()
    }

    fn form(&self) -> Form {
        match self {
            Filter::Attribute(attribute) => {
                let name = attribute.name().to_owned();
                match attribute.wanted() {
                    Wanted::Text(text) => Form::Exact(name, text.to_string()),
                    Wanted::Prefix(prefix) => Form::Prefix(name, prefix.to_string()),
                    Wanted::Suffix(suffix) => Form::Suffix(name, suffix.to_string()),
                    Wanted::Something => Form::Something(name),
                }
            }
            Filter::All(filters) => all(filters.iter().map(Filter::form)),
            Filter::Any(filters) => {
                let mut each = Vec::new();
                for form in filters.iter().map(Filter::form) {
                    match form {
                        Form::Any(inner) => each.extend(inner),
                        other => each.push(other),
                    }
                }
                only(each, Form::Any)
            }
            Filter::Not(filter) => match filter.form() {
                Form::Not(inner) => *inner,
                other => Form::Not(Box::new(other)),
            },
            Filter::Cesql(expression) => all(expression.conjuncts().iter().map(of_expression)),
        }
    }
}

fn all(forms: impl Iterator<Item = Form>) -> Form {
    let mut each = Vec::new();
    for form in forms {
        match form {
            Form::All(inner) => each.extend(inner),
            other => each.push(other),
        }
    }
    only(each, Form::All)
}

fn only(mut each: Vec<Form>, list: impl Fn(Vec<Form>) -> Form) -> Form {
    each.sort();
    each.dedup();
    match each.len() {
        1 => each.remove(0),
        _ => list(each),
    }
}

fn of_expression(expression: &Expression) -> Form {
    match expression.equality() {
        Some((name, text)) => Form::Exact(name.to_owned(), text.to_owned()),
        None => Form::Cesql(expression.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trigger::arbitrary;

    /// The same in other words, as the number has it.
    fn said_otherwise(filter: &Filter, number: usize) -> Filter {
        match (filter, number % 4) {
            (Filter::All(all), 0) => Filter::All(all.iter().rev().cloned().collect()),
            (Filter::Any(any), 0) => Filter::Any(any.iter().chain(any).cloned().collect()),
            (filter, 1) => Filter::All(vec![filter.clone(), Filter::default(), filter.clone()]),
            (filter, 2) => !!filter.clone(),
            (filter, _) => Filter::Any(vec![Filter::Any(vec![filter.clone()])]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_called_alike_matches_alike(
            some in prop::collection::vec(prop_oneof![arbitrary::filter(), arbitrary::crowded()], 2..12),
            numbers in prop::collection::vec(0..4_usize, 3),
            events in prop::collection::vec(arbitrary::event(), 1..10),
        ) {
            let otherwise = numbers.iter().fold(some[0].clone(), |filter, number| said_otherwise(&filter, *number));
            prop_assert!(some[0].is_alike(&otherwise), "{:?}", otherwise);
            for (a, b) in some.iter().zip(&some[1..]).chain([(&some[0], &otherwise)]).filter(|(a, b)| a.is_alike(b)) {
                for event in &events {
                    prop_assert_eq!(a.matches(event), b.matches(event), "{:?} {:?} {:?}", a, b, event);
                }
            }
        }
    }

    #[test]
    fn dialects_and_expressions_meet() {
        let exact = |name: &str, value: &str| Filter::exact([(name.to_owned(), value.to_owned())]);
        let cesql = |text: &str| Filter::cesql(Expression::parse(text).unwrap());
        let both =
            Filter::exact([("type".to_owned(), "a".to_owned()), ("source".to_owned(), "b".to_owned())]);
        assert!(both.is_alike(&cesql("source='b'  and (TYPE = 'a')")));
        assert!(cesql("x  LIKE 'a%'").is_alike(&cesql("(X like 'a%')")));
        assert!(!cesql("x = ''").is_alike(&exact("x", "")), "empty, it asks for something else");
        assert!(!exact("type", "a").is_alike(&exact("type", "A")));
        assert!(!cesql("'5' = x").is_alike(&exact("x", "5")), "a number is compared as such");
    }
}
