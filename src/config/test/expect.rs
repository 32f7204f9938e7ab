//! What a case expects.

use crate::dispatch::{Outcome, Reason};

use super::super::diagnostic::Report;
use super::super::node::{Kind, Node};
use super::super::reader::{self, Fields};
use super::super::shape;
use super::{Attempts, Expect, Letter, Names, Placed, pattern};

/// More is no number that somebody has counted.
const MOST_ATTEMPTS: i64 = 1_000_000;

pub(super) fn read(mut fields: Fields<'_>, names: &Names<'_>, report: &mut Report<'_>) -> Expect {
    let routes =
        fields.optional("routes").and_then(|node| routes(node, &fields.below("routes"), names, report));
    let replies = fields.optional("replies");
    let replies = replies.and_then(|node| list(node, &fields.below("replies"), report, pattern::read));
    let letters = fields.optional("deadLetters");
    let dead_letters = letters.and_then(|node| {
        list(node, &fields.below("deadLetters"), report, |item, path, report| {
            letter(item, path, names, report)
        })
    });
    let attempts = fields.optional("attempts");
    let attempts = attempts.map(|node| attempts_of(node, &fields.below("attempts"), names, report));
    fields.finish(report);
    Expect { routes, replies, dead_letters, attempts: attempts.unwrap_or_default() }
}

/// Each item with its place. `None`: reported.
fn list<T>(
    node: &Node,
    path: &str,
    report: &mut Report<'_>,
    mut read: impl FnMut(&Node, String, &mut Report<'_>) -> Option<T>,
) -> Option<Placed<Vec<Placed<T>>>> {
    let Kind::Seq(items) = &node.kind else {
        report
            .error(node.span, format!("{path}: expected a list, found {}", node.describe()))
            .help("write '- ' before each; '[]' is none");
        return None;
    };
    let mut value = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        if let Some(read) = read(item, format!("{path}[{n}]"), report) {
            value.push(Placed { place: report.place(item.span), value: read });
        }
    }
    Some(Placed { place: report.place(node.span), value })
}

fn routes(
    node: &Node,
    path: &str,
    names: &Names<'_>,
    report: &mut Report<'_>,
) -> Option<Placed<Vec<String>>> {
    let listed = list(node, path, report, |item, path, report| names.trigger(item, &path, report))?;
    let mut value: Vec<String> = Vec::new();
    for Placed { place, value: trigger } in listed.value {
        if value.contains(&trigger) {
            report
                .error(place.span, format!("{path}: the Trigger '{trigger}' is there twice"))
                .help("once says that events meet it; 'attempts' says how often");
        } else {
            value.push(trigger);
        }
    }
    Some(Placed { place: listed.place, value })
}

fn letter(node: &Node, path: String, names: &Names<'_>, report: &mut Report<'_>) -> Option<Letter> {
    let outcomes: Vec<(&str, Outcome)> =
        Outcome::ALL.iter().filter(|o| **o != Outcome::Succeeded).map(|o| (o.as_str(), *o)).collect();
    let reasons: Vec<(&str, Reason)> =
        Reason::ALL.iter().filter(|r| **r != Reason::None).map(|r| (r.as_str(), *r)).collect();
    let mut fields = Fields::of(node, &shape::test::LETTER, path, report)?;
    let trigger = fields.optional("trigger");
    let event = fields.optional("event");
    let letter = Letter {
        trigger: trigger.and_then(|node| names.trigger(node, &fields.below("trigger"), report)),
        outcome: fields.choice("outcome", &outcomes, report),
        reason: fields.choice("reason", &reasons, report),
        code: fields.string("code", report).map(str::to_owned),
        message: fields.string("message", report).map(str::to_owned),
        attempts: fields.integer("attempts", report).map(|count| count as u64),
        event: event.and_then(|node| pattern::read(node, fields.below("event"), report)),
    };
    fields.finish(report);
    Some(letter)
}

/// A number, or one for each trigger that is named.
fn attempts_of(node: &Node, path: &str, names: &Names<'_>, report: &mut Report<'_>) -> Vec<Attempts> {
    let Kind::Map(entries) = &node.kind else {
        let all = count(node, path, report);
        let all = all.map(|count| Attempts { place: report.place(node.span), trigger: None, count });
        return all.into_iter().collect();
    };
    let of_trigger = entries.iter().filter_map(|entry| {
        let trigger = names.trigger_called((&entry.key, entry.key_span), path, report)?;
        let count = count(&entry.value, &format!("{path}.{}", entry.key), report)?;
        Some(Attempts { place: report.place(entry.key_span), trigger: Some(trigger), count })
    });
    of_trigger.collect()
}

fn count(node: &Node, path: &str, report: &mut Report<'_>) -> Option<u64> {
    reader::integer(node, path, 0..=MOST_ATTEMPTS, report).map(|count| count as u64)
}
