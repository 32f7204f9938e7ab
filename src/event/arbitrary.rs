//! Events for the property tests, in the form that every codec keeps: how the payload stands follows from its type.

use std::borrow::Cow;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::{Data, Event, Value};

/// Legal text for an attribute: no control characters, no noncharacters, and the characters that codecs must escape.
pub(crate) fn text(least: usize) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        5 => proptest::char::range(' ', '~'),
        2 => prop::sample::select(vec!['"', '\\', '%', ' ', '+', '/', ',', ';']),
        2 => proptest::char::range('\u{a0}', '\u{2fff}'),
        1 => proptest::char::range('\u{1f300}', '\u{1f6ff}'),
    ];
    vec(character, least..24).prop_map(String::from_iter)
}

pub(crate) fn event() -> impl Strategy<Value = Event<'static>> {
    let core = (text(1), "(https?://[a-z]{1,8}\\.example(:[0-9]{1,4})?)?/[a-zA-Z0-9._~/-]{0,20}", text(1));
    let optional = (of(text(1)), of(time()), of("[a-z]{1,8}://[a-z]{1,9}/[a-z0-9/]{0,9}(#v[0-9])?"));
    let value = prop_oneof![
        text(0).prop_map(|text| Value::String(text.into())),
        any::<i32>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
    ];
    let extensions = btree_map("x[a-z0-9]{0,24}", value, 0..6);
    (core, optional, extensions, payload()).prop_map(|(core, optional, extensions, payload)| Event {
        id: core.0.into(),
        source: core.1.into(),
        ty: core.2.into(),
        subject: optional.0.map(Cow::Owned),
        time: optional.1.map(Cow::Owned),
        dataschema: optional.2.map(Cow::Owned),
        datacontenttype: payload.0.map(Cow::Borrowed),
        extensions: extensions.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        data: payload.1,
    })
}

fn time() -> impl Strategy<Value = String> {
    (
        "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?",
        "Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]",
    )
        .prop_map(|(date, time, offset)| date + &time + &offset)
}

fn payload() -> impl Strategy<Value = (Option<&'static str>, Option<Data<'static>>)> {
    let json_type = prop::sample::select(vec![
        None,
        Some("application/json"),
        Some("Text/JSON; charset=utf-8"),
        Some("a/b+json"),
    ]);
    let text_type = prop::sample::select(vec![
        Some("text/plain"),
        Some("application/xml"),
        Some("image/svg+xml;charset=UTF-8"),
    ]);
    let binary_type = prop::sample::select(vec![
        Some("application/octet-stream"),
        Some("text/plain; charset=latin1"),
        Some("image/png"),
    ]);
    prop_oneof![
        (json_type, of(json())).prop_map(|(ty, json)| (ty, json.map(|json| Data::Json(json.into())))),
        (text_type, of(text(1))).prop_map(|(ty, text)| (ty, text.map(|text| Data::Text(text.into())))),
        (binary_type, of(vec(any::<u8>(), 1..40)))
            .prop_map(|(ty, bytes)| (ty, bytes.map(|bytes| Data::Binary(bytes.into())))),
    ]
}

/// JSON text, numbers left out that no reader would keep as they are.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            btree_map(any::<String>(), inner, 0..4).prop_map(serde_json::Value::from_iter),
        ]
    });
    tree.prop_map(|value| value.to_string())
}

/// The same event, as one that has come by headers: there every value is a string.
pub(crate) fn with_string_values(mut event: Event<'static>) -> Event<'static> {
    for (_, value) in &mut event.extensions {
        *value = Value::String(value.text().into_owned().into());
    }
    event
}
