//! Triggers that stand under the same type and source, by how they are found there.

use std::cmp::Reverse;
use std::sync::Arc;

use foldhash::HashMap;

use super::super::Filter;
use super::super::need::{Cut, Need};
use super::demand::{STEADY, needs};
use crate::event::Event;

/// Fewer are asked one by one as quickly as they are looked up.
const LOOKED_UP: usize = 4;

#[derive(Debug)]
pub(super) struct Trigger {
    /// In the list that the routes were made from.
    pub number: u32,
    /// Of steady attributes alone.
    pub steady: Filter,
    /// `None`: those decide it.
    pub varying: Option<Filter>,
    /// The attributes that it asks for then, in order.
    names: Arc<[Box<str>]>,
    /// In so many lists it stands.
    lists: usize,
}

impl Trigger {
    pub(super) fn new(number: u32, steady: Vec<Filter>, varying: Vec<Filter>, lists: usize) -> Trigger {
        let varying = (!varying.is_empty()).then(|| Filter::all(varying));
        let names = varying.as_ref().map(names).unwrap_or_default().into();
        Trigger { number, steady: Filter::all(steady), varying, names, lists }
    }

    /// All by which it may be looked up in each of its lists.
    pub(super) fn needs(&self) -> Vec<Need<'_>> {
        needs(&self.steady, self.varying.as_ref(), self.lists)
    }

    pub(super) fn is_met(&self, event: &Event<'_>) -> bool {
        self.steady.matches(event) && self.is_met_by_others(event)
    }

    /// Where the steady attributes have been asked.
    pub(super) fn is_met_by_others(&self, event: &Event<'_>) -> bool {
        self.varying.as_ref().is_none_or(|varying| varying.matches(event))
    }
}

impl Group {
    /// No two events of a source have the same id; few have the same time.
    pub(super) fn may_repeat(&self) -> bool {
        !self.names.iter().any(|name| matches!(&**name, "id" | "time"))
    }
}

/// A trigger is in one of these, by its index among all of its broker.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Asked one by one what they want of steady attributes.
    screened: Vec<u32>,
    /// By a part of a steady attribute.
    by_steady: Vec<Shelf>,
    /// By a part of another one.
    by_varying: Vec<Shelf>,
    /// Of which nothing can be looked up, by the attributes that they ask for.
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Shelf {
    name: Box<str>,
    cut: Cut,
    /// Publishers choose what is looked up here: the map is seeded anew in each process.
    texts: HashMap<Box<str>, Vec<u32>>,
}

/// Triggers that ask for the same attributes.
#[derive(Debug)]
pub(super) struct Group {
    /// What these attributes say.
    pub question: u32,
    pub names: Arc<[Box<str>]>,
    pub triggers: Vec<u32>,
}

impl Shelf {
    fn find(&self, event: &Event<'_>) -> &[u32] {
        let value = event.attribute(&self.name);
        let part = value.as_deref().and_then(|value| self.cut.of(value));
        part.and_then(|part| self.texts.get(part)).map_or(&[], Vec::as_slice)
    }
}

/// A trigger and the texts that it is found by.
type Wanting<'a> = (u32, &'a [&'a str]);

impl List {
    /// Each trigger goes where it is found best. `needs`: of each. `questions`: counts those whose answers can be remembered.
    pub(super) fn new(
        members: Vec<u32>,
        triggers: &[Trigger],
        needs: &[Vec<Need<'_>>],
        questions: &mut u32,
    ) -> List {
        let mut list = List::default();
        let needs_of = |member: u32| &needs[member as usize];
        let mut asking: HashMap<(&str, Cut, &str), usize> = HashMap::default();
        for need in members.iter().flat_map(|&member| needs_of(member)) {
            need.texts.iter().for_each(|text| *asking.entry((need.name, need.cut, text)).or_default() += 1);
        }
        let mut shelves: HashMap<(&str, Cut), Vec<Wanting<'_>>> = HashMap::default();
        let mut rest = Vec::new();
        for member in members {
            // The one that fewest others share; else the one that says most.
            let shared = |need: &&Need<'_>| {
                let each = need.texts.iter().map(|text| asking[&(need.name, need.cut, *text)]);
                (each.max(), Reverse(need.cut))
            };
            match needs_of(member).iter().min_by_key(shared) {
                Some(need) => shelves.entry((need.name, need.cut)).or_default().push((member, &need.texts)),
                None => rest.push(member),
            }
        }
        for ((name, cut), found) in shelves {
            if found.len() < LOOKED_UP {
                rest.extend(found.iter().map(|(member, _)| member));
                continue;
            }
            let mut texts: HashMap<Box<str>, Vec<u32>> = HashMap::default();
            for (member, wanted) in found {
                wanted.iter().for_each(|&text| texts.entry(text.into()).or_default().push(member));
            }
            let shelf = Shelf { name: name.into(), cut, texts };
            if STEADY.contains(&name) { list.by_steady.push(shelf) } else { list.by_varying.push(shelf) }
        }
        let mut groups: HashMap<Arc<[Box<str>]>, Vec<u32>> = HashMap::default();
        for member in rest {
            let trigger = &triggers[member as usize];
            if trigger.varying.is_some() && is_always(&trigger.steady) {
                groups.entry(trigger.names.clone()).or_default().push(member);
            } else {
                list.screened.push(member);
            }
        }
        list.groups.extend(groups.into_iter().map(|(names, triggers)| {
            *questions += 1;
            Group { question: *questions - 1, names, triggers }
        }));
        list
    }

    /// Those of which steady attributes decide, or whether they are worth asking.
    pub(super) fn screened(&self, event: &Event<'_>) -> impl Iterator<Item = u32> {
        let shelves = self.by_steady.iter().flat_map(|shelf| shelf.find(event));
        self.screened.iter().chain(shelves).copied()
    }

    /// Those of which another attribute says that they are worth asking.
    pub(super) fn found(&self, event: &Event<'_>) -> impl Iterator<Item = u32> {
        self.by_varying.iter().flat_map(|shelf| shelf.find(event)).copied()
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Whether steady attributes are not all that is to be looked at.
    pub(super) fn varies(&self) -> bool {
        !self.by_varying.is_empty() || !self.groups.is_empty()
    }

    /// How much there is to do for an event, about: filters to ask and maps to look into.
    pub(super) fn work(&self, triggers: &[Trigger]) -> usize {
        let asked = self.screened.iter().filter(|member| !is_always(&triggers[**member as usize].steady));
        let longest = |shelf: &Shelf| shelf.texts.values().map(Vec::len).max().unwrap_or_default();
        asked.count() + self.by_steady.iter().map(|shelf| 1 + longest(shelf)).sum::<usize>()
    }
}

pub(super) fn is_always(filter: &Filter) -> bool {
    matches!(filter, Filter::All(filters) if filters.is_empty())
}

/// The attributes that a filter asks for, in order.
pub(super) fn names(filter: &Filter) -> Vec<Box<str>> {
    let mut names = Vec::new();
    filter.attributes(&mut |name| names.push(Box::from(name)));
    names.sort_unstable();
    names.dedup();
    names
}
