//! One worker for one data directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held for as long as the data directory is in use. The kernel releases it with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug)]
pub enum Locked {
    /// Another process has it; its pid, if it could be read.
    By(Option<u32>),
    Failed(std::io::Error),
}

impl Lock {
    pub fn take(data: &Path) -> Result<Lock, Locked> {
        // What is in it is nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(Locked::Failed)?;
        let path = data.join("weir.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Locked::Failed)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(Locked::Failed(error.into()));
            }
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(Locked::By(pid.trim().parse().ok()));
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(Locked::Failed)?;
        Ok(Lock { _file: file })
    }
}

impl std::fmt::Display for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Locked::By(Some(pid)) => write!(f, "it is in use by another worker, process {pid}"),
            Locked::By(None) => write!(f, "it is in use by another worker"),
            Locked::Failed(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_with_the_first_one_s_pid() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::take(directory.path()).unwrap();
        match Lock::take(directory.path()) {
            Err(Locked::By(pid)) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(Lock::take(directory.path()).is_ok());
    }
}
