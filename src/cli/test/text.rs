//! For people: a line a case, then what failed and why.

use super::{Counts, Played};
use crate::cli::style::{BAD, FAINT, GOOD, HEAD, PLAIN};
use crate::cli::table::{duration, one_line};
use crate::dispatch::Outcome;
use crate::worker::rehearsal::{Difference, History, Line};

/// Lines of what happened that are shown of a case.
const HAPPENED: usize = 20;
/// Characters of a line.
const LONGEST: usize = 400;

/// One that was not run is only counted.
pub(super) fn line(one: &Played<'_>) -> String {
    let (style, word) = match one.passed() {
        Some(true) => (GOOD, "ok    "),
        Some(false) => (BAD, "FAILED"),
        None => return String::new(),
    };
    let took = duration(one.took.as_nanos() as u64);
    format!("{style}{word}{PLAIN}  {}  {FAINT}{took}{PLAIN}\n", one.name)
}

pub(super) fn end(played: &[Played<'_>], counts: Counts) -> String {
    let mut out = String::new();
    if counts.failed > 0 {
        out += "\nfailures (- expected, + actual):\n";
    }
    for one in played {
        let Some((differences, history)) = one.result.as_ref().filter(|(found, _)| !found.is_empty()) else {
            continue;
        };
        out += &format!("\n{HEAD}{}{PLAIN}\n", one.name);
        out += &failure(differences, history);
    }
    let Counts { passed, failed, skipped } = counts;
    let style = if failed > 0 { BAD } else { GOOD };
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    out + &format!("\n{style}{passed} passed, {failed} failed{skipped}{PLAIN}\n")
}

/// What is otherwise than expected, and all that happened.
pub(super) fn failure(differences: &[Difference], history: &History) -> String {
    let mut out = String::new();
    for Difference { place, what, lines } in differences {
        out += &format!("  {place}: {what}\n");
        for line in lines {
            out += &match line {
                Line::Expected(text) => format!("    {BAD}- {}{PLAIN}\n", one_line(text, LONGEST)),
                Line::Actual(text) => format!("    {GOOD}+ {}{PLAIN}\n", one_line(text, LONGEST)),
            };
        }
    }
    out += "  what happened:\n";
    let happened = happened(history);
    for line in happened.iter().take(HAPPENED) {
        out += &format!("    {FAINT}{}{PLAIN}\n", one_line(line, LONGEST));
    }
    if happened.len() > HAPPENED {
        out += &format!(
            "    {FAINT}and {} more of it: --format json shows all{PLAIN}\n",
            happened.len() - HAPPENED
        );
    }
    out
}

fn happened(history: &History) -> Vec<String> {
    let attempts = history.attempts.iter().map(|attempt| {
        let event = &history.events[attempt.event];
        let after = match attempt.at.as_nanos() as u64 {
            0 => String::new(),
            ns => format!(" after {}", duration(ns)),
        };
        let became = match attempt.outcome {
            Outcome::Succeeded => {
                let replies: Vec<_> = attempt.replies.iter().map(|(ty, id)| format!(": {ty} {id}")).collect();
                format!("succeeded{}", replies.concat())
            }
            outcome => format!("{outcome} ({}): {}", attempt.reason, attempt.message),
        };
        format!(
            "{} {} -> {} attempt {}{after}: {became}",
            event.ty, event.id, attempt.trigger, attempt.attempt
        )
    });
    let unmet = history.events.iter().filter(|event| !event.met);
    let unmet = unmet.map(|event| format!("{} {} -> no trigger", event.ty, event.id));
    attempts.chain(unmet).collect()
}
