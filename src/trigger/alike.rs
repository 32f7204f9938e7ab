//! Filters that say the same in other words.

use super::Filter;
use super::attribute::Wanted;
use super::cesql::Expression;

/// What a filter says, without regard to order, repetition, lists of one and lists in lists. Filters of one form match the
/// same events; those of two may, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form(Said);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Exact(String, String),
    Prefix(String, String),
    Suffix(String, String),
    Something(String),
    All(Vec<Said>),
    Any(Vec<Said>),
    Not(Box<Said>),
    /// As it is printed: case of keywords, white space and needless parentheses are gone.
    Cesql(String),
}

impl Filter {
    pub fn form(&self) -> Form {
        Form(self.said())
    }

    fn said(&self) -> Said {
        match self {
            Filter::Attribute(attribute) => {
                let name = attribute.name().to_owned();
                match attribute.wanted() {
                    Wanted::Text(text) => Said::Exact(name, text.to_string()),
                    Wanted::Prefix(prefix) => Said::Prefix(name, prefix.to_string()),
                    Wanted::Suffix(suffix) => Said::Suffix(name, suffix.to_string()),
                    Wanted::Something => Said::Something(name),
                }
            }
            Filter::All(filters) => all(filters.iter().map(Filter::said)),
            Filter::Any(filters) => {
                let mut each = Vec::new();
                for form in filters.iter().map(Filter::said) {
                    match form {
                        Said::Any(inner) => each.extend(inner),
                        other => each.push(other),
                    }
                }
                only(each, Said::Any)
            }
            Filter::Not(filter) => match filter.said() {
                Said::Not(inner) => *inner,
                other => Said::Not(Box::new(other)),
            },
            Filter::Cesql(expression) => all(expression.conjuncts().iter().map(of_expression)),
        }
    }
}

fn all(forms: impl Iterator<Item = Said>) -> Said {
    let mut each = Vec::new();
    for form in forms {
        match form {
            Said::All(inner) => each.extend(inner),
            other => each.push(other),
        }
    }
    only(each, Said::All)
}

fn only(mut each: Vec<Said>, list: impl Fn(Vec<Said>) -> Said) -> Said {
    each.sort();
    each.dedup();
    match each.len() {
        1 => each.remove(0),
        _ => list(each),
    }
}

fn of_expression(expression: &Expression) -> Said {
    match expression.equality() {
        Some((name, text)) => Said::Exact(name.to_owned(), text.to_owned()),
        None => Said::Cesql(expression.to_string()),
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
            prop_assert!(some[0].form() == otherwise.form(), "{:?}", otherwise);
            for (a, b) in some.iter().zip(&some[1..]).chain([(&some[0], &otherwise)]).filter(|(a, b)| a.form() == b.form()) {
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
        let alike = |a: &Filter, b: &Filter| a.form() == b.form();
        assert!(alike(&both, &cesql("source='b'  and (TYPE = 'a')")));
        assert!(alike(&cesql("x  LIKE 'a%'"), &cesql("(X like 'a%')")));
        assert!(!alike(&cesql("x = ''"), &exact("x", "")), "empty, it asks for something else");
        assert!(!alike(&exact("type", "a"), &exact("type", "A")));
        assert!(!alike(&cesql("'5' = x"), &exact("x", "5")), "a number is compared as such");
    }
}
