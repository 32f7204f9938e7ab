//! From an event to the triggers that it meets, without asking every trigger.

use foldhash::HashMap;

use super::data::{DataFilters, Found};
use super::{Criteria, Filter};
use crate::event::{Event, Uid};

/// The triggers of all brokers. A trigger is named by its index in the list that this was made from.
#[derive(Debug, Default)]
pub struct Routes {
    brokers: HashMap<Uid, Types>,
    data: DataFilters,
    /// By trigger, which of them it has.
    data_of: Vec<Option<usize>>,
}

/// What matching keeps from one event to the next. It changes what matching costs, never what it says.
#[derive(Debug, Default)]
pub struct Memo {
    found: Found,
}

impl Memo {
    /// For another table.
    pub fn clear(&mut self) {
        *self = Memo::default();
    }
}

/// A trigger stands under what its filter wants of type and source, so an event asks at most four lists: those of its
/// own type and of any, and in each those of its own source and of any. Publishers choose both texts: the maps are
/// seeded anew in each process.
#[derive(Debug, Default)]
struct Types {
    wanted: HashMap<Box<str>, Sources>,
    /// Of triggers that do not say, or not in a way that can be looked up.
    any: Sources,
}

#[derive(Debug, Default)]
struct Sources {
    wanted: HashMap<Box<str>, Vec<(u32, Filter)>>,
    any: Vec<(u32, Filter)>,
}

impl Routes {
    pub fn new(triggers: impl IntoIterator<Item = (Uid, impl Into<Criteria>)>) -> Routes {
        let mut routes = Routes::default();
        for (trigger, (broker, criteria)) in triggers.into_iter().enumerate() {
            let trigger = u32::try_from(trigger).expect("triggers are far fewer than u32");
            let Criteria { filter, data } = criteria.into();
            routes.data_of.push(data.map(|data| routes.data.add(&data)));
            let types = routes.brokers.entry(broker).or_default();
            let sources = match filter.wants("type") {
                Some(ty) => types.wanted.entry(ty.into()).or_default(),
                None => &mut types.any,
            };
            let list = match filter.wants("source") {
                Some(source) => sources.wanted.entry(source.into()).or_default(),
                None => &mut sources.any,
            };
            list.push((trigger, filter));
        }
        routes
    }

    /// Adds the triggers of `broker` that `event` meets to `matched`, in the order of the list.
    pub fn matching(&self, broker: Uid, event: &Event<'_>, memo: &mut Memo, matched: &mut Vec<u32>) {
        let Some(types) = self.brokers.get(&broker) else { return };
        let first = matched.len();
        for sources in types.wanted.get(&*event.ty).into_iter().chain([&types.any]) {
            for list in sources.wanted.get(&*event.source).into_iter().chain([&sources.any]) {
                let met = list.iter().filter(|(_, filter)| filter.matches(event));
                matched.extend(met.map(|(trigger, _)| *trigger));
            }
        }
        matched[first..].sort_unstable();
        self.ask_data(event, &mut memo.found, matched, first);
    }

    /// Of those from `first` on, leaves the ones that the event's data meets. It is read if one of them asks for it, and once.
    fn ask_data(&self, event: &Event<'_>, found: &mut Found, matched: &mut Vec<u32>, first: usize) {
        let asks = |trigger: &u32| self.data_of[*trigger as usize].is_some();
        if !matched[first..].iter().any(asks) {
            return;
        }
        let read = self.data.read(event, found);
        let mut at = 0;
        matched.retain(|&trigger| {
            at += 1;
            let met = |filter| read.as_ref().is_some_and(|read| read.matches(filter));
            at <= first || self.data_of[trigger as usize].is_none_or(met)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Data, Value};
    use crate::trigger::DataFilter;

    const BROKERS: u128 = 3;

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "a", "b", "c"])
    }

    /// Asks for an attribute twice at times, and for some that no event has.
    fn filter() -> impl Strategy<Value = Filter> {
        let name = prop::sample::select(vec!["type", "source", "subject", "xkind", "xabsent"]);
        let wanted = prop::collection::vec((name, word()), 0..4);
        wanted
            .prop_map(|wanted| Filter::exact(wanted.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))))
    }

    fn data_filter() -> impl Strategy<Value = Option<&'static str>> {
        let texts = vec![None, None, None, Some("/n > 1"), Some("/n <= 1"), Some("/b"), Some("exists /n/b")];
        prop::sample::select(texts)
    }

    fn data() -> impl Strategy<Value = Option<&'static str>> {
        prop::sample::select(vec![
            None,
            Some("{}"),
            Some("{\"n\": 1, \"b\": true}"),
            Some("{\"n\": 2}"),
            Some("{\"n\""),
        ])
    }

    fn event() -> impl Strategy<Value = Event<'static>> {
        let optional = || prop::option::of(word());
        (word(), word(), optional(), optional(), data()).prop_map(|(ty, source, subject, kind, data)| Event {
            id: "1".into(),
            source: source.into(),
            ty: ty.into(),
            subject: subject.map(Cow::Borrowed),
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: kind.map(|kind| ("xkind".into(), Value::String(kind.into()))).into_iter().collect(),
            data: data.map(|text| Data::Json(text.into())),
        })
    }

    proptest! {
        /// The index finds what asking every trigger finds, and nothing else.
        #[test]
        fn the_index_agrees_with_a_scan(
            triggers in prop::collection::vec((0..BROKERS, (filter(), data_filter())), 0..40),
            events in prop::collection::vec((0..=BROKERS, event()), 1..20),
        ) {
            let criteria = |(filter, data): (Filter, Option<&str>)| {
                Criteria { filter, data: data.map(|text| DataFilter::parse(text).unwrap()) }
            };
            let triggers: Vec<(Uid, Criteria)> =
                triggers.into_iter().map(|(b, c)| (Uid(b), criteria(c))).collect();
            let routes = Routes::new(triggers.clone());
            let mut memo = Memo::default();
            for (broker, event) in events {
                // What was there before stays where it is.
                let mut matched = vec![u32::MAX];
                routes.matching(Uid(broker), &event, &mut memo, &mut matched);
                let met = (0..).zip(&triggers).filter(|(_, (b, c))| *b == Uid(broker) && c.are_met(&event));
                let scanned: Vec<u32> = std::iter::once(u32::MAX).chain(met.map(|(n, _)| n)).collect();
                prop_assert_eq!(matched, scanned);
            }
        }
    }

    #[test]
    fn an_event_asks_only_those_who_may_want_it() {
        let wants = |pairs: &[(&str, &str)]| {
            Filter::exact(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
        };
        let filters = (0..1_000).map(|n| wants(&[("type", "a"), ("source", &format!("/{n}"))]));
        let rest = [wants(&[("type", "a")]), wants(&[("source", "/7")]), wants(&[]), wants(&[("type", "")])];
        let routes = Routes::new(filters.chain(rest).map(|filter| (Uid(1), filter)));
        let types = &routes.brokers[&Uid(1)];
        let a = &types.wanted["a"];
        assert_eq!(a.wanted.values().map(Vec::len).max(), Some(1));
        assert_eq!([a.any.len(), types.any.wanted["/7"].len(), types.any.any.len()], [1, 1, 2]);
    }
}
