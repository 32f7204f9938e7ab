//! The engine that scripts run in: a module that was built with weir, and that a project gets a copy of.

use std::env;
use std::path::{Path, PathBuf};

use super::Failed;

/// As functions/build makes it.
const BUILT: &str = "functions/javascript.wasm";

/// In a folder, or in one of those above it.
fn above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(BUILT)).find(|path| path.is_file())
}

/// The one that is named, else the nearest that was built.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, Failed> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let places = [env::current_dir(), env::current_exe().and_then(|path| path.canonicalize())];
    let found = places.iter().flatten().find_map(|place| above(place));
    found.ok_or_else(|| {
        Failed::error("the engine for JavaScript is not here").help(format!(
            "'functions/build javascript' makes {BUILT} in weir's own sources, and its image has it: name it with --engine"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_is_found_and_the_named_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(above(&deep).filter(|found| found.starts_with(home.path())), None);
        for place in [home.path(), &home.path().join("a")] {
            fs::create_dir(place.join("functions")).unwrap();
            fs::write(place.join(BUILT), "").unwrap();
            assert_eq!(above(&deep), Some(place.join(BUILT)));
        }
        assert_eq!(find(Some(Path::new("other.wasm"))).ok(), Some("other.wasm".into()));
    }
}
