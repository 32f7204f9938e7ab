//! Of all who want the same module compiled, in this process or in another, one does it and the others wait for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use super::room;

/// A lock on a file beside the one that is to be. The kernel releases it with the process, however that ends.
pub(super) struct Turn {
    path: PathBuf,
    _file: File,
}

impl Turn {
    /// `waits` is called once if somebody else has it.
    pub(super) fn take(dir: &Path, name: &str, waits: impl FnOnce()) -> io::Result<Turn> {
        let path = dir.join(room::lock(name));
        let mut waits = Some(waits);
        loop {
            let file = open(&path)?;
            let mut locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            if locked == Err(Errno::WOULDBLOCK) {
                if let Some(waits) = waits.take() {
                    waits();
                }
                locked = retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
            }
            // On a disk without locks two may compile the same: a waste, and no harm.
            if locked.is_err() || is_at(&file, &path) {
                if locked.is_ok() {
                    room::sweep_after(dir, name);
                }
                return Ok(Turn { path, _file: file });
            }
            // Whoever had it has removed it since.
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a lock's file that nobody holds.
pub(super) fn sweep(path: &Path) {
    if let Ok(file) = open(path)
        && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && is_at(&file, path)
    {
        let _ = fs::remove_file(path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    file.metadata()
        .map(identity)
        .is_ok_and(|file| fs::metadata(path).map(identity).is_ok_and(|at| file == at))
}
