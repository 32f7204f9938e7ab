//! What goes wrong with native code, and what to do about it.

use std::path::PathBuf;
use std::{fmt, io};

use super::super::engine::Fault;
use super::sealed::Unfit;

#[derive(Debug)]
pub enum CacheError {
    NotPrivate {
        dir: PathBuf,
        mode: u32,
    },
    NotOurs {
        dir: PathBuf,
        owner: u32,
    },
    NotADirectory {
        dir: PathBuf,
    },
    /// Nothing can be added to what is there.
    Missing {
        dir: PathBuf,
        unfit: Option<Unfit>,
    },
    /// This build of WasmEdge does not say what it compiles for.
    NotPortable,
    Io {
        what: &'static str,
        dir: PathBuf,
        error: io::Error,
    },
    Engine {
        what: &'static str,
        message: String,
    },
    Meter {
        message: String,
    },
}

pub(super) fn engine_failed(what: &'static str, fault: Fault) -> CacheError {
    CacheError::Engine { what, message: fault.to_string() }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheError::NotPrivate { dir, mode } => write!(
                f,
                "others may write the cache of native code {} (mode {mode:o}), and so run code here: \
                 `chmod go-w` it, or name another directory (function.cache)",
                dir.display()
            ),
            CacheError::NotOurs { dir, owner } => write!(
                f,
                "the cache of native code {} belongs to user {owner}, who could run code here: \
                 name a directory that this user or root owns (function.cache)",
                dir.display()
            ),
            CacheError::NotADirectory { dir } => {
                write!(f, "the cache of native code {} is not a directory", dir.display())
            }
            CacheError::Missing { dir, unfit } => {
                let dir = dir.display();
                match unfit {
                    None => write!(f, "its native code is not in {dir}")?,
                    Some(unfit) => write!(f, "its native code in {dir} {unfit}")?,
                }
                write!(
                    f,
                    ", where nothing can be written: `weir build --cache {dir}` puts it in, with this version, on this kind of \
                     processor and from the same module; or name another directory (function.cache)"
                )
            }
            CacheError::NotPortable => f.write_str(
                "this build of WasmEdge does not tell which features of a processor it compiles for, so what it \
                 compiles is for this processor alone",
            ),
            CacheError::Io { what, dir, error } => {
                write!(f, "can't {what} the cache of native code {}: {error}", dir.display())
            }
            CacheError::Meter { message } => {
                write!(f, "its limits on time and work can't be written into it: {message}")
            }
            CacheError::Engine { what, message } => write!(f, "WasmEdge can't {what}: {message}"),
        }
    }
}

impl std::error::Error for CacheError {}
