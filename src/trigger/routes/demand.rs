//! What one trigger asks, taken apart for the index.

use super::super::Filter;
use super::super::need::{Cut, Need};

/// Attributes that take few values, so that what they decide is worth remembering. All others may be different in every
/// event.
pub(super) const STEADY: [&str; 5] = ["type", "source", "dataschema", "datacontenttype", "specversion"];

/// Under more than so many texts a trigger is not written down, in all lists together.
const MAX_TEXTS: usize = 4_096;

/// All parts must match.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The types of which the event's must be one; `None`: that is not known.
    pub types: Option<Vec<Box<str>>>,
    pub sources: Option<Vec<Box<str>>>,
    /// What is left to ask of steady attributes alone.
    pub steady: Vec<Filter>,
    /// What asks for others, too.
    pub varying: Vec<Filter>,
}

impl Demand {
    pub(super) fn of(filter: Filter) -> Demand {
        let mut conjuncts = filter.conjuncts();
        let types = take(&mut conjuncts, "type", MAX_TEXTS);
        let most = MAX_TEXTS / types.as_ref().map_or(1, |types| types.len().max(1));
        let sources = take(&mut conjuncts, "source", most);
        let (steady, varying) = conjuncts.into_iter().partition(is_steady);
        Demand { types, sources, steady, varying }
    }
}

/// The shortest list of texts of which the attribute must be one. A filter that asks for nothing else is taken out.
fn take(conjuncts: &mut Vec<Filter>, name: &str, most: usize) -> Option<Vec<Box<str>>> {
    let texts = |filter: &Filter| {
        let needs = filter.all_needs().into_iter().filter(|need| (need.name, need.cut) == (name, Cut::Whole));
        let mut texts: Vec<Box<str>> =
            needs.min_by_key(|need| need.texts.len())?.texts.into_iter().map(Into::into).collect();
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    };
    let each = conjuncts.iter().enumerate().filter_map(|(n, filter)| Some((n, texts(filter)?)));
    let (n, texts) = each.min_by_key(|(_, texts)| texts.len()).filter(|(_, texts)| texts.len() <= most)?;
    if conjuncts[n].is_equality(name) {
        conjuncts.remove(n);
    }
    Some(texts)
}

fn is_steady(filter: &Filter) -> bool {
    let mut steady = true;
    filter.attributes(&mut |name| steady &= STEADY.contains(&name));
    steady
}

/// All by which a trigger that is in so many lists may be looked up in each.
pub(super) fn needs<'f>(steady: &'f Filter, varying: Option<&'f Filter>, lists: usize) -> Vec<Need<'f>> {
    let all = steady.all_needs().into_iter().chain(varying.into_iter().flat_map(Filter::all_needs));
    let above = |need: &Need<'_>| need.cut == Cut::Whole && matches!(need.name, "type" | "source");
    let mut needs: Vec<Need<'_>> =
        all.filter(|need| !above(need) && need.texts.len() * lists <= MAX_TEXTS).collect();
    for need in &mut needs {
        need.texts.sort_unstable();
        need.texts.dedup();
    }
    needs
}
