//! What is explained, for people.

use std::fmt::{self, Display, Formatter};

use serde_json::Value as Json;

use super::delivery::{self, Row};
use super::{Explained, Route, full, named};
use crate::cli::out::plural;
use crate::cli::style::{BAD, DOUBT, FAINT, GOOD, HEAD, PLAIN};
use crate::cli::table::one_line;
use crate::trigger::{Clause, Verdict};

/// As much of a value or a clause as a line has room for.
const LONGEST: usize = 160;

pub(super) struct Shown<'x, 'c, 'e>(pub(super) &'x Explained<'c, 'e>);

impl Display for Shown<'_, '_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Shown(explained) = self;
        let event = explained.event;
        let (id, ty, source) = (brief(&event.id), brief(&event.ty), brief(&event.source));
        writeln!(f, "{HEAD}{ty}{PLAIN} {id} from {source}\n")?;
        for route in &explained.routes {
            self.route(f, route)?;
        }
        let (matched, broker) = (explained.matched(), full(explained.broker));
        let triggers = match explained.routes.len() {
            1 => format!("the trigger {}", named(explained.routes[0].trigger)),
            many => plural(many as u64, "trigger"),
        };
        match (explained.routes.len(), matched) {
            (0, _) => writeln!(f, "broker {broker} has no trigger: the event goes nowhere"),
            (1, 0) => writeln!(f, "does not route to {triggers} of broker {broker}"),
            (1, _) => writeln!(f, "routes to {triggers} of broker {broker}"),
            _ => writeln!(f, "routes to {matched} of {triggers} of broker {broker}"),
        }
    }
}

impl Shown<'_, '_, '_> {
    fn route(&self, f: &mut Formatter<'_>, route: &Route<'_>) -> fmt::Result {
        let (trigger, clause) = (route.trigger, &route.clause);
        let subscriber = trigger.subscriber_name(self.0.config);
        mark(f, clause)?;
        writeln!(f, " {HEAD}{}{PLAIN} -> {subscriber}  {FAINT}{}{PLAIN}", named(trigger), trigger.place)?;
        // That all of a list must match, a trigger says by having one.
        match clause.is {
            "all" if !clause.parts.is_empty() => {
                clause.parts.iter().try_for_each(|part| write(f, part, 1))?
            }
            _ => write(f, clause, 1)?,
        }
        if clause.matches() {
            let rows = delivery::rows(route, self.0.config);
            let width = rows.iter().map(|row| row.shown.chars().count()).max().unwrap_or(0);
            for row in &rows {
                let Row { field, shown, from, .. } = row;
                writeln!(f, "    {field:14}  {shown:width$}  {FAINT}{from}{PLAIN}")?;
            }
            let (_, lane) = delivery::lane(route, self.0.event);
            writeln!(f, "    {:14}  {}", "lane", brief(&lane))?;
        }
        writeln!(f)
    }
}

fn mark(f: &mut Formatter<'_>, clause: &Clause) -> fmt::Result {
    match clause.verdict {
        _ if !clause.asked => write!(f, "{FAINT}-{PLAIN}"),
        Verdict::True => write!(f, "{GOOD}✓{PLAIN}"),
        Verdict::False => write!(f, "{BAD}✗{PLAIN}"),
        Verdict::Error => write!(f, "{DOUBT}!{PLAIN}"),
    }
}

fn write(f: &mut Formatter<'_>, clause: &Clause, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    write!(f, "{indent}")?;
    mark(f, clause)?;
    if clause.is != "value" && !(clause.is == "all" && clause.parts.is_empty()) {
        write!(f, " {}", clause.is)?;
    }
    if !clause.asks.is_empty() {
        write!(f, " {}", brief(&clause.asks))?;
    }
    let mut remarks: Vec<String> = Vec::new();
    // Where the value is what was asked for, it has been said.
    if !(clause.matches() && clause.is == "exact" && !clause.asks.ends_with("empty")) {
        remarks.extend(clause.seen.iter().filter_map(|(what, value)| match value {
            Some(Json::String(text)) => Some(format!("{} is '{}'", brief(what), brief(text))),
            Some(value) => Some(format!("{} is {}", brief(what), brief(&value.to_string()))),
            // Its error says so.
            None if clause.errors.is_empty() => Some(format!("there is no {}", brief(what))),
            None => None,
        }));
    }
    remarks.extend(clause.errors.iter().map(|error| brief(error)));
    if !clause.asked {
        remarks.push("not asked: decided before".to_owned());
    }
    match remarks.is_empty() {
        true => writeln!(f)?,
        false => writeln!(f, "  {FAINT}({}){PLAIN}", remarks.join("; "))?,
    }
    if let Some(hint) = &clause.hint {
        writeln!(f, "{indent}  {GOOD}hint{PLAIN}: {}", brief(hint))?;
    }
    clause.parts.iter().try_for_each(|part| write(f, part, depth + 1))
}

fn brief(text: &str) -> String {
    one_line(text, LONGEST)
}
