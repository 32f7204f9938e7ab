//! What happened held against what was expected.

use std::collections::BTreeSet;

use super::history::History;
use super::matching::{Expected, Mismatch, pair};
use crate::config::Place;
use crate::config::test::{Case, Letter, Placed};

/// One expectation that was not met.
#[derive(Debug)]
pub struct Difference {
    /// Of the expectation, or of the case if it expects nothing of the kind.
    pub place: Place,
    pub what: String,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Expected(String),
    Actual(String),
}

/// Nothing is different: the case has passed.
pub fn judge(case: &Case, history: &History) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(stopped) = history.stopped {
        found.push(Difference { place: case.place.clone(), what: stopped.to_string(), lines: Vec::new() });
    }
    let expect = &case.expect;
    if let Some(routes) = &expect.routes {
        found.extend(of_routes(routes, history));
    }
    if let Some(replies) = &expect.replies {
        found.extend(of_list(replies, &history.replies));
    }
    match &expect.dead_letters {
        Some(letters) => found.extend(of_list(letters, &history.dead_letters)),
        None => found.extend(history.dead_letters.iter().map(|letter| Difference {
            place: case.place.clone(),
            what: "a dead letter, and the case expects none (expect.deadLetters says which are meant)".into(),
            lines: Letter::lines_of(letter).into_iter().map(Line::Actual).collect(),
        })),
    }
    for attempts in &expect.attempts {
        let wanted = |trigger: &str| attempts.trigger.as_deref().is_none_or(|wanted| wanted == trigger);
        let made = history.attempts.iter().filter(|attempt| wanted(&attempt.trigger)).count() as u64;
        if made != attempts.count {
            let of = attempts.trigger.as_ref().map_or(String::new(), |trigger| format!(" of {trigger}"));
            found.push(Difference {
                place: attempts.place.clone(),
                what: format!("attempts{of}"),
                lines: vec![Line::Expected(attempts.count.to_string()), Line::Actual(made.to_string())],
            });
        }
    }
    found
}

fn of_routes(routes: &Placed<Vec<String>>, history: &History) -> Option<Difference> {
    let met: BTreeSet<&str> = history.attempts.iter().map(|attempt| &*attempt.trigger).collect();
    let expected: BTreeSet<&str> = routes.value.iter().map(|trigger| &**trigger).collect();
    let missing = expected.difference(&met).map(|trigger| Line::Expected((*trigger).to_owned()));
    let more = met.difference(&expected).map(|trigger| Line::Actual((*trigger).to_owned()));
    let lines: Vec<Line> = missing.chain(more).collect();
    let what = "routes: others are met".into();
    (!lines.is_empty()).then(|| Difference { place: routes.place.clone(), what, lines })
}

/// A complete list, in any order.
fn of_list<E: Expected>(list: &Placed<Vec<Placed<E>>>, actual: &[E::Actual]) -> Vec<Difference> {
    let (expected, mut found) = (&list.value, Vec::new());
    let mismatches = |one: usize, at: usize| expected[one].value.mismatches(&actual[at]);
    let pairs = pair(expected.len(), actual.len(), |one, at| mismatches(one, at).is_empty());
    let taken: BTreeSet<usize> = pairs.iter().flatten().copied().collect();
    let mut left: Vec<usize> = (0..actual.len()).filter(|at| !taken.contains(at)).collect();
    for one in (0..expected.len()).filter(|one| pairs[*one].is_none()) {
        let nearest = (0..left.len()).min_by_key(|n| mismatches(one, left[*n]).len());
        let (what, lines) = match nearest {
            Some(n) => {
                let mismatches = mismatches(one, left.remove(n)).into_iter();
                (format!("the nearest {} differs", E::ONE), mismatches.flat_map(lines).collect())
            }
            None => {
                let lines = expected[one].value.lines().into_iter();
                (format!("there is no such {}", E::ONE), lines.map(Line::Expected).collect())
            }
        };
        let what = format!("{}[{one}]: {what}", E::LIST);
        found.push(Difference { place: expected[one].place.clone(), what, lines });
    }
    found.extend(left.into_iter().map(|at| Difference {
        place: list.place.clone(),
        what: format!("{}: a {} that is not expected", E::LIST, E::ONE),
        lines: E::lines_of(&actual[at]).into_iter().map(Line::Actual).collect(),
    }));
    found
}

fn lines(mismatch: Mismatch) -> impl Iterator<Item = Line> {
    mismatch.expected.map(Line::Expected).into_iter().chain(mismatch.actual.map(Line::Actual))
}
