//! Filters that no event can match. What is said here is so; what is not said may be so, too.

use std::collections::{BTreeMap, BTreeSet};

use super::Filter;
use super::claim::{Claim, REQUIRED, Test};

/// Claims looked at before it is left open: alternatives of alternatives multiply, and each is a call deeper.
const MOST: usize = 2_000;
/// Tests of one attribute that are held against one another, each against each; those after them are left open.
const MOST_TESTS: usize = 50;

impl Filter {
    /// Why no event can match; `None` also where that was not found out.
    pub fn unreachable(&self) -> Option<String> {
        let claim = self.claim(true);
        Search { left: MOST }.contradiction(vec![&claim], Vec::new(), Facts::default())
    }

    /// The attributes whose values it looks at, but not those of which it asks whether they are there.
    pub fn compared(&self) -> BTreeSet<&str> {
        match self {
            Filter::Attribute(attribute) => BTreeSet::from([attribute.name()]),
            Filter::All(filters) | Filter::Any(filters) => {
                filters.iter().flat_map(Filter::compared).collect()
            }
            Filter::Not(filter) => filter.compared(),
            Filter::Cesql(expression) => expression.compared(),
        }
    }

    /// Whether there may be events without this attribute, and it surely matches none of them.
    pub fn can_miss(&self, attribute: &str) -> bool {
        !REQUIRED.contains(&attribute) && self.needs(attribute)
    }

    /// Whether surely no event matches without this attribute.
    pub fn needs(&self, attribute: &str) -> bool {
        let (claim, lacks) = (self.claim(true), Claim::Lacks(attribute));
        Search { left: MOST }.contradiction(vec![&claim, &lacks], Vec::new(), Facts::default()).is_some()
    }
}

struct Search {
    left: usize,
}

impl Search {
    /// Why all of these claims, and of each of the lists one, can't be so of one event.
    fn contradiction<'f>(
        &mut self,
        mut claims: Vec<&'f Claim<'f>>,
        mut lists: Vec<&'f [Claim<'f>]>,
        mut facts: Facts<'f>,
    ) -> Option<String> {
        while let Some(claim) = claims.pop() {
            self.left = self.left.checked_sub(1)?;
            let wrong = match claim {
                Claim::Never => Some("it asks for what is never so".to_owned()),
                Claim::Perhaps => None,
                Claim::Has(name) => facts.presence(name, true),
                Claim::Lacks(name) => facts.presence(name, false),
                Claim::Text(name, test, passes) => {
                    facts.presence(name, true).or_else(|| facts.test(name, test, *passes))
                }
                Claim::All(all) => {
                    // What stands first is looked at first.
                    claims.extend(all.iter().rev());
                    None
                }
                Claim::Any(any) => {
                    lists.push(any);
                    None
                }
            };
            if wrong.is_some() {
                return wrong;
            }
        }
        // All that is sure is known: now one alternative after the other.
        let list = lists.pop()?;
        let mut first = None;
        for claim in list {
            let wrong = self.contradiction(vec![claim], lists.clone(), facts.clone())?;
            first.get_or_insert(wrong);
        }
        Some(match first {
            Some(reason) if list.len() == 1 => reason,
            Some(reason) if reason.starts_with(NONE) => reason,
            Some(reason) => format!("{NONE}: {reason}"),
            None => NONE.to_owned(),
        })
    }
}

const NONE: &str = "none of the alternatives can be";

/// What is known of each attribute.
#[derive(Clone, Default)]
struct Facts<'f> {
    known: BTreeMap<&'f str, Known<'f>>,
}

#[derive(Clone, Default)]
struct Known<'f> {
    there: Option<bool>,
    tests: Vec<(&'f Test<'f>, bool)>,
}

impl<'f> Facts<'f> {
    fn presence(&mut self, name: &'f str, there: bool) -> Option<String> {
        if !there && REQUIRED.contains(&name) {
            return Some(format!("every event has '{name}'"));
        }
        let known = self.known.entry(name).or_default();
        match known.there.replace(there) {
            Some(before) if before != there => Some(format!("'{name}' can't be there and not be there")),
            _ => None,
        }
    }

    fn test(&mut self, name: &'f str, test: &'f Test<'f>, passes: bool) -> Option<String> {
        let tests = &mut self.known.entry(name).or_default().tests;
        if tests.len() == MOST_TESTS || tests.contains(&(test, passes)) {
            return None;
        }
        tests.push((test, passes));
        if possible(name, tests) {
            return None;
        }
        let new = (test, passes);
        let other = tests.iter().copied().find(|&other| other != new && !possible(name, &[other, new]));
        Some(match other {
            Some(other) => format!("'{name}' can't both {} and {}", said(other), said(new)),
            None if tests.len() == 1 => format!("'{name}' can't {}", said(new)),
            None => format!("'{name}' can't {} besides all else that is asked of it", said(new)),
        })
    }
}

/// Whether there may be a text that passes these and fails those.
fn possible(name: &str, tests: &[(&Test<'_>, bool)]) -> bool {
    let fits = |text: &str| tests.iter().all(|(test, passes)| test.passes(text) == *passes);
    if name == "specversion" {
        return fits("1.0");
    }
    if let Some(texts) = tests.iter().find_map(|(test, passes)| of_few(test, *passes)) {
        return texts.into_iter().any(fits);
    }
    let begins = || tests.iter().filter_map(|(test, passes)| begin(test).filter(|_| *passes));
    let ends = || tests.iter().filter_map(|(test, passes)| end(test).filter(|_| *passes));
    let failed = || tests.iter().filter(|(_, passes)| !passes).map(|(test, _)| *test);
    let one_line = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
    let one_tail = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
    begins().all(|a| begins().all(|b| one_line(a, b)))
        && ends().all(|a| ends().all(|b| one_tail(a, b)))
        && failed().all(|test| match test {
            Test::Prefix(prefix) => !begins().any(|begin| begin.starts_with(prefix)),
            Test::Suffix(suffix) => !ends().any(|end| end.ends_with(suffix)),
            _ => true,
        })
}

/// The only texts that can do it, if they are few.
fn of_few<'t>(test: &'t Test<'t>, passes: bool) -> Option<Vec<&'t str>> {
    match test {
        Test::OneOf(texts) if passes => Some(texts.clone()),
        Test::Like(pattern) if passes => pattern.only().map(|text| vec![text]),
        Test::NotEmpty if !passes => Some(vec![""]),
        _ => None,
    }
}

fn begin<'t>(test: &'t Test<'t>) -> Option<&'t str> {
    match test {
        Test::Prefix(prefix) => Some(prefix),
        Test::Like(pattern) => pattern.begin(),
        _ => None,
    }
}

fn end<'t>(test: &'t Test<'t>) -> Option<&'t str> {
    match test {
        Test::Suffix(suffix) => Some(suffix),
        Test::Like(pattern) => pattern.end(),
        _ => None,
    }
}

/// As in "it can't …".
fn said((test, passes): (&Test<'_>, bool)) -> String {
    let not = if passes { "" } else { "not " };
    match test {
        Test::OneOf(texts) => match texts.as_slice() {
            [one] => format!("{not}be '{one}'"),
            [first, .., last] => format!("{not}be one of '{first}' to '{last}'"),
            [] => format!("{not}be one of none"),
        },
        Test::Prefix(prefix) => format!("{not}begin with '{prefix}'"),
        Test::Suffix(suffix) => format!("{not}end with '{suffix}'"),
        Test::NotEmpty => if passes { "be not empty" } else { "be empty" }.to_owned(),
        Test::Like(pattern) => format!("{not}be like '{}'", pattern.text()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trigger::arbitrary;
    use crate::trigger::cesql::Expression;

    /// Whoever writes a filter of thousands of tests waits for the answer, not for evening.
    #[test]
    fn many_tests_of_one_attribute_are_not_all_held_against_each_other() {
        let many =
            |n: usize| (0..n).map(|n| format!("subject LIKE 'a%{n}b%'")).collect::<Vec<_>>().join(" AND ");
        let never = |text: &str| Filter::cesql(Expression::parse(text).unwrap()).unreachable().is_some();
        assert!(never(&format!("{} AND subject LIKE 'b%'", many(MOST_TESTS - 1))));
        assert!(!never(&format!("{} AND subject LIKE 'b%'", many(1_500))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        /// Never a false claim.
        #[test]
        fn what_is_called_unreachable_matches_nothing(
            filter in prop_oneof![arbitrary::filter(), arbitrary::crowded()],
            events in prop::collection::vec(arbitrary::event(), 1..40),
        ) {
            let (unreachable, never) = (filter.unreachable(), (!filter.clone()).unreachable());
            for event in events {
                let matches = filter.matches(&event);
                prop_assert!(!matches || unreachable.is_none(), "{:?}: {:?}", unreachable, event);
                prop_assert!(matches || never.is_none(), "not: {:?}: {:?}", never, event);
                for name in ["subject", "left", "missing", "type"] {
                    let there = event.attribute(name).is_some();
                    prop_assert!(!matches || there || !filter.needs(name), "{} is not needed: {:?}", name, event);
                }
            }
        }
    }

    fn pair(name: &str, value: &str) -> [(String, String); 1] {
        [(name.to_owned(), value.to_owned())]
    }

    fn exact(name: &str, value: &str) -> Filter {
        Filter::exact(pair(name, value))
    }

    fn cesql(text: &str) -> Filter {
        Filter::cesql(Expression::parse(text).unwrap())
    }

    #[test]
    fn contradictions_are_found_and_named() {
        let prefix = |name: &str, value: &str| Filter::prefix(pair(name, value));
        let suffix = |name: &str, value: &str| Filter::suffix(pair(name, value));
        for (filter, reason) in [
            (Filter::all([exact("type", "a"), exact("type", "b")]), "'type' can't both be 'a' and be 'b'"),
            (
                Filter::all([exact("type", "a.b"), prefix("type", "b.")]),
                "'type' can't both be 'a.b' and begin with 'b.'",
            ),
            (
                Filter::all([prefix("source", "/a"), prefix("source", "/b")]),
                "'source' can't both begin with '/a' and begin with '/b'",
            ),
            (
                Filter::all([suffix("x", "a"), !suffix("x", "a")]),
                "none of the alternatives can be: 'x' can't be there and not be there",
            ),
            (
                Filter::all([Filter::any([exact("type", "a"), exact("type", "b")]), cesql("type LIKE 'c%'")]),
                "none of the alternatives can be: 'type' can't both be like 'c%' and be 'a'",
            ),
            (cesql("type = 'a' AND type = 'b'"), "'type' can't both be 'a' and be 'b'"),
            (
                cesql("type IN ('a', 'b') AND NOT (source = 's' OR type LIKE '_')"),
                "'type' can't both be one of 'a' to 'b' and not be like '_'",
            ),
            (cesql("x = 'a' AND NOT EXISTS x"), "'x' can't be there and not be there"),
            (cesql("LENGTH(x) > 3 AND NOT EXISTS x"), "'x' can't be there and not be there"),
            (cesql("NOT EXISTS type"), "every event has 'type'"),
            (cesql("type = 'a' AND FALSE"), "it asks for what is never so"),
            (cesql("specversion = '0.3'"), "'specversion' can't be '0.3'"),
            (!cesql("TRUE"), "it asks for what is never so"),
            (!Filter::default(), "none of the alternatives can be"),
            (Filter::any([]), "none of the alternatives can be"),
        ] {
            assert_eq!(filter.unreachable().as_deref(), Some(reason), "{filter:?}");
        }
    }

    #[test]
    fn what_may_be_is_left_alone() {
        for filter in [
            Filter::default(),
            Filter::all([exact("type", "a.b"), Filter::prefix(pair("type", "a"))]),
            Filter::all([exact("type", "a"), !exact("x", "a"), !cesql("x = 'a'")]),
            Filter::any([Filter::all([exact("type", "a"), exact("type", "b")]), exact("type", "c")]),
            cesql("type = 'a' OR type = 'b'"),
            cesql("'05' = x AND x = '5'"),
            cesql("type = 'a' XOR type = 'b'"),
            cesql("x < 5 AND x > 6"),
        ] {
            assert_eq!(filter.unreachable(), None, "{filter:?}");
        }
        // Alternatives multiply: it is left open, soon.
        let each = (0..40).map(|n| Filter::any((0..40).map(|m| !exact("type", &format!("{n}-{m}")))));
        let many = Filter::all(each.chain([cesql("(x = 1 OR y = 2) AND type = 'a' AND source = 'b'")]));
        assert_eq!(many.unreachable(), None);
        let row = vec!["type = 'a'"; 3_000].join(" OR ");
        assert_eq!(cesql(&row).unreachable(), None);
        assert_eq!(cesql(&row.replace(" OR ", " AND ")).unreachable(), None);
    }

    #[test]
    fn what_is_needed() {
        assert!(
            exact("x", "a").needs("x") && cesql("x = 1 AND y < 2").needs("y") && exact("x", "").needs("type")
        );
        assert!(exact("x", "a").can_miss("x") && !exact("type", "a").can_miss("type"));
        assert_eq!(cesql("EXISTS x AND x = y OR EXISTS z").compared(), BTreeSet::from(["y"]));
        assert!(!(!exact("x", "a")).needs("x") && !cesql("EXISTS x OR TRUE").needs("x"));
    }
}
