//! `weir check`.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Failed, Outcome};
use super::options::{Options, say};
use super::style::{FAINT, GOOD, PLAIN};
use crate::config::{self, Origin, Settings, Severity};

#[derive(Debug, Args)]
pub struct Check {
    /// Files and directories of triggers, brokers and functions [default: the setting 'triggers']
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Show every setting with its value and where that comes from
    #[arg(long)]
    show_origin: bool,
}

impl Check {
    pub fn main(&self) -> Outcome {
        let (settings, of_settings) = self.options.load(&[])?;
        say(&of_settings);
        if self.show_origin {
            show(&settings);
        }
        let paths = if self.paths.is_empty() { &settings.triggers } else { &self.paths };
        let loaded = config::load(paths);
        say(&loaded.diagnostics);
        let errors = of_settings.count(Severity::Error) + loaded.diagnostics.count(Severity::Error);
        match loaded.config {
            Some(config) if errors == 0 => {
                anstream::println!(
                    "{GOOD}ok{PLAIN}: {} triggers, {} functions, {} brokers in {} files",
                    config.triggers.len(),
                    config.functions.len(),
                    config.brokers.len(),
                    loaded.files.len()
                );
                Ok(())
            }
            _ => Err(Failed::configuration(format!(
                "{errors} {} in {} files",
                if errors == 1 { "mistake" } else { "mistakes" },
                loaded.files.len()
            ))),
        }
    }
}

fn show(settings: &Settings) {
    for shown in settings.shown() {
        let origin = match shown.origin {
            Origin::Flag => "flag".to_owned(),
            Origin::Env(variable) => format!("environment {variable}"),
            Origin::File(line) => format!("file, line {line}"),
            Origin::Default => "default".to_owned(),
        };
        anstream::println!("{} = {}  {FAINT}# {origin}{PLAIN}", shown.name, shown.value);
    }
}
