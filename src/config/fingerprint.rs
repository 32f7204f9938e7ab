//! What can be seen of files without reading them: whether it is worth reading them again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::files;

/// Of all documents below some paths, and of the modules that they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<PathBuf, Seen>,
}

/// A file where its path leads to: a link that is set to another file shows, and so does a file that takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// Its documents are seen by themselves: other files may come and go there.
    Directory,
    File {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
}

/// Within this time a file may be written twice and look the same: file systems count in steps of some milliseconds, those
/// of a network in seconds.
const YOUNG: Duration = Duration::from_secs(2);

impl Fingerprint {
    /// Of the documents of these paths as [`load`](super::load) finds them, and of these modules.
    pub fn of(paths: &[PathBuf], modules: &[PathBuf]) -> Fingerprint {
        let found = files::find(paths);
        let files = found.iter().chain(paths).chain(modules);
        Fingerprint { files: files.map(|path| (path.clone(), Seen::of(path))).collect() }
    }

    /// Has none of the files been written so lately that it may have been written again since, and look the same?
    pub fn is_certain(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let old = now.saturating_sub(YOUNG).as_secs() as i64;
        self.files.values().all(|seen| match seen {
            Seen::Nothing | Seen::Directory => true,
            Seen::File { changed, .. } => changed.0 < old,
        })
    }
}

impl Seen {
    fn of(path: &Path) -> Seen {
        match fs::metadata(path) {
            // Why it can't be looked at is said where it is read.
            Err(_) => Seen::Nothing,
            Ok(found) if found.is_dir() => Seen::Directory,
            Ok(found) => Seen::File {
                device: found.dev(),
                inode: found.ino(),
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_is_done_to_a_file_shows() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let paths = [at("documents"), at("alone.yaml")];
        fs::create_dir_all(at("documents/..one")).unwrap();
        fs::create_dir_all(at("documents/..two")).unwrap();
        fs::write(at("documents/..one/a.yaml"), "1").unwrap();
        fs::write(at("documents/..two/a.yaml"), "1").unwrap();
        symlink("..one", at("documents/..data")).unwrap();
        symlink("..data/a.yaml", at("documents/a.yaml")).unwrap();

        let module = [at("module.wasm")];
        let look = || Fingerprint::of(&paths, &module);
        let mut before = look();
        assert_eq!(look(), before);
        let mut changes = |what: &str, change: &dyn Fn()| {
            change();
            let after = look();
            assert_ne!(after, before, "{what}");
            assert_eq!(look(), after, "{what}");
            before = after;
        };
        changes("a link is set to another directory, as Kubernetes does", &|| {
            symlink("..two", at("documents/..new")).unwrap();
            fs::rename(at("documents/..new"), at("documents/..data")).unwrap();
        });
        changes("a file comes", &|| fs::write(at("alone.yaml"), "1").unwrap());
        changes("a file takes another's place, as editors do", &|| {
            fs::write(at("alone.yaml~"), "2").unwrap();
            fs::rename(at("alone.yaml~"), at("alone.yaml")).unwrap();
        });
        changes("a module comes", &|| fs::write(at("module.wasm"), "").unwrap());
        changes("a module grows", &|| fs::write(at("module.wasm"), "1").unwrap());
        changes("a document comes", &|| fs::write(at("documents/b.yml"), "").unwrap());
        changes("a directory goes", &|| fs::remove_dir_all(at("documents")).unwrap());
    }

    #[test]
    fn what_was_written_just_now_may_be_written_again_and_look_the_same() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.yaml");
        fs::write(&path, "1").unwrap();
        assert!(!Fingerprint::of(&[path], &[]).is_certain());
        assert!(Fingerprint::of(&["/proc/version".into()], &["/nowhere".into()]).files.len() == 2);
        assert!(Fingerprint::of(&["/nowhere".into()], &[]).is_certain());
    }
}
