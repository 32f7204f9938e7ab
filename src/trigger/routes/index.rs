//! The triggers of one broker.

use foldhash::{HashMap, HashSet};

use super::super::Filter;
use super::demand::{Demand, STEADY};
use super::list::{Group, List, Trigger, names};
use super::memo::{Answer, Memo};
use crate::event::{Event, Value};

#[derive(Debug, Default)]
pub(super) struct Index {
    triggers: Vec<Trigger>,
    lists: Vec<List>,
    types: Types,
    /// The question what the steady attributes of an event say.
    question: u32,
    /// Of those, the ones that make a difference.
    key: Vec<Part>,
    /// So many filters it takes to answer it, about.
    effort: usize,
    /// So many filters are asked rather than that the answer is remembered.
    asked: usize,
}

/// Lists, by their index. Publishers choose what is looked up: the maps are seeded anew in each process.
#[derive(Debug, Default)]
struct Types {
    wanted: HashMap<Box<str>, Sources>,
    /// Of triggers that do not say, or not in a way that can be looked up.
    any: Sources,
}

#[derive(Debug, Default)]
struct Sources {
    wanted: HashMap<Box<str>, u32>,
    any: Option<u32>,
}

/// An attribute in a key.
#[derive(Debug)]
struct Part {
    name: &'static str,
    /// `Some`: only these values make a difference, all others are as one.
    known: Option<HashSet<Box<str>>>,
}

impl Types {
    /// The list of those who want both; there is one after this. `next`: its index if it is new.
    fn list(&mut self, ty: Option<&str>, source: Option<&str>, next: u32) -> u32 {
        let sources = match ty {
            Some(ty) => self.wanted.entry(ty.into()).or_default(),
            None => &mut self.any,
        };
        match source {
            Some(source) => *sources.wanted.entry(source.into()).or_insert(next),
            None => *sources.any.get_or_insert(next),
        }
    }

    /// The four at most that an event looks into.
    fn of(&self, event: &Event<'_>) -> impl Iterator<Item = u32> {
        let sources = self.wanted.get(&*event.ty).into_iter().chain([&self.any]);
        sources
            .flat_map(|sources| sources.wanted.get(&*event.source).into_iter().chain(&sources.any))
            .copied()
    }
}

impl Index {
    /// `questions`: counts those whose answers can be remembered.
    pub(super) fn new(triggers: Vec<(u32, Filter)>, asked: usize, questions: &mut u32) -> Index {
        let mut index = Index { question: *questions, asked, ..Index::default() };
        *questions += 1;
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut known: [HashSet<Box<str>>; 2] = Default::default();
        for (member, (number, filter)) in (0..).zip(triggers) {
            let Demand { types, sources, steady, varying } = Demand::of(filter);
            let above = [each(types.as_deref()), each(sources.as_deref())];
            index.triggers.push(Trigger::new(number, steady, varying, above[0].len() * above[1].len()));
            for &ty in &above[0] {
                for &source in &above[1] {
                    let next = u32::try_from(members.len()).expect("lists are far fewer than u32");
                    let list = index.types.list(ty, source, next) as usize;
                    members.resize_with(members.len().max(list + 1), Vec::new);
                    members[list].push(member);
                }
            }
            known[0].extend(types.into_iter().flatten());
            known[1].extend(sources.into_iter().flatten());
        }
        index.key = key(&index.triggers, known);
        let needs: Vec<_> = index.triggers.iter().map(Trigger::needs).collect();
        let list = |members| List::new(members, &index.triggers, &needs, questions);
        index.lists = members.into_iter().map(list).collect();
        index.effort = index.effort();
        index
    }

    /// What there is to do for the triggers of any type and source, and for the worst of the others.
    fn effort(&self) -> usize {
        let any = self.types.any.any;
        let (mut of_any, mut most) = (0, 0);
        for (n, list) in (0..).zip(&self.lists) {
            let work = list.work(&self.triggers);
            if Some(n) == any { of_any = work } else { most = most.max(work) }
        }
        of_any + most
    }

    /// Adds the triggers that the event meets.
    pub(super) fn ask(&self, event: &Event<'_>, memo: &mut Memo, matched: &mut Vec<u32>) {
        let mut first = std::mem::take(&mut memo.first);
        if self.effort < self.asked {
            first.clear();
            self.screen(event, &mut first);
        } else {
            let write = |key: &mut Vec<u8>| self.key.iter().for_each(|part| part.write(event, key));
            memo.answer(self.question, self.effort, write, &mut first, |answer| self.screen(event, answer));
        }
        matched.extend_from_slice(&first.matched);
        let varying = |member: &&u32| self.triggers[**member as usize].is_met_by_others(event);
        matched.extend(first.candidates.iter().filter(varying).map(|&member| self.number(member)));
        for list in first.lists.iter().map(|&list| &self.lists[list as usize]) {
            let found = list.found(event).filter(|&member| self.triggers[member as usize].is_met(event));
            matched.extend(found.map(|member| self.number(member)));
            list.groups().iter().for_each(|group| self.ask_group(group, event, memo, matched));
        }
        memo.first = first;
    }

    fn number(&self, member: u32) -> u32 {
        self.triggers[member as usize].number
    }

    /// What the steady attributes say.
    fn screen(&self, event: &Event<'_>, answer: &mut Answer) {
        for n in self.types.of(event) {
            let list = &self.lists[n as usize];
            for member in list.screened(event) {
                let trigger = &self.triggers[member as usize];
                if trigger.steady.matches(event) {
                    match trigger.varying {
                        Some(_) => answer.candidates.push(member),
                        None => answer.matched.push(trigger.number),
                    }
                }
            }
            if list.varies() {
                answer.lists.push(n);
            }
        }
    }

    fn ask_group(&self, group: &Group, event: &Event<'_>, memo: &mut Memo, matched: &mut Vec<u32>) {
        let met = || {
            group.triggers.iter().filter(|&&member| self.triggers[member as usize].is_met_by_others(event))
        };
        let met = || met().map(|&member| self.number(member));
        if group.triggers.len() < self.asked || !group.may_repeat() {
            matched.extend(met());
            return;
        }
        let mut second = std::mem::take(&mut memo.second);
        let write = |key: &mut Vec<u8>| group.names.iter().for_each(|name| put(event, name, key));
        memo.answer(group.question, group.triggers.len(), write, &mut second, |answer| {
            answer.matched.extend(met())
        });
        matched.extend_from_slice(&second.matched);
        memo.second = second;
    }
}

/// What a list stands under: each of the texts, or nothing.
fn each(texts: Option<&[Box<str>]>) -> Vec<Option<&str>> {
    texts.map_or_else(|| vec![None], |texts| texts.iter().map(|text| Some(&**text)).collect())
}

/// The steady attributes that filters ask for; type and source also where lists stand under them.
fn key(triggers: &[Trigger], known: [HashSet<Box<str>>; 2]) -> Vec<Part> {
    let asked: HashSet<Box<str>> = triggers.iter().flat_map(|trigger| names(&trigger.steady)).collect();
    let mut key = Vec::new();
    let mut known = known.into_iter();
    for name in STEADY {
        let known = if matches!(name, "type" | "source") { known.next() } else { None };
        if asked.contains(name) {
            key.push(Part { name, known: None });
        } else if let Some(known) = known.filter(|known| !known.is_empty()) {
            key.push(Part { name, known: Some(known) });
        }
    }
    key
}

impl Part {
    fn write(&self, event: &Event<'_>, key: &mut Vec<u8>) {
        let is_known = |known: &HashSet<Box<str>>| {
            event.attribute(self.name).is_some_and(|value| known.contains(&*value))
        };
        match &self.known {
            Some(known) if !is_known(known) => key.push(b'o'),
            _ => put(event, self.name, key),
        }
    }
}

/// An attribute's value so that no other one, of whatever type, looks the same.
fn put(event: &Event<'_>, name: &str, key: &mut Vec<u8>) {
    let text = |kind: u8, text: &str, key: &mut Vec<u8>| {
        key.push(kind);
        key.extend_from_slice(&text.len().to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    };
    match event.extension(name) {
        Some(Value::Integer(number)) => {
            key.push(b'i');
            key.extend_from_slice(&number.to_le_bytes());
        }
        Some(Value::Boolean(flag)) => key.push(if *flag { b't' } else { b'f' }),
        Some(Value::String(value)) => text(b's', value, key),
        None => match event.attribute(name) {
            Some(value) => text(b's', &value, key),
            None => key.push(b'-'),
        },
    }
}

#[cfg(test)]
impl Index {
    /// How many triggers an event asks.
    pub(super) fn asked_for(&self, event: &Event<'_>) -> usize {
        let of = |list: &List| {
            let groups = list.groups().iter().map(|group| group.triggers.len()).sum::<usize>();
            list.screened(event).count() + list.found(event).count() + groups
        };
        self.types.of(event).map(|list| of(&self.lists[list as usize])).sum()
    }
}
