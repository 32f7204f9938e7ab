//! Filters and events for the property tests: of few words, so that they meet.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Filter;
use super::cesql::Expression;
use crate::event::{Event, Value};

const NAMES: [&str; 6] = ["type", "source", "subject", "left", "a1", "missing"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.to_vec())
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "ba", "aba", "A", "b.a", "a*", "1", "true"])
}

/// Expressions as people write them: the arbitrary ones are seldom true.
fn likely() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["=", "!=", "<", ">=", "<>"]);
    let leaf = prop_oneof![
        (name(), operator.clone(), word())
            .prop_map(|(name, operator, word)| format!("{name} {operator} '{word}'")),
        (word(), operator.clone(), name())
            .prop_map(|(word, operator, name)| format!("'{word}' {operator} {name}")),
        (name(), operator, -1..4).prop_map(|(name, operator, number)| format!("{name} {operator} {number}")),
        (name(), word()).prop_map(|(name, word)| format!("{name} LIKE '{word}%'")),
        (name(), word()).prop_map(|(name, word)| format!("{name} LIKE '%{word}'")),
        (name(), word()).prop_map(|(name, word)| format!("{name} NOT LIKE '_{word}'")),
        (name(), vec(word(), 1..3)).prop_map(|(name, words)| format!("{name} IN ('{}')", words.join("', '"))),
        (name(), word()).prop_map(|(name, word)| format!("{name} NOT IN ('{word}')")),
        name().prop_map(|name| format!("EXISTS {name}")),
        name().prop_map(str::to_owned),
        prop::sample::select(vec!["TRUE", "FALSE", "1 / 0 = 1"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let operators = vec![" AND ", " OR ", " XOR "];
        prop_oneof![
            (vec(inner.clone(), 2..4), prop::sample::select(operators))
                .prop_map(|(parts, operator)| format!("({})", parts.join(operator))),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} AND {b} OR {c})")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

pub(super) fn filter() -> impl Strategy<Value = Filter> {
    let pairs = || {
        let pair = (name(), word()).prop_map(|(name, word)| (name.to_owned(), word.to_owned()));
        vec(pair, 1..3)
    };
    let leaf = prop_oneof![
        3 => pairs().prop_map(Filter::exact),
        1 => name().prop_map(|name| Filter::exact([(name.to_owned(), String::new())])),
        2 => pairs().prop_map(Filter::prefix),
        2 => pairs().prop_map(Filter::suffix),
        3 => likely().prop_map(|text| Filter::cesql(Expression::parse(&text).expect("it is written rightly"))),
        1 => super::cesql::arbitrary_expression().prop_map(Filter::cesql),
        1 => Just(Filter::default()),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(Filter::all),
            1 => vec(inner.clone(), 1..4).prop_map(Filter::any),
            1 => inner.prop_map(std::ops::Not::not),
        ]
    })
}

/// Several things asked of one attribute at once: some can be, some can't.
pub(super) fn crowded() -> impl Strategy<Value = Filter> {
    let word = || prop::sample::select(vec!["a", "b", "ab", "ba", "aba"]);
    let one = (0..9, word(), word(), any::<bool>());
    (prop::sample::select(vec!["type", "left"]), vec(one, 1..4)).prop_map(|(name, all)| {
        let pair = |word: &str| [(name.to_owned(), word.to_owned())];
        let cesql = |text: String| Filter::cesql(Expression::parse(&text).expect("it is written rightly"));
        Filter::all(all.into_iter().map(|(kind, a, b, negated)| {
            let not = if negated { "NOT " } else { "" };
            let filter = match kind {
                0 => Filter::exact(pair(a)),
                1 => Filter::prefix(pair(a)),
                2 => Filter::suffix(pair(a)),
                3 => cesql(format!("{name} {not}LIKE '{a}%'")),
                4 => cesql(format!("{name} {not}LIKE '%{a}'")),
                5 => cesql(format!("{name} {not}IN ('{a}', '{b}')")),
                6 => cesql(format!("{not}({name} = '{a}' AND {name} LIKE '{b}%')")),
                7 => cesql(format!("{not}({name} = '{a}' OR {name} != '{b}')")),
                _ => cesql(format!("{not}EXISTS {name}")),
            };
            if negated && kind < 5 { !filter } else { filter }
        }))
    })
}

pub(super) fn event() -> impl Strategy<Value = Event<'static>> {
    let text = || prop_oneof![4 => word().prop_map(Cow::Borrowed), 1 => "[ab.]{0,4}".prop_map(Cow::Owned)];
    let value = prop_oneof![
        3 => text().prop_map(Value::String),
        1 => (-1..4).prop_map(Value::Integer),
        1 => any::<bool>().prop_map(Value::Boolean),
    ];
    let extension =
        |name: &'static str| prop::option::of(value.clone()).prop_map(move |v| v.map(|v| (name, v)));
    let extensions = (extension("left"), extension("a1"), extension("1a"));
    (text(), text(), prop::option::of(text()), extensions).prop_map(|(ty, source, subject, extensions)| {
        Event {
            id: "1".into(),
            source,
            ty,
            subject,
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: [extensions.0, extensions.1, extensions.2]
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            data: None,
        }
    })
}
