//! The modules that Functions name: files beside the documents, or those that were kept with them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostics, Severity};
use super::document::{Document, Draft};
use super::text::Place;

/// Where modules are.
#[derive(Clone, Debug, Default)]
pub enum Modules {
    /// Where the documents say.
    #[default]
    Named,
    /// Elsewhere: by the path that the documents say.
    Kept(BTreeMap<PathBuf, PathBuf>),
}

/// A module as a document names it.
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
        let Some(named) = &mut draft.module else { continue };
        all.push(named.path.clone());
        match modules {
            Modules::Named => look(named, diagnostics),
            Modules::Kept(kept) => match kept.get(&named.path) {
                Some(path) => named.path = path.clone(),
                None => {
                    let message = format!("'{}' was not kept", named.path.display());
                    diagnostics.at(Severity::Error, &named.place, message);
                }
            },
        }
    }
    all
}

fn look(Named { path, place }: &Named, diagnostics: &mut Diagnostics) {
    let is_wasm = Path::new(path).extension().is_some_and(|end| end == "wasm");
    let (looked, help) = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => return,
        Ok(_) => ("is no file", "write the path of a .wasm file"),
        Err(error) if error.kind() == ErrorKind::NotFound && is_wasm => {
            ("does not exist", "functions/build builds the modules; a path is relative to this file")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ("does not exist", "a path is relative to this file")
        }
        Err(_) => ("can't be read", "the worker's user must be allowed to read it"),
    };
    diagnostics
        .at(Severity::Error, place, format!("Function.spec.module: '{}' {looked}", path.display()))
        .help(help);
}
