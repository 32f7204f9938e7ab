//! The modules and scripts that Functions name: files beside the documents, or those that were kept with them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostics, Severity};
use super::document::{Document, Draft};
use super::text::Place;

/// A script is no larger.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// Where modules and scripts are.
#[derive(Clone, Debug, Default)]
pub enum Modules {
    /// Where the documents say.
    #[default]
    Named,
    /// Elsewhere: by the path that the documents say.
    Kept(BTreeMap<PathBuf, PathBuf>),
}

/// A module or a script as a document names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub path: PathBuf,
    pub place: Place,
}

/// Says which are not there, and takes those that are kept. Returns the paths that the documents name, there or not.
pub(super) fn find(
    documents: &mut [Document],
    modules: &Modules,
    diagnostics: &mut Diagnostics,
) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for document in documents {
        let Draft::Function(Some(draft)) = &mut document.draft else { continue };
        let each = [(&mut draft.module, module as Looked), (&mut draft.script, script)];
        for (named, looked) in each.into_iter().filter_map(|(named, look)| Some((named.as_mut()?, look))) {
            all.push(named.path.clone());
            match modules {
                Modules::Named => {
                    if let Err((message, help)) = looked(&named.path) {
                        diagnostics.at(Severity::Error, &named.place, message).help(help);
                    }
                }
                Modules::Kept(kept) => match kept.get(&named.path) {
                    Some(path) => named.path = path.clone(),
                    None => {
                        let message = format!("'{}' was not kept", named.path.display());
                        diagnostics.at(Severity::Error, &named.place, message);
                    }
                },
            }
        }
    }
    all
}

/// What is wrong with a file, and what to do about it.
type Looked = fn(&Path) -> Result<(), (String, &'static str)>;

const RELATIVE: &str = "a path is relative to this file";
const UNREADABLE: &str = "the worker's user must be allowed to read it";

fn module(path: &Path) -> Result<(), (String, &'static str)> {
    let is_wasm = path.extension().is_some_and(|end| end == "wasm");
    let (looked, help) = match fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => ("is no file", "write the path of a .wasm file"),
        Err(error) if error.kind() == ErrorKind::NotFound && is_wasm => {
            ("does not exist", "functions/build builds the modules; a path is relative to this file")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => ("does not exist", RELATIVE),
        Err(_) => ("can't be read", UNREADABLE),
    };
    Err((format!("Function.spec.module: '{}' {looked}", path.display()), help))
}

fn script(path: &Path) -> Result<(), (String, &'static str)> {
    let wrong =
        |looked: &str, help| Err((format!("Function.spec.script: '{}' {looked}", path.display()), help));
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return wrong("is no file", "write the path of the script's file"),
        Err(error) if error.kind() == ErrorKind::NotFound => return wrong("does not exist", RELATIVE),
        Err(_) => return wrong("can't be read", UNREADABLE),
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SCRIPT_LIMIT + 1).read_to_end(&mut bytes));
    match read {
        Err(_) => wrong("can't be read", UNREADABLE),
        Ok(_) if bytes.len() as u64 > SCRIPT_LIMIT => {
            wrong("is larger than 1 MiB", "it is handed over whole: make it smaller")
        }
        Ok(_) if std::str::from_utf8(&bytes).is_err() => {
            wrong("is not UTF-8 text", "name the script's source")
        }
        Ok(_) => Ok(()),
    }
}
