//! `weir check`.

mod github;
mod json;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::documents;
use super::exit::{Failed, Outcome};
use super::options::{Options, say_all};
use super::out::{plural, print};
use super::style::{GOOD, PLAIN};
use super::table::{Align, Table};
use crate::config::{Code, Config, Origin, Settings, Severity, Trigger};

#[derive(Debug, Args)]
#[command(after_help = "\
Mistakes go to stderr, all at once, each with its place and what to do; the summary to stdout. The
other formats go to stdout whole: docs/diagnostics.md has their form, every code and every lint.

What has a name in brackets, as [lint/no-timeout], can be so and is probably not meant: a lint.
Where it is meant, say so in the document, and why:
  metadata: {annotations: {weir.dev/allow: no-timeout -- the printer takes its time}}

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
  weir check --production --strict deploy/triggers
  weir check --format json | jq -r '.diagnostics[] | select(.severity == \"error\") | .message'
  weir check --format github          for a pull request's annotations
  weir check --show-origin --config deploy/weir.yaml")]
pub struct Check {
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    /// Show every setting with its value and which of flag, environment, file and default it is from
    #[arg(long, conflicts_with = "format")]
    show_origin: bool,
    /// Warn of what is fine on a laptop only, too: the production checklist
    #[arg(long)]
    production: bool,
    /// Let warnings fail, too (exit 78); notes never do
    #[arg(long)]
    strict: bool,
    /// Text for people, one JSON object for programs, or annotations for GitHub Actions
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    select: documents::Select,
    #[command(flatten, next_help_heading = "Settings")]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
}

impl Check {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[self.select.setting()])?;
        if self.show_origin {
            let file = self.options.file().unwrap_or_default();
            print(origins(&settings, &file))?;
        }
        let mut loaded = documents::load_with_tests(&self.paths, &settings, &|_| true);
        let cases = loaded.tests.iter().map(|test| test.cases.len()).sum();
        if self.production {
            loaded.diagnostics.absorb(std::mem::take(&mut loaded.checklist));
        }
        if let Some(Err(nothing)) = loaded.config.as_mut().map(|config| config.settle(&settings)) {
            let (at, help) = ("setting select", nothing.help);
            loaded.diagnostics.whole(Severity::Error, at, nothing.message).code(Code::SETTING).help(help);
        }
        let all = [&of_settings, &loaded.diagnostics];
        let warnings: usize = all.iter().map(|diagnostics| diagnostics.count(Severity::Warning)).sum();
        let too_many = self.strict && warnings > 0;
        match self.format {
            Format::Text => all.into_iter().for_each(say_all),
            Format::Github => print(github::Annotations(all))?,
            Format::Json => {
                let ok = !too_many && all.iter().all(|diagnostics| !diagnostics.has_errors());
                print(format_args!("{}\n", json::object(all, &loaded, ok)))?;
                return if ok { Ok(()) } else { Err(Failed::configuration("")) };
            }
        }
        let files = documents::refuse(&of_settings, &loaded)?;
        let config = loaded.config.expect("what has no mistake is a configuration");
        if too_many {
            let warnings = plural(warnings as u64, "warning");
            return Err(Failed::configuration(format!("{warnings}, of which --strict wants none")));
        }
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
