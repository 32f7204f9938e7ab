//! How much native code is kept. What was not used for longest goes first, and what is not of a cache is never touched.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Kept, turn};

const UNFINISHED: &str = "unfinished-";
const CODE: &str = ".so";
const LOCK: &str = ".lock";
/// No compilation takes that long, so an unfinished file this old is what a killed worker left.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Beside the file of that name while it is compiled.
pub(super) fn lock(name: &str) -> String {
    format!("{}{LOCK}", name.trim_end_matches(CODE))
}

/// A name of its own for what is being compiled: in two containers all else may be the same.
pub(super) fn unfinished(name: &str) -> String {
    let random = getrandom::u64().unwrap_or_default();
    format!("{}{random:016x}{CODE}", begun(name))
}

fn begun(name: &str) -> String {
    format!("{UNFINISHED}{}-", name.trim_end_matches(CODE))
}

/// Is it named after a digest?
fn is_of_cache(name: &str, end: &str) -> bool {
    let digest = name.strip_suffix(end);
    digest.is_some_and(|hex| hex.len() == 2 * blake3::OUT_LEN && hex.bytes().all(|c| c.is_ascii_hexdigit()))
}

struct Entry {
    name: String,
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// All that can be listed.
fn entries(dir: &Path) -> impl Iterator<Item = Entry> {
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| {
        let about = entry.metadata().ok()?;
        let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Entry {
            name: entry.file_name().into_string().ok()?,
            path: entry.path(),
            bytes: about.len(),
            used,
        })
    })
}

fn code(dir: &Path) -> impl Iterator<Item = Entry> {
    entries(dir).filter(|entry| is_of_cache(&entry.name, CODE))
}

pub(super) fn kept(dir: &Path) -> Kept {
    let add = |kept: Kept, entry: Entry| Kept { files: kept.files + 1, bytes: kept.bytes + entry.bytes };
    code(dir).fold(Kept::default(), add)
}

/// Removes what killed processes left.
pub(super) fn sweep(dir: &Path) {
    for entry in entries(dir) {
        if is_of_cache(&entry.name, LOCK) {
            turn::sweep(&entry.path);
        } else if entry.name.starts_with(UNFINISHED) && entry.used.elapsed().is_ok_and(|age| age > ABANDONED)
        {
            let _ = fs::remove_file(entry.path);
        }
    }
}

/// The same, of this one, for who has the turn to compile it: nobody else is at it.
pub(super) fn sweep_after(dir: &Path, name: &str) {
    let begun = begun(name);
    for entry in entries(dir).filter(|entry| entry.name.starts_with(&begun)) {
        let _ = fs::remove_file(entry.path);
    }
}

/// Keeps so many bytes, and what `is_loaded`, and what another process is loading.
pub(super) fn make(dir: &Path, max_bytes: u64, is_loaded: impl Fn(&str) -> bool) {
    let mut entries: Vec<Entry> = code(dir).collect();
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    entries.sort_by_key(|entry| entry.used);
    for entry in entries {
        if bytes <= max_bytes {
            break;
        }
        if !is_loaded(&entry.name) && is_free(&entry.path) && fs::remove_file(&entry.path).is_ok() {
            bytes -= entry.bytes;
        }
    }
}

/// Nobody is loading it. A disk without locks can't tell: then whoever loads it finds it gone.
fn is_free(path: &Path) -> bool {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    file.map_or(true, |file| flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK))
}
