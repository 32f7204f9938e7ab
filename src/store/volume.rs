//! A volume: one sled database in a directory of its own. The only file that knows sled.
//!
//! sled 0.34 is unmaintained (it pulls `fxhash` and `instant`, see deny.toml); whatever replaces it replaces this file. It
//! keeps in memory what it has once read or written, whatever its cache is set to, and so volumes are small, and
//! those that nobody reads are closed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SEGMENT: &[u8] = b"segment/";
const STATE: &[u8] = b"state/";
/// As little as sled takes: pages are written once and read once.
const CACHE: u64 = 1 << 20;

const LOCK_WAIT: Duration = Duration::from_millis(5);
const LOCK_TRIES: u32 = 400;

/// What sled or the file system says.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
pub(super) struct Volume {
    path: PathBuf,
    /// `None`: closed.
    db: Option<sled::Db>,
    pub(super) bytes: u64,
}

impl Volume {
    /// One that is there or is made, and is not opened yet.
    pub(super) fn closed(path: PathBuf) -> Result<Volume, Cause> {
        let bytes = if path.exists() { size(&path)? } else { 0 };
        Ok(Volume { path, db: None, bytes })
    }

    pub(super) fn open(&mut self) -> Result<(), Cause> {
        if self.db.is_none() {
            let db = self.patiently()?;
            // An empty one takes up room, too, but none that could be given back.
            if db.scan_prefix(SEGMENT).next().is_none() {
                self.bytes = 0;
            }
            self.db = Some(db);
        }
        Ok(())
    }

    /// sled goes on holding its lock for a moment after it was closed.
    fn patiently(&self) -> Result<sled::Db, Cause> {
        let config = sled::Config::new().path(&self.path).flush_every_ms(None).cache_capacity(CACHE);
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

    /// What was not flushed is forgotten.
    pub(super) fn close(&mut self) {
        self.db = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.db.is_some()
    }

    /// A handle for the one who writes: nobody else has to wait for the disk.
    pub(super) fn writer(&self) -> Result<Writer, Cause> {
        Ok(Writer { db: self.db()?.clone() })
    }

    pub(super) fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.db()?.get(segment_key(segment))?.map(|bytes| bytes.to_vec()))
    }

    pub(super) fn state(&self, name: &str) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.db()?.get(state_key(name))?.map(|bytes| bytes.to_vec()))
    }

    /// All of the state, by name.
    pub(super) fn states(&self) -> Result<Vec<(String, Vec<u8>)>, Cause> {
        let mut states = Vec::new();
        for state in self.db()?.scan_prefix(STATE) {
            let (key, value) = state?;
            let name = String::from_utf8(key[STATE.len()..].to_vec())?;
            states.push((name, value.to_vec()));
        }
        Ok(states)
    }

    pub(super) fn last_segment(&self) -> Result<Option<u64>, Cause> {
        let Some(last) = self.db()?.scan_prefix(SEGMENT).next_back() else { return Ok(None) };
        let (key, _) = last?;
        let number = key[SEGMENT.len()..].try_into().map_err(|_| format!("a segment has the key {key:?}"))?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    fn db(&self) -> Result<&sled::Db, Cause> {
        self.db.as_ref().ok_or_else(|| "it failed and could not be opened again yet".into())
    }
}

pub(super) struct Writer {
    db: sled::Db,
}

impl Writer {
    /// All or nothing, on disk when it returns.
    pub(super) fn write<'a>(
        &self,
        segments: impl Iterator<Item = (u64, &'a [u8])>,
        states: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), Cause> {
        let mut batch = sled::Batch::default();
        segments.for_each(|(number, segment)| batch.insert(segment_key(number), segment));
        states.for_each(|(name, value)| batch.insert(state_key(name), value));
        self.db.apply_batch(batch)?;
        self.db.flush()?;
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
