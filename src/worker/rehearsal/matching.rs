//! What is expected of an event or a dead letter held against one that there is, and which of many goes with which.

use std::collections::VecDeque;

use base64::Engine;
use serde_json::Value;

use super::history::{DeadLetter, Reply};
use crate::config::test::{Letter, Pattern, Payload};
use crate::event::{Data, Event};

/// One thing that is otherwise than expected, as lines of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub expected: Option<String>,
    pub actual: Option<String>,
}

#[derive(Debug, Default)]
struct Mismatches(Vec<Mismatch>);

impl Mismatches {
    fn add(&mut self, expected: impl Into<Option<String>>, actual: impl Into<Option<String>>) {
        self.0.push(Mismatch { expected: expected.into(), actual: actual.into() });
    }

    fn other(&mut self, what: &str, expected: impl std::fmt::Display, actual: impl std::fmt::Display) {
        self.add(format!("{what}: {expected}"), format!("{what}: {actual}"));
    }
}

/// What an item of an expected list is, and what it is held against.
pub(super) trait Expected {
    type Actual;
    /// The list's field.
    const LIST: &'static str;
    const ONE: &'static str;

    fn mismatches(&self, actual: &Self::Actual) -> Vec<Mismatch>;
    /// All that it asks for, a line each.
    fn lines(&self) -> Vec<String>;
    fn lines_of(actual: &Self::Actual) -> Vec<String>;
}

impl Expected for Pattern {
    type Actual = Reply;
    const LIST: &'static str = "replies";
    const ONE: &'static str = "reply";

    fn mismatches(&self, reply: &Reply) -> Vec<Mismatch> {
        let mut found = Mismatches::default();
        let ours = |name: &str| match name {
            // What the worker fills in need not be written.
            "specversion" => true,
            "id" => reply.id_is_ours,
            "source" => reply.source_is_ours,
            _ => false,
        };
        event("", self, &reply.event, &ours, &mut found);
        found.0
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.attributes.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.extend(self.data.as_ref().map(|data| match data {
            Payload::Json(value) => format!("data: {value}"),
            Payload::Binary(bytes) => format!("data_base64: {}", base64(bytes)),
        }));
        lines
    }

    fn lines_of(reply: &Reply) -> Vec<String> {
        let attributes = reply.event.attributes().filter(|(name, _)| *name != "specversion");
        let mut lines: Vec<String> = attributes.map(|(name, value)| format!("{name}: {value}")).collect();
        lines.extend(data("", &reply.event));
        lines
    }
}

impl Expected for Letter {
    type Actual = DeadLetter;
    const LIST: &'static str = "deadLetters";
    const ONE: &'static str = "dead letter";

    fn mismatches(&self, letter: &DeadLetter) -> Vec<Mismatch> {
        let mut found = Mismatches::default();
        if let Some(trigger) = self.trigger.as_ref().filter(|trigger| **trigger != letter.trigger) {
            found.other("trigger", trigger, &letter.trigger);
        }
        if let Some(outcome) = self.outcome.filter(|outcome| *outcome != letter.outcome) {
            found.other("outcome", outcome, letter.outcome);
        }
        if let Some(reason) = self.reason.filter(|reason| *reason != letter.reason) {
            found.other("reason", reason, letter.reason);
        }
        if let Some(code) = self.code.as_deref().filter(|code| Some(*code) != letter.code()) {
            let actual = letter.code().map_or("no code".into(), |code| format!("code: {code}"));
            found.add(format!("code: {code}"), actual);
        }
        if let Some(part) = self.message.as_ref().filter(|part| !letter.message.contains(&***part)) {
            found.add(format!("message: …{part}…"), format!("message: {}", letter.message));
        }
        if let Some(attempts) = self.attempts.filter(|attempts| *attempts != u64::from(letter.attempts)) {
            found.other("attempts", attempts, letter.attempts);
        }
        if let Some(pattern) = &self.event {
            event("event.", pattern, &letter.event, &|name| name == "specversion", &mut found);
        }
        found.0
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: Option<String>| {
            lines.extend(value.map(|value| format!("{name}: {value}")));
        };
        line("trigger", self.trigger.clone());
        line("outcome", self.outcome.map(|outcome| outcome.to_string()));
        line("reason", self.reason.map(|reason| reason.to_string()));
        line("code", self.code.clone());
        line("message", self.message.as_ref().map(|part| format!("…{part}…")));
        line("attempts", self.attempts.map(|attempts| attempts.to_string()));
        lines.extend(self.event.iter().flat_map(Expected::lines).map(|line| format!("event.{line}")));
        lines
    }

    fn lines_of(letter: &DeadLetter) -> Vec<String> {
        vec![
            format!("trigger: {}", letter.trigger),
            format!("outcome: {}", letter.outcome),
            format!("reason: {}", letter.reason),
            format!("message: {}", letter.message),
            format!("attempts: {}", letter.attempts),
            format!("event: {} {}", letter.event.ty, letter.event.id),
        ]
    }
}

/// `before`: what stands before each name. `ours`: attributes that `exactly` does not ask for.
fn event(
    before: &str,
    pattern: &Pattern,
    event: &Event<'_>,
    ours: &dyn Fn(&str) -> bool,
    found: &mut Mismatches,
) {
    for (name, expected) in &pattern.attributes {
        match event.attribute(name) {
            Some(actual) if *actual == **expected => {}
            Some(actual) => found.other(&format!("{before}{name}"), expected, actual),
            None => found.add(format!("{before}{name}: {expected}"), format!("no {before}{name}")),
        }
    }
    if pattern.exactly {
        let said = |name: &str| pattern.attributes.iter().any(|(said, _)| said == name);
        for (name, actual) in event.attributes().filter(|(name, _)| !said(name) && !ours(name)) {
            found.add(None, format!("{before}{name}: {actual}"));
        }
    }
    let path = format!("{before}data");
    match &pattern.data {
        Some(Payload::Json(expected)) => match json_of(event) {
            Some(actual) => part(&path, expected, &actual, pattern.exactly, found),
            None => {
                found.add(format!("{path}: {expected}"), data(before, event).unwrap_or(format!("no {path}")))
            }
        },
        Some(Payload::Binary(expected)) if event.data.as_ref().map(Data::bytes) != Some(expected) => {
            let actual = data(before, event).unwrap_or(format!("no {path}"));
            found.add(format!("{path}_base64: {}", base64(expected)), actual);
        }
        Some(Payload::Binary(_)) => {}
        None if pattern.exactly => {
            if let Some(actual) = data(before, event) {
                found.add(None, actual);
            }
        }
        None => {}
    }
}

/// Is what is expected a part of what there is? Of a list each item must be, in order.
fn part(path: &str, expected: &Value, actual: &Value, exactly: bool, found: &mut Mismatches) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, expected) in expected {
                match actual.get(name) {
                    Some(actual) => part(&format!("{path}.{name}"), expected, actual, exactly, found),
                    None => found.add(format!("{path}.{name}: {expected}"), format!("no {path}.{name}")),
                }
            }
            for (name, more) in actual.iter().filter(|(name, _)| exactly && !expected.contains_key(*name)) {
                found.add(None, format!("{path}.{name}: {more}"));
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (n, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                part(&format!("{path}[{n}]"), expected, actual, exactly, found);
            }
        }
        // 1 and 1.0 are one number.
        (Value::Number(a), Value::Number(b))
            if a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64() => {}
        _ if expected == actual => {}
        _ => found.other(path, expected, actual),
    }
}

fn json_of(event: &Event<'_>) -> Option<Value> {
    match event.data.as_ref()? {
        Data::Json(text) => serde_json::from_str(text).ok(),
        Data::Text(text) => Some(Value::from(&**text)),
        Data::Binary(_) => None,
    }
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn data(before: &str, event: &Event<'_>) -> Option<String> {
    Some(match event.data.as_ref()? {
        Data::Json(text) => format!("{before}data: {text}"),
        Data::Text(text) => format!("{before}data: {}", Value::from(&**text)),
        Data::Binary(bytes) => format!("{before}data_base64: {}", base64(bytes)),
    })
}

/// Gives as many of the expected as can be an actual of their own that `fits`; which, by the index of each.
pub(super) fn pair(
    expected: usize,
    actual: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut of_expected: Vec<Option<usize>> = vec![None; expected];
    let mut of_actual: Vec<Option<usize>> = vec![None; actual];
    for first in 0..expected {
        // Breadth first over what can be given up for something else, until there is one that nobody has.
        let mut reached: Vec<Option<usize>> = vec![None; actual];
        let mut queue = VecDeque::from([first]);
        let mut free = None;
        while let Some(one) = queue.pop_front().filter(|_| free.is_none()) {
            for at in 0..actual {
                if reached[at].is_some() || !fits(one, at) {
                    continue;
                }
                reached[at] = Some(one);
                match of_actual[at] {
                    Some(other) => queue.push_back(other),
                    None => {
                        free = Some(at);
                        break;
                    }
                }
            }
        }
        // Each on the way takes the one that it was reached by.
        while let Some(at) = free {
            let one = reached[at].expect("it was reached");
            of_actual[at] = Some(one);
            free = of_expected[one].replace(at);
        }
    }
    of_expected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(expected: &Value, actual: &Value, exactly: bool) -> Vec<String> {
        let mut found = Mismatches::default();
        part("data", expected, actual, exactly, &mut found);
        let line = |Mismatch { expected, actual }: Mismatch| {
            format!("-{} +{}", expected.unwrap_or_default(), actual.unwrap_or_default())
        };
        found.0.into_iter().map(line).collect()
    }

    #[test]
    fn a_part_says_what_it_wants_to_say_and_no_more() {
        let actual = json!({"id": "a", "n": 1, "at": {"x": 1.0, "y": null}, "list": [{"a": 1, "b": 2}, 3]});
        for fits in [
            json!({}),
            json!({"n": 1.0, "at": {"x": 1}}),
            json!({"at": {"y": null}, "list": [{"b": 2}, 3]}),
            actual.clone(),
        ] {
            assert_eq!(found(&fits, &actual, false), Vec::<String>::new(), "{fits}");
        }
        assert_eq!(found(&json!({"n": "1"}), &actual, false), ["-data.n: \"1\" +data.n: 1"]);
        assert_eq!(found(&json!({"at": {"z": 1}}), &actual, false), ["-data.at.z: 1 +no data.at.z"]);
        assert_eq!(
            found(&json!({"list": [{"b": 3}, 3]}), &actual, false),
            ["-data.list[0].b: 3 +data.list[0].b: 2"]
        );
        assert_eq!(
            found(&json!({"list": [3]}), &actual, false),
            [r#"-data.list: [3] +data.list: [{"a":1,"b":2},3]"#]
        );
        assert_eq!(found(&json!([]), &json!({}), false), ["-data: [] +data: {}"]);
    }

    #[test]
    fn exactly_is_all_of_it() {
        let actual = json!({"id": "a", "at": {"x": 1, "y": 2}});
        assert_eq!(found(&json!({"id": "a", "at": {"x": 1}}), &actual, true), ["- +data.at.y: 2"]);
        assert!(found(&actual, &actual, true).is_empty());
    }

    proptest! {
        /// As many pairs as the best of all assignments, each of two that fit.
        #[test]
        fn as_many_as_can_be_are_paired(fits in prop::collection::vec(prop::collection::vec(any::<bool>(), 5), 0..5)) {
            fn most(fits: &[Vec<bool>], used: &mut [bool; 5]) -> usize {
                let Some((first, rest)) = fits.split_first() else { return 0 };
                let mut best = most(rest, used);
                for at in 0..5 {
                    if first[at] && !used[at] {
                        used[at] = true;
                        best = best.max(1 + most(rest, used));
                        used[at] = false;
                    }
                }
                best
            }
            let pairs = pair(fits.len(), 5, |one, at| fits[one][at]);
            let given: Vec<usize> = pairs.iter().flatten().copied().collect();
            prop_assert!(pairs.iter().enumerate().all(|(one, at)| at.is_none_or(|at| fits[one][at])));
            prop_assert_eq!(given.iter().collect::<std::collections::BTreeSet<_>>().len(), given.len());
            prop_assert_eq!(given.len(), most(&fits, &mut [false; 5]));
        }
    }
}
