//! A data filter clause by clause, for people.

use super::DataFilter;
use super::ast::{Expr, Node, Test};
use super::evaluate::Payload;
use super::found::{Found, Missing, Value};
use super::places::Places;
use super::scan::scan;
use super::verdict::Verdict;
use crate::event::Event;

/// How much of a text or number is shown.
const SHOWN: usize = 40;

/// A part of a filter, and what an event makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'f> {
    /// As it is written.
    pub text: &'f str,
    pub verdict: Verdict,
    /// Of a clause: what stands where its pointer leads, in words: `12000`, `"DE"`, `nothing`, `an object`.
    pub found: Option<String>,
    /// Of `and`, `or` and `not`: what they join.
    pub parts: Vec<Explained<'f>>,
}

impl DataFilter {
    /// Its clauses as the event's data meets them.
    pub fn explain<'f>(&'f self, event: &Event<'_>) -> Explained<'f> {
        let (mut places, mut found) = (Places::default(), Found::default());
        let at = places.add_all(&self.pointers);
        let payload = match event.json() {
            Some(text) if scan(text, &places, &mut found) => Ok(Payload { text, found: &found, places: &at }),
            _ if event.data.is_some() => Err("nothing: the data is not JSON"),
            _ => Err("nothing: the event has no data"),
        };
        self.explain_part(&self.root, payload)
    }

    fn explain_part<'f>(&'f self, expr: &'f Expr, payload: Result<Payload<'_>, &str>) -> Explained<'f> {
        let each = |parts: &'f [Expr]| parts.iter().map(|part| self.explain_part(part, payload)).collect();
        let (found, parts) = match &expr.node {
            Node::All(parts) | Node::Any(parts) => (None, each(parts)),
            Node::Not(part) => (None, vec![self.explain_part(part, payload)]),
            Node::Clause(pointer, test) => {
                let found =
                    payload.map_or_else(str::to_owned, |payload| what_stands(payload, *pointer, test));
                (Some(found), Vec::new())
            }
        };
        let verdict = payload.map_or(Verdict::Undecided, |payload| payload.verdict(expr));
        Explained { text: expr.span.of(&self.text), verdict, found, parts }
    }
}

fn what_stands(payload: Payload<'_>, pointer: usize, test: &Test) -> String {
    let cut = |text: &str| match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    match payload.found.value(payload.places[pointer], payload.text) {
        Ok(Value::Null) => "null".into(),
        Ok(Value::Boolean(flag)) => flag.to_string(),
        Ok(Value::Number(text)) => cut(text),
        Ok(Value::Text(text)) => format!("{:?}", cut(&text)),
        Ok(Value::Object) => "an object".into(),
        Ok(Value::Array) => "an array".into(),
        Err(Missing::Nothing) => "nothing".into(),
        Err(Missing::Twice) => "a member that is there twice".into(),
        Err(Missing::Broken) if *test == Test::Exists => "a text".into(),
        Err(Missing::Broken) => "a text with half of a surrogate pair".into(),
    }
}
