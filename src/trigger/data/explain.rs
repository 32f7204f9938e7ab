//! A data filter clause by clause, for people.

use serde_json::Value as Json;

use super::ast::{Expr, Literal, Node, Operator, Test};
use super::evaluate::Payload;
use super::found::{Found, Missing, Value};
use super::places::Places;
use super::scan::scan;
use super::verdict::Verdict as Decided;
use super::{DataFilter, pointer};
use crate::event::Event;
use crate::trigger::attribute::Wanted;
use crate::trigger::explain::{Clause, Verdict};
use crate::trigger::near::Near;

impl DataFilter {
    /// Every clause; the first is true where the filter [matches](DataFilter::matches), and only there. Slow: for people.
    pub fn explain(&self, event: &Event<'_>) -> Clause {
        let (mut places, mut found) = (Places::default(), Found::default());
        let at = places.add_all(&self.pointers);
        let payload = match event.json() {
            Some(text) if scan(text, &places, &mut found) => Payload { text, found: &found, places: &at },
            _ => {
                let reason =
                    if event.data.is_some() { "the data is no JSON" } else { "the event has no data" };
                let clause = Clause::new("data", self.text.to_string(), Verdict::Error);
                return Clause { errors: vec![reason.to_owned()], ..clause };
            }
        };
        let clause = self.part(&self.root, payload);
        // One line is enough where there is but one clause.
        match clause.is {
            "value" => Clause { is: "data", ..clause },
            _ => {
                let verdict = clause.verdict;
                Clause { parts: vec![clause], ..Clause::new("data", String::new(), verdict) }
            }
        }
    }

    fn part(&self, expr: &Expr, payload: Payload<'_>) -> Clause {
        let verdict = match payload.verdict(expr) {
            Decided::True => Verdict::True,
            Decided::False => Verdict::False,
            Decided::Undecided => Verdict::Error,
        };
        let join = |is, parts: &[Expr]| {
            let parts = parts.iter().map(|part| self.part(part, payload)).collect();
            Clause { parts, ..Clause::new(is, String::new(), verdict) }
        };
        match &expr.node {
            Node::All(parts) => join("and", parts),
            Node::Any(parts) => join("or", parts),
            Node::Not(part) => {
                let hint = (verdict == Verdict::Error).then(|| {
                    "what can't be decided matches nothing, and neither does 'not' of it".to_owned()
                });
                Clause { hint, ..join("not", std::slice::from_ref(part)) }
            }
            Node::Clause(index, test) => {
                let clause = Clause::new("value", expr.span.of(&self.text).to_owned(), verdict);
                self.seen(clause, *index, test, payload)
            }
        }
    }

    /// What stands there, and why it decides nothing.
    fn seen(&self, clause: Clause, index: usize, test: &Test, payload: Payload<'_>) -> Clause {
        let pointer = pointer::shown(&self.pointers[index]);
        let found = payload.found.value(payload.places[index], payload.text);
        let seen = match &found {
            Ok(value) => json(value).map(Some),
            Err(Missing::Nothing) => Some(None),
            Err(_) => None,
        };
        let reason = || match &found {
            Ok(Value::Number(_)) if kinds(test) == "a number" => {
                format!("{pointer} is a number of too many digits")
            }
            Ok(value) => format!("{pointer} is {} and compared with {}", kind(value), kinds(test)),
            Err(Missing::Nothing) => format!("there is no {pointer}"),
            Err(Missing::Twice) => format!("{pointer} is there twice: which is meant can't be told"),
            Err(Missing::Broken) => format!("{pointer} is a text with half of a surrogate pair"),
        };
        let errors = if clause.verdict == Verdict::Error { vec![reason()] } else { vec![] };
        let hint = match (test, &found) {
            (Test::Compare(Operator::Equal, Literal::Text(wanted)), Ok(Value::Text(text))) => {
                Near::of(&Wanted::Text(wanted.clone()), text).map(|near| near.to_string())
            }
            _ => None,
        };
        Clause { seen: seen.map(|value| (pointer, value)).into_iter().collect(), errors, hint, ..clause }
    }
}

/// `None`: it is not shown.
fn json(value: &Value<'_>) -> Option<Json> {
    match value {
        Value::Null => Some(Json::Null),
        Value::Boolean(flag) => Some(Json::from(*flag)),
        // As it is written: a number that would be shown as another is shown as a text.
        Value::Number(text) => {
            let number: Json = serde_json::from_str(text).unwrap_or_default();
            let shown = number.to_string();
            Some(if shown == *text { number } else { Json::from(*text) })
        }
        Value::Text(text) => Some(Json::from(*text)),
        Value::Object | Value::Array => None,
    }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::Object => "an object",
        Value::Array => "a list",
    }
}

fn kinds(test: &Test) -> &'static str {
    match test {
        Test::Compare(_, Literal::Null) => "null",
        Test::Compare(_, Literal::Boolean(_)) => "a boolean",
        Test::Compare(_, Literal::Number(_)) => "a number",
        Test::Compare(_, Literal::Text(_)) => "a text",
        Test::Exists | Test::In { .. } => "others",
    }
}
