//! Finding and reading the files: a path is a file, or a directory with YAML files at any depth.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostics, Severity};
use super::text::Text;
use super::yaml::MAX_BYTES;

const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// Every file of `paths`, each once, in the order of the paths and sorted within each.
pub(super) fn read_all(paths: &[PathBuf], diagnostics: &mut Diagnostics) -> Vec<Arc<Text>> {
    let found = search(paths, diagnostics);
    found.iter().filter_map(|path| read(path, diagnostics)).map(Arc::new).collect()
}

/// The same files, as far as they can be found.
pub(super) fn find(paths: &[PathBuf]) -> Vec<PathBuf> {
    search(paths, &mut Diagnostics::default())
}

fn search(paths: &[PathBuf], diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut search = Search { found: Vec::new(), seen: BTreeSet::new(), diagnostics };
    for path in paths {
        search.path(path);
    }
    search.found
}

struct Search<'d> {
    found: Vec<PathBuf>,
    /// By what they really are, so that a file reached twice is read once.
    seen: BTreeSet<PathBuf>,
    diagnostics: &'d mut Diagnostics,
}

impl Search<'_> {
    fn path(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => self.folder(path, 0),
            Ok(found) if found.is_file() => self.file(path.to_owned()),
            Ok(_) => self.error(path, "is neither a file nor a directory", None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.error(
                    path,
                    "does not exist",
                    Some("create it, or name other paths: on the command line or in the setting 'triggers'"),
                );
            }
            Err(error) => self.error(path, &format!("can't be opened: {error}"), None),
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > MAX_DEPTH {
            return self.error(folder, &format!("is more than {MAX_DEPTH} directories deep"), None);
        }
        let listed = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.error(folder, &format!("can't be listed: {error}"), None),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // A symlink to a directory could lead round in a circle; one to a file is how ConfigMaps are mounted.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.folder(&path, depth + 1);
            } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
                match fs::metadata(&path) {
                    Ok(found) if found.is_file() => self.file(path),
                    Ok(_) => {}
                    Err(error) => self.error(&path, &format!("can't be opened: {error}"), None),
                }
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if self.found.len() == MAX_FILES {
            // Said once: the set is not added to, so each further file would say it again.
            if self.seen.insert(PathBuf::new()) {
                self.error(&path, &format!("is one file too many: at most {MAX_FILES} are read"), None);
            }
        } else if self.seen.insert(real) {
            self.found.push(path);
        }
    }

    fn error(&mut self, path: &Path, message: &str, help: Option<&str>) {
        self.diagnostics
            .whole(Severity::Error, &path.to_string_lossy(), message)
            .maybe_help(help.map(str::to_owned));
    }
}

/// A file's text; what stands in the way is reported.
pub(super) fn read(path: &Path, diagnostics: &mut Diagnostics) -> Option<Text> {
    let name = path.to_string_lossy();
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        diagnostics.whole(Severity::Error, &name, format!("can't be read: {error}"));
        return None;
    }
    if bytes.len() > MAX_BYTES {
        diagnostics
            .whole(Severity::Error, &name, format!("is larger than {MAX_BYTES} bytes"))
            .help("split it: a directory may hold any number of files");
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(content) => Some(Text::new(&name, content)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
            diagnostics.whole(Severity::Error, &name, format!("is not UTF-8 text, from line {line} on"));
            None
        }
    }
}
