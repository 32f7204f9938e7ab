//! `weir check`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::documents;
use super::exit::Outcome;
use super::options::Options;
use super::out::{plural, print};
use super::style::{GOOD, PLAIN};
use super::table::{Align, Table};
use crate::config::{Config, Origin, Settings, Trigger};

#[derive(Debug, Args)]
#[command(after_help = "\
Mistakes go to stderr, all at once, each with its place and what to do; the summary to stdout.

A trigger and the function that it feeds, as they stand in triggers/orders.yaml:
  apiVersion: eventing.knative.dev/v1
  kind: Trigger
  metadata: {name: orders}
  spec:
    broker: default
    filter: {attributes: {type: order.created}}
    subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: payment}}
  ---
  apiVersion: weir.dev/v1alpha1
  kind: Function
  metadata: {name: payment}
  spec: {module: ../functions/payment.wasm}

Examples:
  weir check
  weir check triggers/orders.yaml
  weir check --select team=payments,tier!=test
  weir check --show-origin --config deploy/weir.yaml")]
pub struct Check {
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Show every setting with its value and which of flag, environment, file and default it is from
    #[arg(long)]
    show_origin: bool,
    #[command(flatten)]
    select: documents::Select,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

impl Check {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[self.select.setting()])?;
        if self.show_origin {
            let file = self.options.file().unwrap_or_default();
            print(origins(&settings, &file))?;
        }
        let loaded = documents::load_with_tests(&self.paths, &settings, &|_| true);
        let cases = loaded.tests.iter().map(|test| test.cases.len()).sum();
        let (mut config, files) = documents::accept(&of_settings, loaded)?;
        documents::select(&mut config, &settings)?;
        let counted = counted(&config, cases);
        print(format_args!("{GOOD}ok{PLAIN}: {counted} in {}\n", plural(files as u64, "file")))?;
        if config.deselected.is_empty() {
            return Ok(());
        }
        let all = config.triggers.len() + config.deselected.len();
        let (selected, of) = (config.triggers.iter().map(Trigger::full_name), plural(all as u64, "trigger"));
        let names = selected.collect::<Vec<_>>().join(", ");
        print(format_args!("'{}' selects {} of {of}: {names}\n", settings.select, config.triggers.len()))
    }
}

/// What there always is, and what else there is.
fn counted(config: &Config, cases: usize) -> String {
    let always = [
        (config.triggers.len() + config.deselected.len(), "trigger"),
        (config.functions.len(), "function"),
        (config.brokers.len(), "broker"),
    ];
    let others = [
        (config.sources.len(), "source"),
        (config.sinks.len(), "sink"),
        (config.billing.len(), "billing sink"),
        (cases, "test case"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> =
        always.into_iter().chain(others).map(|(count, word)| plural(count as u64, word)).collect();
    words.join(", ")
}

fn origins(settings: &Settings, file: &Path) -> Table {
    let mut table = Table::new(&[("SETTING", Align::Left), ("VALUE", Align::Left), ("FROM", Align::Left)]);
    for shown in settings.shown() {
        let origin = match shown.origin {
            Origin::Flag => "command line".to_owned(),
            Origin::Env(variable) => format!("environment {variable}"),
            Origin::File(line) => format!("{}:{line}", file.display()),
            Origin::Default => "default".to_owned(),
        };
        table.row(vec![shown.name.to_owned(), shown.value, origin]);
    }
    table
}
