//! What is explained, for programs: version 1.

use serde_json::{Map, Value as Json, json};

use super::delivery::{self, Row};
use super::{Explained, Route, full, named};
use crate::trigger::{Clause, Verdict};

pub(super) fn line(explained: &Explained<'_, '_>) -> Json {
    let event = explained.event;
    json!({
        "version": 1,
        "event": {"id": event.id, "source": event.source, "type": event.ty},
        "broker": full(explained.broker),
        "matched": explained.matched(),
        "triggers": explained.routes.iter().map(|route| one(route, explained)).collect::<Vec<_>>(),
    })
}

fn one(route: &Route<'_>, explained: &Explained<'_, '_>) -> Json {
    let rows = delivery::rows(route, explained.config).into_iter();
    let rows = rows.map(|Row { field, value, from, .. }| {
        (field.to_owned(), json!({"value": value, "from": from.to_string()}))
    });
    json!({
        "trigger": named(route.trigger),
        "place": route.trigger.place,
        "matched": route.clause.matches(),
        "filter": clause(&route.clause),
        "function": route.trigger.subscriber.function().map(|_| route.trigger.subscriber_name(explained.config)),
        "subscriber": route.trigger.subscriber_name(explained.config),
        "delivery": rows.collect::<Map<String, Json>>(),
        "lane": delivery::lane(route, explained.event).0,
    })
}

fn clause(it: &Clause) -> Json {
    let verdict = match it.verdict {
        Verdict::True => "true",
        Verdict::False => "false",
        Verdict::Error => "error",
    };
    let seen = it.seen.iter().map(|(what, value)| (what.clone(), json!(value)));
    json!({
        "is": it.is,
        "asks": it.asks,
        "verdict": verdict,
        "asked": it.asked,
        "seen": seen.collect::<Map<String, Json>>(),
        "errors": it.errors,
        "hint": it.hint,
        "parts": it.parts.iter().map(clause).collect::<Vec<_>>(),
    })
}
