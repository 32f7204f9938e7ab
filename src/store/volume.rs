//! A disk of real directories; a volume is one sled database in a directory of its own. The only file that knows sled.
//!
//! sled 0.34 is unmaintained (it pulls `fxhash` and `instant`, see deny.toml); whatever replaces it replaces this file. It
//! keeps in memory what it has once read or written, whatever its cache is set to, and so volumes are small, and
//! those that nobody reads are closed.

use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sled::Transactional;
use sled::transaction::ConflictableTransactionResult;

use super::disk::{Cause, Disk, States, Volume};

/// The layout of a volume. It stands in its directory's name: a worker reads its own and the one before, which had states
/// among the segments.
const FORMAT: u8 = 2;
const ANY_VOLUME: &str = "volume-";
const DROPPED: &str = "dropped-";

const SEGMENT: &[u8] = b"segment/";
/// States have a tree of their own: sled writes a whole page for what changes in it, and with a page of segments that
/// would be a megabyte for every flush.
const STATES: &str = "states";
const STATE_BEFORE: &[u8] = b"state/";
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
        self.0.join(name_of(first))
    }
}

fn name_of(first: u64) -> String {
    format!("{ANY_VOLUME}{FORMAT}-{first:016x}")
}

/// Of a volume's name, what follows the layout, if it has that one.
fn of_layout(name: &str, format: u8) -> Option<&str> {
    name.strip_prefix(ANY_VOLUME)?.strip_prefix(&format!("{format}-"))
}

impl Disk for Directory {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn list(&self) -> Result<Vec<(u64, u64)>, Cause> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let mut path = entry?.path();
            let mut name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if let Some(first) = of_layout(&name, FORMAT - 1) {
                // It is this one's layout once it has been opened.
                name = format!("{ANY_VOLUME}{FORMAT}-{first}");
                let renamed = self.0.join(&name);
                fs::rename(&path, &renamed)?;
                path = renamed;
            }
            if name.starts_with(DROPPED) {
                // A drop that a crash interrupted.
                fs::remove_dir_all(&path)?;
            } else if let Some(first) = of_layout(&name, FORMAT).and_then(|n| u64::from_str_radix(n, 16).ok())
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
        // sled panics over some of what a damaged disk leaves.
        let opened = catch_unwind(|| {
            let database = Database::of(&patiently(&self.volume(first))?)?;
            database.last_segment()?;
            Ok(Arc::new(database) as Arc<dyn Volume>)
        });
        opened.unwrap_or_else(|_| {
            Err(format!("{} is damaged: restore the data directory", name_of(first)).into())
        })
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
struct Database {
    segments: sled::Tree,
    states: sled::Tree,
}

impl Database {
    fn of(db: &sled::Db) -> Result<Database, Cause> {
        let (segments, states): (sled::Tree, _) = ((**db).clone(), db.open_tree(STATES)?);
        let database = Database { segments, states };
        database.separate()?;
        Ok(database)
    }

    /// Moves states away from among the segments, where the layout before had them.
    fn separate(&self) -> Result<(), Cause> {
        let (mut gone, mut come) = (sled::Batch::default(), sled::Batch::default());
        let mut any = false;
        for state in self.segments.scan_prefix(STATE_BEFORE) {
            let (key, value) = state?;
            come.insert(&key[STATE_BEFORE.len()..], value);
            gone.remove(key);
            any = true;
        }
        if any { self.apply(&gone, &come) } else { Ok(()) }
    }

    /// Both or neither, and on disk.
    fn apply(&self, segments: &sled::Batch, states: &sled::Batch) -> Result<(), Cause> {
        (&self.segments, &self.states).transaction(
            |(s, t)| -> ConflictableTransactionResult<(), sled::Error> {
                s.apply_batch(segments)?;
                Ok(t.apply_batch(states)?)
            },
        )?;
        self.segments.flush()?;
        Ok(())
    }
}

impl Volume for Database {
    fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.segments.get(segment_key(segment))?.map(|bytes| bytes.to_vec()))
    }

    fn state(&self, name: &str) -> Result<Option<Vec<u8>>, Cause> {
        Ok(self.states.get(name)?.map(|bytes| bytes.to_vec()))
    }

    fn states(&self) -> Result<States, Cause> {
        let mut states = States::new();
        for state in &self.states {
            let (name, value) = state?;
            states.insert(String::from_utf8(name.to_vec())?, value.to_vec());
        }
        Ok(states)
    }

    fn last_segment(&self) -> Result<Option<u64>, Cause> {
        let Some(last) = self.segments.scan_prefix(SEGMENT).next_back() else { return Ok(None) };
        let (key, _) = last?;
        let number = key[SEGMENT.len()..].try_into().map_err(|_| format!("a segment has the key {key:?}"))?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    fn write(&self, segments: &[(u64, Vec<u8>)], states: &States) -> Result<(), Cause> {
        let (mut records, mut named) = (sled::Batch::default(), sled::Batch::default());
        for (number, segment) in segments {
            records.insert(segment_key(*number), segment.as_slice());
        }
        for (name, value) in states {
            named.insert(name.as_bytes(), value.as_slice());
        }
        self.apply(&records, &named)
    }
}

fn segment_key(number: u64) -> Vec<u8> {
    [SEGMENT, &number.to_be_bytes()].concat()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_layout_1_is_read_and_gone_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let old = sled::open(directory.path().join("volume-1-0000000000000007")).unwrap();
        old.insert(segment_key(7), b"seven").unwrap();
        old.insert(b"state/progress", b"far").unwrap();
        old.flush().unwrap();
        drop(old);
        for _ in 0..2 {
            let disk = Directory::make(directory.path()).unwrap();
            assert_eq!(disk.list().unwrap().iter().map(|(first, _)| *first).collect::<Vec<_>>(), [7]);
            let volume = disk.open(7).unwrap();
            assert_eq!(
                (volume.last_segment().unwrap(), volume.get(7).unwrap()),
                (Some(7), Some(b"seven".to_vec()))
            );
            assert_eq!(volume.state("progress").unwrap(), Some(b"far".to_vec()));
            assert_eq!(volume.states().unwrap(), States::from([("progress".to_owned(), b"far".to_vec())]));
        }
    }

    /// What a state takes up on disk has nothing to do with the segments beside it.
    #[test]
    fn a_state_that_changes_often_takes_up_little() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Directory::make(directory.path()).unwrap();
        let volume = disk.open(0).unwrap();
        let mut state = States::new();
        for n in 0..8 {
            volume.write(&[(n, vec![n as u8; 64 << 10])], &state).unwrap();
        }
        for n in 0..300_u64 {
            state.insert("progress".to_owned(), n.to_le_bytes().to_vec());
            volume.write(&[], &state).unwrap();
        }
        drop(volume);
        let bytes = size(directory.path()).unwrap();
        assert!(bytes < 4 << 20, "{bytes} bytes for half a MiB of segments and a few bytes of state");
    }
}
