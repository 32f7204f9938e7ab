//! What must hold of one attribute for a filter to match: what an index can use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Filter;
use super::attribute::Wanted;

/// The part of an attribute's text that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cut {
    /// So many bytes at the end.
    Last(usize),
    /// So many bytes at the beginning.
    First(usize),
    Whole,
}

impl Cut {
    pub(super) fn of(self, text: &str) -> Option<&str> {
        match self {
            Cut::Whole => Some(text),
            Cut::First(length) => text.get(..length),
            Cut::Last(length) => text.get(text.len().checked_sub(length)?..),
        }
    }
}

/// The attribute must be there, and that part of it must be one of these texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need<'f> {
    pub name: &'f str,
    pub cut: Cut,
    pub texts: Vec<&'f str>,
}

/// By attribute and part; no more texts than the filter has.
type Needs<'f> = BTreeMap<(&'f str, Cut), Vec<&'f str>>;

impl Filter {
    /// All that is known; of some filters nothing.
    pub(super) fn all_needs(&self) -> Vec<Need<'_>> {
        let each = self.needs_if(true).into_iter();
        each.map(|((name, cut), texts)| Need { name, cut, texts }).collect()
    }

    /// What must hold for it to be met, or not to be.
    fn needs_if(&self, met: bool) -> Needs<'_> {
        match self {
            Filter::Not(filter) => filter.needs_if(!met),
            // Not any: all not. Not all: any not.
            Filter::All(filters) if met => of_all(filters, met),
            Filter::Any(filters) if !met => of_all(filters, met),
            Filter::All(filters) | Filter::Any(filters) => of_one(filters, met),
            Filter::Attribute(attribute) if met => match attribute.wanted() {
                Wanted::Text(text) => Needs::from([((attribute.name(), Cut::Whole), vec![&**text])]),
                Wanted::Prefix(text) => ends(attribute.name(), text, ""),
                Wanted::Suffix(text) => ends(attribute.name(), "", text),
                Wanted::Something => Needs::new(),
            },
            Filter::Cesql(expression) if met => match expression.ends() {
                Some((name, begins, ends_in)) => ends(name, begins, ends_in),
                None => {
                    let each = expression.wanted().into_iter();
                    each.map(|(name, texts)| ((name, Cut::Whole), texts)).collect()
                }
            },
            Filter::Attribute(_) | Filter::Cesql(_) => Needs::new(),
        }
    }

    /// Whether it asks that `name` is one of some texts, and nothing else.
    pub(super) fn is_equality(&self, name: &str) -> bool {
        match self {
            Filter::Attribute(attribute) => attribute.name() == name && attribute.text().is_some(),
            Filter::All(filters) => matches!(filters.as_slice(), [one] if one.is_equality(name)),
            Filter::Any(filters) => filters.iter().all(|filter| filter.is_equality(name)),
            Filter::Not(_) => false,
            Filter::Cesql(expression) => expression.one_of().is_some_and(|(found, _)| found == name),
        }
    }

    /// Filters that all match where this one does, and only there.
    pub(super) fn conjuncts(self) -> Vec<Filter> {
        match self {
            Filter::All(filters) => filters.into_iter().flat_map(Filter::conjuncts).collect(),
            Filter::Cesql(expression) => expression.conjuncts().into_iter().map(Filter::cesql).collect(),
            other => vec![other],
        }
    }

    /// Calls `each` with every attribute that it asks for, some of them more than once.
    pub(super) fn attributes<'f>(&'f self, each: &mut dyn FnMut(&'f str)) {
        match self {
            Filter::Attribute(attribute) => each(attribute.name()),
            Filter::All(filters) | Filter::Any(filters) => filters.iter().for_each(|f| f.attributes(each)),
            Filter::Not(filter) => filter.attributes(each),
            Filter::Cesql(expression) => expression.attributes(each),
        }
    }
}

/// Every text begins and ends with nothing.
fn ends<'f>(name: &'f str, begins: &'f str, ends: &'f str) -> Needs<'f> {
    let both = [(Cut::First(begins.len()), begins), (Cut::Last(ends.len()), ends)];
    let each = both.into_iter().filter(|(_, text)| !text.is_empty());
    each.map(|(cut, text)| ((name, cut), vec![text])).collect()
}

fn of_all(filters: &[Filter], met: bool) -> Needs<'_> {
    let mut all = Needs::new();
    for (key, texts) in filters.iter().flat_map(|filter| filter.needs_if(met)) {
        match all.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(texts)),
            Entry::Occupied(mut entry) if texts.len() < entry.get().len() => drop(entry.insert(texts)),
            Entry::Occupied(_) => {}
        }
    }
    all
}

/// What holds whichever of the filters it is.
fn of_one(filters: &[Filter], met: bool) -> Needs<'_> {
    let mut each = filters.iter().map(|filter| filter.needs_if(met));
    let mut common = each.next().unwrap_or_default();
    for mut needs in each {
        common.retain(|key, texts| needs.remove(key).map(|more| texts.extend(more)).is_some());
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trigger::arbitrary;
    use crate::trigger::cesql::Expression;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn what_is_needed_holds_of_all_that_match(filter in arbitrary::filter(), event in arbitrary::event()) {
            let matches = filter.matches(&event);
            for need in filter.all_needs() {
                let value = event.attribute(need.name);
                let part = value.as_deref().and_then(|value| need.cut.of(value));
                let holds = part.is_some_and(|part| need.texts.contains(&part));
                prop_assert!(holds || !matches, "{:?}", need);
                let exact = need.cut == Cut::Whole && filter.is_equality(need.name);
                prop_assert!(!exact || holds == matches, "{:?}", need);
            }
            let conjuncts = filter.conjuncts();
            prop_assert_eq!(conjuncts.iter().all(|conjunct| conjunct.matches(&event)), matches);
        }
    }

    #[test]
    fn several_texts_and_ends_are_told() {
        let cesql = |text: &str| Filter::cesql(Expression::parse(text).unwrap());
        let pair = |value: &str| [("type".to_owned(), value.to_owned())];
        let exact = |value| Filter::exact(pair(value));
        let told = |filter: &Filter| {
            let needs = filter.all_needs().into_iter();
            needs
                .map(|need| format!("{} {:?} {}", need.name, need.cut, need.texts.join(" ")))
                .collect::<Vec<_>>()
        };
        for (filter, expected) in [
            (Filter::any([exact("a"), exact("b")]), vec!["type Whole a b"]),
            (!!exact("a"), vec!["type Whole a"]),
            (
                !Filter::any([!exact("a"), !Filter::prefix(pair("b"))]),
                vec!["type First(1) b", "type Whole a"],
            ),
            (!Filter::all([!exact("a"), !exact("b")]), vec!["type Whole a b"]),
            (
                Filter::any([Filter::prefix(pair("ab")), Filter::prefix(pair("cd"))]),
                vec!["type First(2) ab cd"],
            ),
            (Filter::any([Filter::prefix(pair("ab")), Filter::prefix(pair("c"))]), vec![]),
            (Filter::any([exact("a"), cesql("x = 1")]), vec![]),
            (!exact("a"), vec![]),
            (cesql("type LIKE 'a%b'"), vec!["type Last(1) b", "type First(1) a"]),
            (cesql("type IN ('a', 'b') AND EXISTS x"), vec!["type Whole a b"]),
            (
                cesql("(type = 'a' OR type = 'b') AND region = 'eu'"),
                vec!["region Whole eu", "type Whole a b"],
            ),
        ] {
            assert_eq!(told(&filter), expected);
        }
    }
}
