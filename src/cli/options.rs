//! Options that several commands share: where the settings come from.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Failed;
use super::out::{plural, say};
use crate::client::detours;
use crate::config::{Detour, Diagnostics, Look, Settings, Severity, load_settings};

/// The settings file that is read if none is named.
const FILE: &str = "weir.yaml";

#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// The file with the worker's settings [default: weir.yaml, if it is there]
    #[arg(short, long, value_name = "FILE", env = "WEIR_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The data directory: queue, journal, dead letters (setting data.dir)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any setting, by name: --set http.max-body=4MiB
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// Where the names of brokers lead.
#[derive(Clone, Debug, Default, Args)]
pub struct MapHost {
    /// A broker's name that leads elsewhere, also where brokers say it: kafka.prod:9092=127.0.0.1:19092 (repeatable; setting
    /// kafka.map-hosts)
    #[arg(long, value_name = "FROM=TO")]
    map_host: Vec<String>,
}

impl MapHost {
    pub fn setting(&self) -> (&'static str, Option<String>) {
        ("kafka.map-hosts", (!self.map_host.is_empty()).then(|| self.map_host.join(",")))
    }

    /// For commands without settings.
    pub fn set(&self) -> Result<(), Failed> {
        let wrong = |why| Failed::usage(format!("--map-host: {why}"));
        let detours = self.map_host.iter().map(|text| text.parse::<Detour>().map_err(wrong));
        detours::set(&detours.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }
}

impl Options {
    /// The settings, with everything that is worth saying about them.
    pub fn load(&self, more: &[(&str, Option<String>)]) -> Result<(Settings, Diagnostics), Failed> {
        let mut flags = Vec::new();
        for text in &self.set {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| Failed::usage(format!("--set {text}: write it as --set NAME=VALUE")))?;
            flags.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        flags.extend(self.data_dir.iter().map(|dir| ("data.dir".to_owned(), dir.clone())));
        for (name, value) in more {
            flags.extend(value.iter().map(|value| ((*name).to_owned(), value.clone())));
        }
        let loaded = load_settings(self.file().as_deref(), &|name| std::env::var(name).ok(), &flags);
        detours::set(&loaded.0.kafka_map_hosts);
        Ok(loaded)
    }

    /// Where the settings file is, or would be.
    pub fn place(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| FILE.into())
    }

    /// The settings file, if one is read.
    pub fn file(&self) -> Option<PathBuf> {
        let default = Path::new(FILE);
        self.config.clone().or_else(|| default.exists().then(|| default.to_owned()))
    }

    /// The settings of a command that only needs to know where things are. Mistakes end it.
    pub fn settings(&self) -> Result<Settings, Failed> {
        self.settings_with(&[])
    }

    pub fn settings_with(&self, more: &[(&str, Option<String>)]) -> Result<Settings, Failed> {
        let (settings, diagnostics) = self.load(more)?;
        refuse(&diagnostics)?;
        Ok(settings)
    }
}

/// Ends the command if there is an error, after saying everything.
pub fn refuse(diagnostics: &Diagnostics) -> Result<(), Failed> {
    if diagnostics.has_errors() {
        say_all(diagnostics);
        let mistakes = plural(diagnostics.count(Severity::Error) as u64, "mistake");
        return Err(Failed::configuration(mistakes));
    }
    Ok(())
}

pub fn say_all(diagnostics: &Diagnostics) {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = diagnostics.write(&mut text, &Look::COLOURED);
    say(text);
}
