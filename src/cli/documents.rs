//! The documents that a command works with: those of the paths it was given, else of the setting 'triggers'.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Failed;
use super::options::say_all;
use super::out::plural;
use crate::config::{self, Code, Config, Diagnostics, Loaded, Settings, Severity};

pub fn paths<'p>(given: &'p [PathBuf], settings: &'p Settings) -> &'p [PathBuf] {
    if given.is_empty() { settings.triggers.as_slice() } else { given }
}

pub fn load(given: &[PathBuf], settings: &Settings) -> Loaded {
    let paths = paths(given, settings);
    let mut loaded = config::load(paths);
    look_for_triggers(paths, &mut loaded);
    loaded
}

/// The same with the tests of the files that are `wanted`.
pub fn load_with_tests(given: &[PathBuf], settings: &Settings, wanted: &dyn Fn(&Path) -> bool) -> Loaded {
    let paths = paths(given, settings);
    let mut loaded = config::load_with_tests(paths, wanted);
    look_for_triggers(paths, &mut loaded);
    loaded
}

/// Says so, if there is none.
pub fn look_for_triggers(paths: &[PathBuf], loaded: &mut Loaded) {
    if loaded.config.as_ref().is_some_and(|config| config.triggers.is_empty()) {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        let message = "there is no trigger: events are taken in and go nowhere";
        loaded
            .diagnostics
            .whole(Severity::Warning, &names.join(", "), message)
            .code(Code::NOTHING)
            .help("write one ('weir check --help' shows how), or name other paths");
    }
}

/// Which of the documents' triggers a command is about.
#[derive(Clone, Debug, Default, Args)]
pub struct Select {
    /// Only triggers whose labels match, as kubectl has it: team=a, team!=a, team, !team, 'team in (a,b)'; several: all of
    /// them (setting select)
    #[arg(long, value_name = "LABELS")]
    select: Vec<String>,
}

impl Select {
    pub fn setting(&self) -> (&'static str, Option<String>) {
        ("select", (!self.select.is_empty()).then(|| self.select.join(",")))
    }
}

/// What is left to other workers is among the deselected from here on.
pub fn select(config: &mut Config, settings: &Settings) -> Result<(), Failed> {
    let selected = config.settle(settings);
    selected.map_err(|nothing| Failed::configuration(nothing.message).help(nothing.help))
}

/// Says everything about settings and documents, before any of it is refused.
pub fn accept(of_settings: &Diagnostics, loaded: Loaded) -> Result<(Config, usize), Failed> {
    let files = judge(of_settings, &loaded)?;
    Ok((loaded.config.expect("what has no mistake is a configuration"), files))
}

/// The same; returns how many files there are.
pub fn judge(of_settings: &Diagnostics, loaded: &Loaded) -> Result<usize, Failed> {
    say_all(of_settings);
    say_all(&loaded.diagnostics);
    refuse(of_settings, loaded)
}

/// Refuses what has mistakes, which others have told of; returns how many files there are.
pub fn refuse(of_settings: &Diagnostics, loaded: &Loaded) -> Result<usize, Failed> {
    let mistakes = of_settings.count(Severity::Error) + loaded.diagnostics.count(Severity::Error);
    let files = loaded.files.len();
    match &loaded.config {
        Some(_) if mistakes == 0 => Ok(files),
        _ => {
            let mistakes = plural(mistakes as u64, "mistake");
            Err(Failed::configuration(match files {
                0 => mistakes,
                _ => format!("{mistakes} ({} read)", plural(files as u64, "file")),
            }))
        }
    }
}
