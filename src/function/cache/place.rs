//! The directory of native code. To load code is to run it, so nobody but this user and root may have written it.
//!
//! It is held open and gone through by its descriptor, where the system has `/proc`: who may replace a directory above it
//! can't put another one in its place while a process runs.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::error::CacheError;

pub(super) struct Place {
    /// As it was named.
    pub dir: PathBuf,
    /// Files can be added. Where not, what is there is all there is: an image, say.
    pub writable: bool,
    through: PathBuf,
    _open: File,
}

impl Place {
    /// Makes the directory if it is not there.
    pub(super) fn open(dir: &Path) -> Result<Place, CacheError> {
        let failed = |what| move |error| CacheError::Io { what, dir: dir.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CacheError::NotADirectory { dir: dir.to_owned() },
            _ => failed("create")(error),
        })?;
        let open = File::open(dir).map_err(failed("open"))?;
        let about = open.metadata().map_err(failed("read"))?;
        if !is_ours(&about) {
            return Err(CacheError::NotOurs { dir: dir.to_owned(), owner: about.uid() });
        }
        if may_be_written(&about) {
            return Err(CacheError::NotPrivate { dir: dir.to_owned(), mode: about.mode() & 0o7777 });
        }
        // With the number of this process: the compiler is another one.
        let by_descriptor = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd()));
        let is_same = |other: &Metadata| (other.dev(), other.ino()) == (about.dev(), about.ino());
        let through = match fs::metadata(&by_descriptor) {
            Ok(other) if is_same(&other) => by_descriptor,
            _ => dir.to_owned(),
        };
        // Also of a disk that is mounted read-only.
        let writable = accessat(CWD, &through, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok();
        Ok(Place { dir: dir.to_owned(), writable, through, _open: open })
    }

    pub(super) fn path(&self) -> &Path {
        &self.through
    }

    pub(super) fn failed(&self, what: &'static str, error: io::Error) -> CacheError {
        CacheError::Io { what, dir: self.dir.clone(), error }
    }
}

/// Root may do everything anyway.
pub(super) fn is_ours(about: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&about.uid())
}

/// By others than its owner. Access lists show in the bits of the group.
pub(super) fn may_be_written(about: &Metadata) -> bool {
    about.mode() & 0o022 != 0
}
