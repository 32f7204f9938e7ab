//! That the index and the memo find what asking every trigger finds, and nothing else, and stay within their bounds.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::event::{Data, Value};
use crate::trigger::cesql::Expression;
use crate::trigger::{DataFilter, arbitrary};

const BROKERS: u128 = 3;

fn data_filter() -> impl Strategy<Value = Option<&'static str>> {
    let texts = vec![None, None, None, Some("/n > 1"), Some("/n <= 1"), Some("/b"), Some("exists /n/b")];
    prop::sample::select(texts)
}

fn data() -> impl Strategy<Value = Option<&'static str>> {
    let texts = vec!["{}", "{\"n\": 1, \"b\": true}", "{\"n\": 2}", "{\"n\""];
    prop::option::of(prop::sample::select(texts))
}

/// The filters of `arbitrary`, and such of which an index knows something.
fn filter() -> impl Strategy<Value = Filter> {
    let name = || prop::sample::select(vec!["type", "source", "subject", "a1", "left", "dataschema", "id"]);
    let word = || prop::sample::select(vec!["a", "b", "ab", "ba", "aba", "1", "true"]);
    let one = |make: fn(Vec<(String, String)>) -> Filter| {
        (name(), word()).prop_map(move |(name, word)| make(vec![(name.to_owned(), word.to_owned())]))
    };
    let likely = prop_oneof![
        one(Filter::exact),
        one(Filter::prefix),
        one(Filter::suffix),
        (name(), word(), word()).prop_map(|(name, a, b)| {
            Filter::cesql(Expression::parse(&format!("{name} IN ('{a}', '{b}')")).unwrap())
        }),
    ];
    prop_oneof![
        2 => arbitrary::filter(),
        1 => likely.clone(),
        2 => vec(likely.clone(), 1..4).prop_map(Filter::all),
        1 => vec(likely, 1..3).prop_map(Filter::any),
    ]
}

fn triggers(most: usize) -> impl Strategy<Value = Vec<(Uid, Criteria)>> {
    let criteria = (filter(), data_filter()).prop_map(|(filter, data)| Criteria {
        filter,
        data: data.map(|text| DataFilter::parse(text).unwrap()),
    });
    vec(((0..BROKERS).prop_map(Uid), criteria), 0..most)
}

fn events(most: usize) -> impl Strategy<Value = Vec<(Uid, Event<'static>)>> {
    let event =
        (arbitrary::event(), data(), prop::option::of(Just("ab"))).prop_map(|(event, data, schema)| Event {
            data: data.map(|text| Data::Json(text.into())),
            dataschema: schema.map(Cow::Borrowed),
            ..event
        });
    vec(((0..=BROKERS).prop_map(Uid), event), 1..most)
}

fn scanned(triggers: &[(Uid, Criteria)], broker: Uid, event: &Event<'_>) -> Vec<u32> {
    let met = (0..).zip(triggers).filter(|(_, (of, criteria))| *of == broker && criteria.are_met(event));
    met.map(|(n, _)| n).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn matching_agrees_with_a_scan(
        triggers in triggers(60),
        others in triggers(10),
        events in events(30),
        asked in 0_usize..9,
        answers in 0_usize..40,
        bytes in 0_usize..4_000,
    ) {
        let (routes, other) = (Routes::with(triggers.clone(), asked), Routes::with(others.clone(), asked));
        let mut memo = Memo::with_limits(Limits { answers, bytes });
        // Often enough for answers to be remembered, given up and replaced; and under other routes in between.
        for round in 0..4 {
            for (broker, event) in &events {
                // What was there before stays where it is.
                let mut matched = vec![u32::MAX];
                routes.matching(*broker, event, &mut memo, &mut matched);
                prop_assert_eq!(&matched[1..], &scanned(&triggers, *broker, event), "round {}", round);
                memo.check();
            }
            if round == 2 {
                for (broker, event) in &events {
                    let mut matched = Vec::new();
                    other.matching(*broker, event, &mut memo, &mut matched);
                    prop_assert_eq!(&matched, &scanned(&others, *broker, event));
                }
            }
        }
    }
}

fn exact(pairs: &[(&str, &str)]) -> Filter {
    Filter::exact(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn cesql(text: &str) -> Filter {
    Filter::cesql(Expression::parse(text).unwrap())
}

fn event(ty: &str, source: &str, subject: &str) -> Event<'static> {
    Event {
        id: "1".into(),
        source: source.to_owned().into(),
        ty: ty.to_owned().into(),
        subject: Some(subject.to_owned().into()),
        time: None,
        dataschema: None,
        datacontenttype: None,
        extensions: vec![("region".into(), Value::String("eu".into()))],
        data: None,
    }
}

/// How many filters are asked for an event.
fn asked(filters: impl IntoIterator<Item = Filter>, event: &Event<'_>) -> usize {
    let routes = Routes::new(filters.into_iter().map(|filter| (Uid(1), filter)));
    routes.brokers[&Uid(1)].asked_for(event)
}

#[test]
fn an_event_asks_only_those_who_may_want_it() {
    let found = event("a", "/7", "/orders/7");
    let numbers = || 0..1_000;
    let each = |make: &dyn Fn(String) -> Filter| asked(numbers().map(|n| make(n.to_string())), &found);
    assert_eq!(each(&|n| exact(&[("type", "a"), ("source", &format!("/{n}"))])), 1);
    assert_eq!(each(&|n| exact(&[("source", &format!("/{n}"))])), 1);
    assert_eq!(each(&|n| exact(&[("subject", &format!("/orders/{n}")), ("region", "eu")])), 1);
    assert_eq!(
        each(&|n| Filter::any([exact(&[("source", &format!("/{n}"))]), exact(&[("source", "/x")])])),
        1
    );
    assert_eq!(each(&|n| cesql(&format!("type = 'a' AND source IN ('/{n}', '/x') AND EXISTS region"))), 1);
    assert_eq!(each(&|n| cesql(&format!("region = 'eu' AND type LIKE '{n}%'"))), 0);
    assert_eq!(each(&|n| cesql(&format!("subject LIKE '/orders/{n}%' AND NOT type LIKE 'b%'"))), 1);
    assert_eq!(each(&|n| cesql(&format!("subject LIKE '%/{n}'"))), 1);
    assert_eq!(each(&|n| cesql(&format!("subject LIKE '%/{n}%'"))), 1_000);
}

#[test]
fn what_repeats_is_remembered_and_what_does_not_is_left_alone() {
    let filters = (0..1_000).map(|n| cesql(&format!("subject LIKE '%/{n}%' AND region NOT LIKE 'us%'")));
    let routes = Routes::new(filters.map(|filter| (Uid(1), filter)));
    let (mut memo, mut matched) = (Memo::default(), Vec::new());
    let mut ask = |memo: &mut Memo, subject: String| {
        matched.clear();
        routes.matching(Uid(1), &event("a", "/s", &subject), memo, &mut matched);
        matched.len()
    };
    for _ in 0..3 {
        for n in 0..50 {
            assert!(ask(&mut memo, format!("/{n}")) > 0);
        }
    }
    // Few share a place with others.
    assert!(memo.remembered() >= 40, "{}", memo.remembered());
    for n in 0..100_000 {
        ask(&mut memo, format!("/x{n}"));
    }
    assert!(memo.remembered() <= 60, "what was asked once was remembered: {}", memo.remembered());
    memo.clear();
    assert_eq!(memo.remembered(), 0);
}

/// Whatever publishers send, twice each: no more is kept than may be.
#[test]
fn the_bounds_hold() {
    let filters = (0..100).map(|n| cesql(&format!("type LIKE '%{n}%x'"))).chain([exact(&[])]);
    let routes = Routes::new(filters.map(|filter| (Uid(1), filter)));
    for limits in [Limits { answers: 64, bytes: 1 << 20 }, Limits { answers: 4_096, bytes: 2_000 }] {
        let mut memo = Memo::with_limits(limits);
        for n in 0..20_000 {
            let ty = "y".repeat(n % 2_000) + &n.to_string();
            for _ in 0..2 {
                let mut matched = Vec::new();
                routes.matching(Uid(1), &event(&ty, "/s", "s"), &mut memo, &mut matched);
                assert_eq!(matched, [100]);
            }
            memo.check();
        }
        assert!(memo.remembered() > 0);
    }
}
