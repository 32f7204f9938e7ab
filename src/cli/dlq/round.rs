//! A round over the dead letters that are meant, some at a time: what replay and drop share. It can be stopped at any
//! moment, and made again for the rest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::place::Place;
use crate::cli::bar::bar;
use crate::cli::exit::{Failed, Outcome};
use crate::cli::out::{plural, print, say};
use crate::cli::stored;
use crate::cli::table::{Align, Table};
use crate::sink::letter_filter::Filter;
use crate::worker::errand::{Deed, Errand, Progress};
use crate::worker::letters::{Kind, Letters, Tally};
use crate::worker::shutdown::Signals;

/// Letters that are moved with one write.
const AT_ONCE: usize = 256;
/// Reasons for leaving some where they are that a summary has room for.
const REASONS: usize = 5;

pub(super) struct Round {
    pub(super) place: Place,
    pub(super) filters: Vec<Filter>,
    pub(super) deed: Deed,
    /// Letters a second at the most.
    pub(super) rate: Option<u32>,
    /// What is meant, as it was at the beginning.
    pub(super) tally: Tally,
}

/// How far it got.
#[derive(Default)]
struct Done {
    moved: u64,
    skipped: BTreeMap<String, u64>,
}

enum Ended {
    Whole,
    Interrupted,
    Failed(Failed),
}

impl Round {
    /// Counts what is meant. `None`: nothing, and that has been said.
    pub(super) fn over(
        mut place: Place,
        filters: Vec<Filter>,
        deed: Deed,
        rate: Option<u32>,
    ) -> Result<Option<Round>, Failed> {
        let mut tally = Tally::default();
        let mut kinds: BTreeMap<(String, String), u64> = BTreeMap::new();
        for filter in &filters {
            let text = place.ask(Letters::Tally { filter: filter.clone() })?;
            for part in stored::lines::<Tally>(&text)? {
                tally.all = part.all;
                tally.end = tally.end.max(part.end);
                tally.matching += part.matching;
                for Kind { trigger, reason, count } in part.kinds {
                    *kinds.entry((trigger, reason)).or_default() += count;
                }
            }
        }
        let kinds = kinds.into_iter().map(|((trigger, reason), count)| Kind { trigger, reason, count });
        tally.kinds = kinds.collect();
        let named: u64 = filters.iter().map(|filter| filter.ids.len() as u64).sum();
        match (tally.all, tally.matching) {
            (0, _) => say("there is no dead letter\n"),
            (all, 0) => say(format_args!("none of {} matches\n", plural(all, "dead letter"))),
            (_, matching) if matching < named => {
                say(format_args!(
                    "note: not there, or left out by a filter: {} of {named}\n",
                    named - matching
                ));
            }
            _ => {}
        }
        Ok((tally.matching > 0).then_some(Round { place, filters, deed, rate, tally }))
    }

    /// What would be done. `goes` says where a trigger's letters would go, or nothing where they would stay.
    pub(super) fn print(&self, would: &str, goes: impl Fn(&str) -> Option<String>) -> Outcome {
        let mut table = Table::new(&[
            ("TRIGGER", Align::Left),
            ("REASON", Align::Left),
            ("DEAD LETTERS", Align::Right),
            ("WOULD", Align::Left),
        ]);
        let mut skipped = 0;
        for Kind { trigger, reason, count } in &self.tally.kinds {
            let fate = goes(trigger).unwrap_or_else(|| {
                skipped += count;
                "be skipped: there is no such trigger".to_owned()
            });
            table.row(vec![trigger.clone(), reason.clone(), count.to_string(), fate]);
        }
        let (all, matching) = (plural(self.tally.all, "dead letter"), self.tally.matching);
        print(format_args!("{table}would {would} {} of {all}\n", matching - skipped))
    }

    /// `did`: "replayed".
    pub(super) fn make(self, did: &str, help: &str) -> Outcome {
        let total = plural(self.tally.matching, "dead letter");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failed::error(format!("the runtime could not be started: {e}")))?;
        let mut done = Done::default();
        let bar = bar(self.tally.matching);
        let ended = runtime.block_on(self.walk(&bar, &mut done));
        bar.finish_and_clear();
        // What hangs after a second signal is left behind.
        runtime.shutdown_background();
        let mut summary = format!("{did} {} of {total}", done.moved);
        let skipped: u64 = done.skipped.values().sum();
        if skipped > 0 {
            let reasons: Vec<_> = done.skipped.keys().take(REASONS).map(String::as_str).collect();
            let more = if done.skipped.len() > REASONS { "; and more" } else { "" };
            summary += &format!(", {skipped} skipped: {}{more}", reasons.join("; "));
        }
        match ended {
            Ended::Whole => {
                print(format_args!("{summary}\n"))?;
                if skipped > 0 { Err(Failed::silent().help(help)) } else { Ok(()) }
            }
            Ended::Interrupted => {
                Err(Failed::error(format!("interrupted: {summary}")).help("run it again for the rest"))
            }
            Ended::Failed(failed) => {
                say(format_args!("{summary}\n"));
                Err(failed)
            }
        }
    }

    async fn walk(self, bar: &ProgressBar, done: &mut Done) -> Ended {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(e) => return Ended::Failed(Failed::error(format!("signals can't be listened for: {e}"))),
        };
        let Round { mut place, filters, deed, rate, tally } = self;
        // Ten times a second, where a rate is said.
        let limit = rate.map_or(AT_ONCE, |rate| (rate as usize / 10).clamp(1, AT_ONCE));
        let began = Instant::now();
        for filter in filters {
            let mut errand = Errand { deed: deed.clone(), filter, from: 0, before: tally.end, limit };
            loop {
                let due = rate.map_or(began, |rate| {
                    began + Duration::from_secs_f64(done.moved as f64 / f64::from(rate))
                });
                tokio::select! {
                    biased;
                    _ = signals.next() => return Ended::Interrupted,
                    () = tokio::time::sleep_until(due.into()) => {}
                }
                let asked = errand.clone();
                let mut asking = tokio::task::spawn_blocking(move || {
                    let answer = place.run(&asked);
                    (place, answer)
                });
                let mut interrupted = false;
                let answered = tokio::select! {
                    answered = &mut asking => answered,
                    _ = signals.next() => {
                        // What is under way is awaited, unless somebody insists.
                        interrupted = true;
                        tokio::select! {
                            answered = &mut asking => answered,
                            _ = signals.next() => return Ended::Interrupted,
                        }
                    }
                };
                let answer = match answered {
                    Ok((back, answer)) => {
                        place = back;
                        answer
                    }
                    Err(e) => return Ended::Failed(Failed::error(format!("the request broke off: {e}"))),
                };
                let Progress { moved, skipped, next, done: over } = match answer {
                    Ok(progress) => progress,
                    Err(failed) => return Ended::Failed(failed),
                };
                done.moved += moved;
                for (reason, count) in skipped {
                    *done.skipped.entry(reason).or_default() += count;
                }
                bar.inc(moved);
                errand.from = next;
                if over {
                    break;
                }
                if interrupted {
                    return Ended::Interrupted;
                }
            }
        }
        Ended::Whole
    }
}
