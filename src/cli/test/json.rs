//! For programs: an object a line, one for each case and one for all.

use serde_json::{Value, json};

use super::{Counts, Played, suite};
use crate::worker::rehearsal::{Difference, History, Line};

pub(super) fn line(one: &Played<'_>) -> String {
    let mut object = json!({
        "test": suite(one.test),
        "case": one.case.name,
        "file": &*one.case.place.text.name,
        "line": one.case.place.span.line,
        "column": one.case.place.span.column,
        "result": match one.passed() {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "skipped",
        },
    });
    if let Some((differences, history)) = &one.result {
        object["took_ns"] = json!(one.took.as_nanos() as u64);
        object["differences"] = differences.iter().map(difference).collect();
        object["attempts"] = attempts(history);
        object["unrouted"] = history
            .events
            .iter()
            .filter(|event| !event.met)
            .map(|event| json!({ "id": event.id, "type": event.ty }))
            .collect();
    }
    format!("{object}\n")
}

pub(super) fn end(counts: Counts) -> String {
    let Counts { passed, failed, skipped } = counts;
    format!("{}\n", json!({ "passed": passed, "failed": failed, "skipped": skipped }))
}

fn difference(one: &Difference) -> Value {
    let lines =
        |wanted: fn(&Line) -> Option<&String>| one.lines.iter().filter_map(wanted).collect::<Vec<_>>();
    json!({
        "file": &*one.place.text.name,
        "line": one.place.span.line,
        "column": one.place.span.column,
        "what": one.what,
        "expected": lines(|line| if let Line::Expected(text) = line { Some(text) } else { None }),
        "actual": lines(|line| if let Line::Actual(text) = line { Some(text) } else { None }),
    })
}

fn attempts(history: &History) -> Value {
    let attempts = history.attempts.iter().map(|attempt| {
        let event = &history.events[attempt.event];
        json!({
            "event_id": event.id,
            "event_type": event.ty,
            "trigger": attempt.trigger,
            "attempt": attempt.attempt,
            "after_ns": attempt.at.as_nanos() as u64,
            "outcome": attempt.outcome.as_str(),
            "reason": attempt.reason.as_str(),
            "message": attempt.message,
            "replies": attempt.replies.iter().map(|(ty, id)| json!({ "id": id, "type": ty })).collect::<Vec<_>>(),
        })
    });
    attempts.collect()
}
