//! What many calls of a function took.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::out::say;
use crate::cli::style::{BAD, FAINT, GOOD, PLAIN};
use crate::cli::table::{Align, Table, duration};
use crate::event::Uid;
use crate::function::{Answer, Called, answer};

#[derive(Default)]
pub(super) struct Measures {
    /// The calls themselves, in nanoseconds.
    calls: Vec<u64>,
    /// The instances that were made for them, in nanoseconds.
    made: Vec<u64>,
    fuel: Vec<u64>,
    /// How many failed, by what they failed of.
    failures: BTreeMap<String, u64>,
}

impl Measures {
    pub(super) fn add(&mut self, called: &Called<'_>, short: &str) {
        self.calls.push(nanos(called.wall));
        self.fuel.push(called.fuel);
        if called.cold {
            self.made.push(nanos(called.init));
        }
        if let Some(failure) = failure(called, short) {
            *self.failures.entry(failure).or_default() += 1;
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// The first call is not in `took`.
    pub(super) fn show(&mut self, took: Duration) {
        let (all, failed) = (self.calls.len() as u64, self.failed());
        let rate = (all - 1) as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
        let made = self.made.len();
        say(format_args!(
            "\n{all} calls, {rate:.0} a second; {GOOD}{}{PLAIN} succeeded; {made} cold\n",
            all - failed
        ));
        for (failure, count) in &self.failures {
            say(format_args!("{BAD}{count}{PLAIN} {failure}\n"));
        }
        let heads = ["", "p50", "p90", "p99", "p99.9", "most"];
        let mut table =
            Table::new(&heads.map(|head| (head, if head.is_empty() { Align::Left } else { Align::Right })));
        table.row(row("call", &mut self.calls, duration));
        if made > 0 {
            table.row(row("making an instance", &mut self.made, duration));
        }
        table.row(row("fuel", &mut self.fuel, |fuel| fuel.to_string()));
        say(format_args!("{FAINT}{table}{PLAIN}"));
    }
}

fn row(name: &str, values: &mut [u64], told: fn(u64) -> String) -> Vec<String> {
    values.sort_unstable();
    let places = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| told(percentile(values, share)));
    [name.to_owned()].into_iter().chain(places).collect()
}

/// The least of them that so large a share is not above. They are sorted, and not none.
fn percentile(values: &[u64], share: f64) -> u64 {
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// What it failed of; `None`: it succeeded.
fn failure(called: &Called<'_>, short: &str) -> Option<String> {
    match &called.result {
        Err(failure) => Some(format!("{} ({})", failure.outcome, failure.reason)),
        Ok(output) => match answer::read(output, short, Uid::default()) {
            Ok(Answer::Done | Answer::Replies(_)) => None,
            Ok(Answer::Failed { retry, .. }) => {
                Some(format!("{} (guest)", if retry { "retryable" } else { "permanent" }))
            }
            Err(_) => Some("permanent (bad-output)".to_owned()),
        },
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=1_000).collect();
        let places = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| percentile(&values, share));
        assert_eq!(places, [500, 900, 990, 999, 1_000]);
        assert_eq!([0.5, 0.999, 1.0].map(|share| percentile(&[7], share)), [7; 3]);
        assert_eq!([0.5, 0.9].map(|share| percentile(&[3, 8], share)), [3, 8]);
    }
}
