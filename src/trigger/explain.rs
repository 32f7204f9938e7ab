//! Why a filter matches an event, or does not: every clause of it, and what the event makes of each.

use serde_json::Value as Json;

use super::Filter;
use super::attribute::{Attribute, Wanted};
use super::cesql::{self, Expression, Step};
use super::near::{self, Near};
use crate::event::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    True,
    False,
    /// It can't be decided, and so does not match.
    Error,
}

/// A clause of a filter, with the clauses that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The dialect, or the operator of an expression: `exact`, `all`, `AND`; `value`: a part without one.
    pub is: &'static str,
    /// What it asks for. Empty: its parts say it.
    pub asks: String,
    pub verdict: Verdict,
    /// An expression stops where it is decided. What was not asked says what it would have been.
    pub asked: bool,
    /// What the event has of what it asks for; `None`: nothing.
    pub seen: Vec<(String, Option<Json>)>,
    /// What is wrong, where it can't be decided.
    pub errors: Vec<String>,
    /// What was perhaps meant, or is easily read wrongly.
    pub hint: Option<String>,
    pub parts: Vec<Clause>,
}

impl Clause {
    pub(super) fn new(is: &'static str, asks: String, verdict: Verdict) -> Clause {
        Clause { is, asks, verdict, asked: true, seen: vec![], errors: vec![], hint: None, parts: vec![] }
    }

    pub fn matches(&self) -> bool {
        self.verdict == Verdict::True
    }
}

impl Filter {
    /// Every clause; the first is true where the filter [matches](Filter::matches), and only there. Slow: for people.
    pub fn explain(&self, event: &Event<'_>) -> Clause {
        match self {
            Filter::Attribute(wanted) => attribute(wanted, event),
            Filter::All(filters) if filters.is_empty() => {
                Clause::new("all", "every event".into(), Verdict::True)
            }
            Filter::All(filters) => {
                let parts: Vec<Clause> = filters.iter().map(|filter| filter.explain(event)).collect();
                let verdict = if parts.iter().all(Clause::matches) {
                    Verdict::True
                } else if parts.iter().any(|part| part.verdict == Verdict::False) {
                    Verdict::False
                } else {
                    Verdict::Error
                };
                Clause { parts, ..Clause::new("all", String::new(), verdict) }
            }
            Filter::Any(filters) => {
                let parts: Vec<Clause> = filters.iter().map(|filter| filter.explain(event)).collect();
                let verdict = if parts.iter().any(Clause::matches) {
                    Verdict::True
                } else if parts.iter().any(|part| part.verdict == Verdict::Error) {
                    Verdict::Error
                } else {
                    Verdict::False
                };
                Clause { parts, ..Clause::new("any", String::new(), verdict) }
            }
            // What can't be decided does not match, so `not` of it does.
            Filter::Not(filter) => {
                let part = filter.explain(event);
                let verdict = if part.matches() { Verdict::False } else { Verdict::True };
                let hint = match part.verdict {
                    Verdict::Error => {
                        Some("what can't be decided does not match, so 'not' of it does".to_owned())
                    }
                    Verdict::False if matches!(part.seen.as_slice(), [(_, None)]) => {
                        Some("what is not there does not match, so 'not' of it does".to_owned())
                    }
                    _ => None,
                };
                Clause { parts: vec![part], hint, ..Clause::new("not", String::new(), verdict) }
            }
            Filter::Cesql(expression) => cesql(expression, event),
        }
    }
}

fn attribute(attribute: &Attribute, event: &Event<'_>) -> Clause {
    let name = attribute.name();
    let value = event.attribute(name);
    let (is, asks) = match attribute.wanted() {
        Wanted::Text(text) => ("exact", format!("{name}: {}", quoted(text))),
        Wanted::Prefix(text) => ("prefix", format!("{name}: {}", quoted(text))),
        Wanted::Suffix(text) => ("suffix", format!("{name}: {}", quoted(text))),
        Wanted::Something => ("exact", format!("{name} is there and not empty")),
    };
    let met = attribute.is_met(value.as_deref());
    let near = match &value {
        Some(value) => Near::of(attribute.wanted(), value).map(|near| near.to_string()),
        None => misspelt(name, event),
    };
    Clause {
        seen: vec![(name.to_owned(), value.map(|value| Json::from(&*value)))],
        hint: near.filter(|_| !met),
        ..Clause::new(is, asks, if met { Verdict::True } else { Verdict::False })
    }
}

fn json(value: &cesql::Value<'_>) -> Json {
    match value {
        cesql::Value::String(text) => Json::from(&**text),
        cesql::Value::Integer(number) => Json::from(*number),
        cesql::Value::Boolean(flag) => Json::from(*flag),
    }
}

fn misspelt(name: &str, event: &Event<'_>) -> Option<String> {
    near::name(name, event.attributes().map(|(name, _)| name)).map(|near| format!("the event has '{near}'"))
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn cesql(expression: &Expression, event: &Event<'_>) -> Clause {
    let whole = expression.steps(event);
    let mut clause = step(&whole, expression.text(), event);
    clause.verdict = match &whole.value {
        None => Verdict::Error,
        Some(cesql::Value::Boolean(true)) => Verdict::True,
        Some(cesql::Value::Boolean(false)) => Verdict::False,
        Some(other) => {
            clause.errors.push(format!("the expression gives {other}: only TRUE matches"));
            Verdict::False
        }
    };
    // One line is enough where there is but one step.
    match whole.operator {
        None => Clause { is: "cesql", ..clause },
        Some(_) => {
            let verdict = clause.verdict;
            Clause { parts: vec![clause], ..Clause::new("cesql", String::new(), verdict) }
        }
    }
}

fn step(step: &Step<'_>, text: &str, event: &Event<'_>) -> Clause {
    let verdict = match step.flag() {
        Some(true) => Verdict::True,
        Some(false) => Verdict::False,
        None => Verdict::Error,
    };
    let asks = match step.operator {
        Some(_) => String::new(),
        None => step.span.of(text).to_owned(),
    };
    let seen = step.seen.iter().map(|(what, value)| (what.clone(), value.as_ref().map(json)));
    let mut hint = step.equality.filter(|_| verdict == Verdict::False).and_then(|(name, wanted)| {
        let value = event.attribute(name)?;
        Near::of(&Wanted::Text(wanted.into()), &value).map(|near| near.to_string())
    });
    if verdict == Verdict::Error {
        let mut absent = step.seen.iter().filter(|(_, value)| value.is_none());
        hint = absent.find_map(|(name, _)| misspelt(name, event));
    }
    Clause {
        asked: step.asked,
        seen: seen.collect(),
        errors: step.errors.iter().map(|error| told(error, step, text)).collect(),
        hint,
        parts: step.parts.iter().map(|part| self::step(part, text, event)).collect(),
        ..Clause::new(step.operator.unwrap_or("value"), asks, verdict)
    }
}

/// With the place, where it is not the step as a whole.
fn told(error: &cesql::Error, step: &Step<'_>, text: &str) -> String {
    let at = error.span.of(text);
    let inside = !at.is_empty() && error.span != step.span && !error.message.contains(at);
    if inside { format!("{at}: {error}") } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Uid, structured};
    use crate::trigger::{Memo, Routes, arbitrary};

    proptest! {
        /// What is explained is what routing does.
        #[test]
        fn the_verdict_is_that_of_routing(
            filters in prop::collection::vec(arbitrary::filter(), 1..4),
            events in prop::collection::vec(arbitrary::event(), 1..8),
        ) {
            let routes = Routes::new(filters.iter().map(|filter| (Uid(1), filter.clone())));
            for event in events {
                let mut matched = Vec::new();
                routes.matching(Uid(1), &event, &mut Memo::default(), &mut matched);
                for (n, filter) in (0..).zip(&filters) {
                    let clause = filter.explain(&event);
                    prop_assert_eq!(clause.matches(), matched.contains(&n), "{:?}", clause);
                    sound(&clause)?;
                }
            }
        }
    }

    /// What clauses say of their parts holds, and whoever says "error" says which.
    fn sound(clause: &Clause) -> Result<(), TestCaseError> {
        let part = |verdict| clause.parts.iter().any(|part| part.verdict == verdict);
        match (clause.is, clause.verdict) {
            ("all", Verdict::True) | ("AND", Verdict::True) => {
                prop_assert!(clause.parts.iter().all(Clause::matches), "{:?}", clause);
            }
            ("any", Verdict::False) => prop_assert!(!part(Verdict::True), "{:?}", clause),
            ("OR", Verdict::False) => {
                prop_assert!(!part(Verdict::True) && !part(Verdict::Error), "{:?}", clause)
            }
            (_, Verdict::Error) => {
                prop_assert!(!clause.errors.is_empty() || part(Verdict::Error), "{:?}", clause);
            }
            _ => {}
        }
        clause.parts.iter().try_for_each(sound)
    }

    fn event() -> Event<'static> {
        let event = structured::decode(
            br#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","amount":7}"#,
        );
        event.unwrap().into_owned()
    }

    fn pair(name: &str, value: &str) -> [(String, String); 1] {
        [(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn a_clause_says_what_it_saw_and_what_was_perhaps_meant() {
        let clause = Filter::exact(pair("type", "Order.created")).explain(&event());
        assert_eq!(
            (clause.is, &*clause.asks, clause.verdict),
            ("exact", "type: 'Order.created'", Verdict::False)
        );
        assert_eq!(clause.seen, [("type".to_owned(), Some(Json::from("order.created")))]);
        assert_eq!(clause.hint.as_deref(), Some("it would match but for upper and lower case"));
        let clause = Filter::prefix(pair("amont", "a")).explain(&event());
        assert_eq!(
            (clause.seen[0].1.as_ref(), clause.hint.as_deref()),
            (None, Some("the event has 'amount'"))
        );
        let clause = Filter::exact(pair("subject", "")).explain(&event());
        assert_eq!((&*clause.asks, clause.hint), ("subject is there and not empty", None));
    }

    #[test]
    fn an_expression_says_where_it_failed() {
        let cesql = |text: &str| Filter::cesql(Expression::parse(text).unwrap()).explain(&event());
        let clause = cesql("type = 'order' AND amout > 5");
        let [and] = clause.parts.as_slice() else { panic!("{clause:?}") };
        assert_eq!((clause.verdict, and.is), (Verdict::False, "AND"));
        let said: HashMap<&str, _> =
            and.parts.iter().map(|p| (&*p.asks, (p.asked, p.verdict, p.hint.as_deref()))).collect();
        let begins = Some("it begins with that: a prefix would match");
        assert_eq!(said["type = 'order'"], (true, Verdict::False, begins));
        assert_eq!(said["amout > 5"], (false, Verdict::Error, Some("the event has 'amount'")));
        let clause = cesql("type");
        assert_eq!((clause.is, clause.verdict), ("cesql", Verdict::False));
        assert_eq!(clause.errors, ["the expression gives 'order.created': only TRUE matches"]);
        assert_eq!(cesql("5 < INT(source)").errors, ["INT(source): '/shop' is not an Integer"]);
        assert_eq!(
            (!Filter::cesql(Expression::parse("amout").unwrap())).explain(&event()).verdict,
            Verdict::True
        );
    }
}
