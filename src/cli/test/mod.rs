//! `weir test`.

mod json;
mod junit;
mod text;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::bar::{compiling, watch};
use super::documents;
use super::exit::{Failed, Outcome};
use super::options::Options;
use super::out::print;
use crate::config::test::Case;
use crate::config::{Function, Settings, Test};
use crate::worker::rehearsal::{Difference, History, Rehearsal, judge};

#[derive(Debug, Args)]
#[command(after_help = "\
Each case gives events to a broker and says what is to become of them. They meet the real triggers
and functions, and so do the replies to them, to the end. Time is set forward where a retry would
wait, nothing is stored, and no case knows of another.

  apiVersion: weir.dev/v1alpha1
  kind: Test
  metadata: {name: orders}
  spec:
    broker: default                       # or in a case
    cases:
    - name: a large order is flagged
      given:                              # an event or a list of them
        type: order.created               # any attribute; id and source have defaults
        data: {order_id: A7, amount: 12000, currency: EUR}     # or data_base64
      # file: order.json                  # or a whole event, in a file beside this one
      expect:
        routes: [process-payments]        # the triggers that are met, by replies, too; [] is none
        replies:
        - type: order.flagged             # what it wants to say of attributes and data,
          data: {decision: flagged}
      # - exactly: {type: order.flagged}  # or all there is
        attempts: 1                       # or {process-payments: 1}
        deadLetters: []                   # each: trigger, outcome, reason, code, attempts, event,
                                          # message (a part of it)

A list is complete, in any order. What is not mentioned is not looked at, but a dead letter that
is not mentioned fails its case. A name without a namespace is of the Test's own; another's is
written shop/orders.

PATHs below the setting 'triggers' choose which tests run. Others are all the documents there are:
triggers, functions and tests. A function that loops for ever is not stopped yet.

Exit codes: 0 all have passed, 1 some have not or there is none, 78 a document is wrong.

Examples:
  weir test
  weir test triggers/orders_test.yaml --filter flagged
  weir test --format junit > tests.xml")]
pub struct TestOf {
    /// Files and directories of tests and what they test [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Only cases that have this in their name, as --list shows it
    #[arg(short, long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// text for people, json for programs (a case a line), junit for what collects results
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Print the names of the cases; run nothing
    #[arg(short, long)]
    list: bool,
    /// Stop after the first case that fails
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

/// A case, and what became of it.
struct Played<'t> {
    test: &'t Test,
    case: &'t Case,
    /// With the Test's before it.
    name: String,
    took: Duration,
    /// `None`: it was not run.
    result: Option<(Vec<Difference>, History)>,
}

impl<'t> Played<'t> {
    fn new(test: &'t Test, case: &'t Case) -> Played<'t> {
        let name = format!("{}/{}", suite(test), case.name);
        Played { test, case, name, took: Duration::ZERO, result: None }
    }

    /// `None`: it was not run.
    fn passed(&self) -> Option<bool> {
        self.result.as_ref().map(|(differences, _)| differences.is_empty())
    }
}

/// A Test's name; that of the default namespace goes without saying.
fn suite(test: &Test) -> String {
    match test.namespace.as_str() {
        "default" => test.name.clone(),
        namespace => format!("{namespace}/{}", test.name),
    }
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn of<'p, 't: 'p>(played: impl IntoIterator<Item = &'p Played<'t>>) -> Counts {
        let mut counts = Counts::default();
        for one in played {
            match one.passed() {
                Some(true) => counts.passed += 1,
                Some(false) => counts.failed += 1,
                None => counts.skipped += 1,
            }
        }
        counts
    }
}

impl TestOf {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[])?;
        let (paths, chosen) = places(&self.paths, &settings);
        let mut loaded = documents::load_with_tests(paths, &settings, &|file| {
            chosen.as_ref().is_none_or(|chosen| is_below(&real(file), chosen))
        });
        let tests = std::mem::take(&mut loaded.tests);
        let (config, _) = documents::accept(&of_settings, loaded)?;
        let all = || tests.iter().flat_map(|test| test.cases.iter().map(move |case| Played::new(test, case)));
        if tests.is_empty() {
            return Err(self.nothing(&settings));
        }
        let wanted = |name: &str| self.filter.as_deref().is_none_or(|part| name.contains(part));
        if !all().any(|one| wanted(&one.name)) {
            let part = self.filter.as_deref().unwrap_or_default();
            return Err(Failed::error(format!("no case has '{part}' in its name"))
                .help("weir test --list shows the names"));
        }
        if self.list {
            return all()
                .filter(|one| wanted(&one.name))
                .try_for_each(|one| print(format_args!("{}\n", one.name)));
        }
        let bar = compiling();
        let watch = watch(&bar, config.functions.iter().map(Function::full_name).collect());
        let rehearsal = Rehearsal::prepare(&config, &settings, watch);
        bar.finish_and_clear();
        let rehearsal = rehearsal.map_err(Failed::error)?;
        let played = self.play(&rehearsal, all(), wanted)?;
        let counts = Counts::of(&played);
        match self.format {
            Format::Text => print(text::end(&played, counts))?,
            Format::Json => print(json::end(counts))?,
            Format::Junit => print(junit::report(&played))?,
        }
        if counts.failed > 0 { Err(Failed::silent()) } else { Ok(()) }
    }

    /// Says of each how it went, as soon as it is known where the format allows that.
    fn play<'t>(
        &self,
        rehearsal: &Rehearsal,
        cases: impl Iterator<Item = Played<'t>>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Played<'t>>, Failed> {
        let (mut played, mut ended) = (Vec::new(), false);
        for mut one in cases {
            if !ended && wanted(&one.name) {
                let begun = Instant::now();
                let history = rehearsal.play(one.case);
                one.result = Some((judge(one.case, &history), history));
                one.took = begun.elapsed();
                ended = self.fail_fast && one.passed() == Some(false);
            }
            match self.format {
                Format::Text => print(text::line(&one))?,
                Format::Json => print(json::line(&one))?,
                // It begins with the counts of all.
                Format::Junit => {}
            }
            if one.passed() == Some(true) {
                // Nobody asks any more.
                one.result = Some(Default::default());
            }
            played.push(one);
        }
        Ok(played)
    }

    fn nothing(&self, settings: &Settings) -> Failed {
        let paths = if self.paths.is_empty() { &settings.triggers } else { &self.paths };
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        Failed::error(format!("there is no test in {}", names.join(", ")))
            .help("write a document of 'kind: Test': 'weir test --help' shows one")
    }
}

/// Where the documents are, and which of them hold the tests that are wanted (`None`: all). PATHs below the setting
/// 'triggers' choose of what is there; others are all there is.
fn places<'p>(given: &'p [PathBuf], settings: &Settings) -> (&'p [PathBuf], Option<Vec<PathBuf>>) {
    let there: Vec<PathBuf> = settings.triggers.iter().map(|path| real(path)).collect();
    let chosen: Vec<PathBuf> = given.iter().map(|path| real(path)).collect();
    if given.is_empty() || !chosen.iter().all(|path| is_below(path, &there)) {
        return (given, None);
    }
    (&[], Some(chosen))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn is_below(path: &Path, places: &[PathBuf]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}
