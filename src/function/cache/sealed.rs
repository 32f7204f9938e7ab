//! A file of native code: a shared library, then what it needs of a processor, and a digest of all that. Loaders don't mind
//! what follows a library, but the dynamic one dies of half of it.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::place;
use super::target::Target;

const DIGEST: usize = blake3::OUT_LEN;
/// Before the digest: the layout of what follows the library.
const VERSION: &[u8; 10] = b"weir aot 1";

/// Why a file of native code is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    Damaged,
    /// It is a link, or somebody else could have written it.
    Foreign,
    /// This user may not read it.
    Closed,
    /// Features that this processor has not.
    Lacks(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Damaged => f.write_str("is damaged"),
            Unfit::Foreign => f.write_str("is a link, or could have been written by others"),
            Unfit::Closed => f.write_str("can't be read by this user"),
            Unfit::Lacks(features) => write!(f, "needs what this processor lacks ({features})"),
        }
    }
}

/// Appends what makes it whole. Who may write it is not left to the umask.
pub(super) fn seal(path: &Path, target: &Target) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let mut code = Vec::new();
    file.read_to_end(&mut code)?;
    let library = code.len();
    let needs = target.needs();
    code.extend(needs.as_bytes());
    code.extend((needs.len() as u32).to_be_bytes());
    code.extend(VERSION);
    code.extend(*blake3::hash(&code).as_bytes());
    file.write_all(&code[library..])?;
    file.set_permissions(Permissions::from_mode(0o644))
}

/// Opens a file that is whole, and that nobody removes to make room for as long as it is open. `None`: there is none.
pub(super) fn open(path: &Path, target: &Target) -> Result<Option<File>, Unfit> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(Unfit::Closed),
        Err(_) => return Err(Unfit::Foreign),
    };
    let about = file.metadata().map_err(|_| Unfit::Damaged)?;
    if !about.is_file() || !place::is_ours(&about) || place::may_be_written(&about) {
        return Err(Unfit::Foreign);
    }
    // On a disk without locks nobody can tell that it is in use: it would be compiled again.
    let _ = flock(&file, FlockOperation::LockShared);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|_| Unfit::Damaged)?;
    let needs = needs(&bytes).ok_or(Unfit::Damaged)?;
    match target.lacks(needs) {
        Some(lacks) => Err(Unfit::Lacks(lacks)),
        None => {
            // What was used last goes last. Only its owner may say so.
            let _ = file.set_modified(SystemTime::now());
            Ok(Some(file))
        }
    }
}

/// What is said after the library, if all is there.
fn needs(bytes: &[u8]) -> Option<&str> {
    let (sealed, digest) = bytes.split_last_chunk::<DIGEST>()?;
    if blake3::hash(sealed) != *digest {
        return None;
    }
    let rest = sealed.strip_suffix(VERSION)?;
    let (rest, len) = rest.split_last_chunk::<4>()?;
    let start = rest.len().checked_sub(u32::from_be_bytes(*len) as usize)?;
    std::str::from_utf8(&rest[start..]).ok()
}
