//! A disk of real directories; a volume is one sled database in a directory of its own. The only file that knows sled.
//!
//! sled 0.34 is unmaintained (it pulls `fxhash` and `instant`, see deny.toml); whatever replaces it replaces this file. It
//! keeps in memory what it has once read or written, whatever its cache is set to, and so volumes are small, and
//! those that nobody reads are closed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Cause, Disk, States, Volume};

/// The layout of a volume stands in its directory's name. A worker reads its own and the one before; there is none yet.
const VOLUME: &str = "volume-1-";
const ANY_VOLUME: &str = "volume-";
const DROPPED: &str = "dropped-";

const SEGMENT: &[u8] = b"segment/";
const STATE: &[u8] = b"state/";
/// As little as sled takes: pages are written once and read once.
const CACHE: u64 = 1 << 20;

const LOCK_WAIT: Duration = Duration::from_millis(5);
const LOCK_TRIES: u32 = 400;

/// A log's directory, which has a directory for each volume.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn make(path: &Path) -> io::Result<Directory> {
        fs::create_dir_all(path)?;
        Ok(Directory(path.to_owned()))
    }

    fn volume(&self, first: u64) -> PathBuf {
        self.0.join(format!("{VOLUME}{first:016x}"))
    }
}

impl Disk for Directory {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn list(&self) -> Result<Vec<(u64, u64)>, Cause> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with(DROPPED) {
                // A drop that a crash interrupted.
                fs::remove_dir_all(&path)?;
            } else if let Some(first) =
                name.strip_prefix(VOLUME).and_then(|n| u64::from_str_radix(n, 16).ok())
            {
                volumes.push((first, size(&path)?));
            } else if name.starts_with(ANY_VOLUME) {
                return Err(format!(
                    "{name} has a format that this version does not read: use the one that wrote it"
                )
                .into());
            }
        }
        Ok(volumes)
    }

    fn create(&self, first: u64, states: &States) -> Result<Arc<dyn Volume>, Cause> {
        let volume = self.open(first)?;
        volume.write(&[], states)?;
        // Else a power cut could take the directory with all that is flushed into it.
        fs::File::open(self.volume(first))?.sync_all()?;
        fs::File::open(&self.0)?.sync_all()?;
        Ok(volume)
    }

    fn open(&self, first: u64) -> Result<Arc<dyn Volume>, Cause> {
        Ok(Arc::new(Database(patiently(&self.volume(first))?)))
    }

    fn remove(&self, first: u64) -> Result<(), Cause> {
        let doomed = self.0.join(format!("{DROPPED}{first:016x}"));
        // An earlier try may have got half way.
        if !doomed.exists() {
            fs::rename(self.volume(first), &doomed)?;
        }
        Ok(fs::remove_dir_all(&doomed)?)
    }
}

/// sled goes on holding its lock for a moment after it was closed.
fn patiently(path: &Path) -> Result<sled::Db, Cause> {
    let config = sled::Config::new().path(path).flush_every_ms(None).cache_capacity(CACHE);
    let mut tries = LOCK_TRIES;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries > 0 && error.to_string().contains("acquire lock") => {
                tries -= 1;
                std::thread::sleep(LOCK_WAIT);
            }
            opened => return Ok(opened?),
        }
    }
}

#[derive(Debug)]
struct Database(sled::Db);

impl Volume for Database {
    fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.0.get(segment_key(segment))?.map(|bytes| bytes.to_vec()))
    }

    fn state(&self, name: &str) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.0.get(state_key(name))?.map(|bytes| bytes.to_vec()))
    }

    fn states(&self) -> Result<States, Cause> {
        let mut states = States::new();
        for state in self.0.scan_prefix(STATE) {
            let (key, value) = state?;
            states.insert(String::from_utf8(key[STATE.len()..].to_vec())?, value.to_vec());
        }
        Ok(states)
    }

    fn last_segment(&self) -> Result<Option<u64>, Cause> {
        let Some(last) = self.0.scan_prefix(SEGMENT).next_back() else { return Ok(None) };
        let (key, _) = last?;
        let number = key[SEGMENT.len()..].try_into().map_err(|_| format!("a segment has the key {key:?}"))?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    fn write(&self, segments: &[(u64, Vec<u8>)], states: &States) -> Result<(), Cause> {
        let mut batch = sled::Batch::default();
        for (number, segment) in segments {
            batch.insert(segment_key(*number), segment.as_slice());
        }
        for (name, value) in states {
            batch.insert(state_key(name), value.as_slice());
        }
        self.0.apply_batch(batch)?;
        self.0.flush()?;
        Ok(())
    }
}

fn segment_key(number: u64) -> Vec<u8> {
    [SEGMENT, &number.to_be_bytes()].concat()
}

fn state_key(name: &str) -> Vec<u8> {
    [STATE, name.as_bytes()].concat()
}

/// What a directory takes up on disk, without opening anything.
fn size(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
