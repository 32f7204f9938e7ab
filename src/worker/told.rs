//! What functions are told besides their events: their configuration with its script, and their environment, with the values
//! of the secrets that these name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::outlets;
use super::set::Problems;
use crate::config::{Config, Function, SCRIPT, Secret, SecretRef, Told};
use crate::function::Surroundings;

/// The secrets that functions are told, as they were at one moment: each with its value, or why it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<SecretRef, Result<Secret, String>>);

impl Secrets {
    /// Of all functions, from this folder or the environment.
    pub fn read(config: &Config, folder: &Path) -> Secrets {
        let all = config.functions.iter().flat_map(references).cloned().chain(outlets::references(config));
        let all = all.map(|reference| {
            let value = resolve(&reference, folder);
            (reference, value)
        });
        Secrets(all.collect())
    }

    /// Of one function.
    pub fn of(function: &Function, folder: &Path) -> Secrets {
        Secrets(
            references(function).map(|reference| (reference.clone(), resolve(reference, folder))).collect(),
        )
    }

    /// What a function is told. `script` is what stands in its script's file.
    pub fn surroundings(&self, function: &Function, script: Option<&[u8]>) -> Result<Surroundings, Problems> {
        let mut problems = Problems::new();
        let mut config = self.values(&function.config, &mut problems);
        let environment = self.values(&function.environment, &mut problems);
        if let Some(script) = script {
            match std::str::from_utf8(script) {
                Ok(text) => drop(config.insert(SCRIPT.to_owned(), text.to_owned())),
                Err(_) => {
                    problems.push(format!("the script of the Function '{}' is not UTF-8 text", function.name))
                }
            }
        }
        let name = format!("{}/{}", function.namespace, function.name);
        let surroundings = Surroundings { environment, config, ..Surroundings::of(&name) };
        if problems.is_empty() { Ok(surroundings) } else { Err(problems) }
    }

    /// One that was looked for.
    pub fn value(&self, reference: &SecretRef) -> Result<Secret, String> {
        let unsought = || Err(format!("the secret '{reference}' was not looked for"));
        self.0.get(reference).cloned().unwrap_or_else(unsought)
    }

    fn values(&self, told: &BTreeMap<String, Told>, problems: &mut Problems) -> BTreeMap<String, String> {
        let value = |(key, told): (&String, &Told)| match told {
            Told::Text(text) => Some((key.clone(), text.clone())),
            Told::Secret { reference, place } => match self.0.get(reference) {
                Some(Ok(secret)) if secret.expose().contains('\0') => {
                    problems.push(format!("{place}: the secret '{reference}' has a NUL character in it"));
                    None
                }
                Some(Ok(secret)) => Some((key.clone(), secret.expose().to_owned())),
                Some(Err(why)) => {
                    problems.push(format!("{place}: {why}"));
                    None
                }
                None => unreachable!("the secrets are those of the configuration"),
            },
        };
        told.iter().filter_map(value).collect()
    }
}

/// The files that the secrets of a configuration are in, there or not.
pub(super) fn secret_files(config: &Config, folder: &Path) -> Vec<PathBuf> {
    let all = config.functions.iter().flat_map(references).cloned().chain(outlets::references(config));
    all.map(|reference| reference.path(folder)).collect()
}

fn references(function: &Function) -> impl Iterator<Item = &SecretRef> {
    let told = function.config.values().chain(function.environment.values());
    told.filter_map(|told| match told {
        Told::Text(_) => None,
        Told::Secret { reference, .. } => Some(reference),
    })
}

fn resolve(reference: &SecretRef, folder: &Path) -> Result<Secret, String> {
    let found = reference.resolve(folder, &|name| std::env::var(name).ok());
    found.map_err(|why| format!("{why} (create it, or correct the reference)"))
}
