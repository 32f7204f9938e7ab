//! A durable log of segments on sled, in volumes that are dropped whole. The only file that knows sled.
//!
//! sled 0.34 keeps its high-water mark on disk after deletes and is slow with many small keys, so: one value per
//! group commit (a segment), nothing is ever deleted, and disk is given back by removing a volume's directory. It is
//! unmaintained (it pulls `fxhash` and `instant`, see deny.toml); whatever replaces it replaces this file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The layout of a volume. A worker reads its own and the one before; there is none before yet.
const FORMAT: u8 = 1;
const FORMAT_KEY: &[u8] = b"format";

/// Segments of one kind, numbered from 0 without a gap. One writer, any number of readers.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    limits: Limits,
    /// By the number of their first segment. The last one is written to.
    volumes: RwLock<BTreeMap<u64, Volume>>,
    next: AtomicU64,
    /// Segments below are on disk for good.
    flushed: AtomicU64,
    /// Something was written since the last flush.
    dirty: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A volume that has grown past this is followed by a new one.
    pub volume_bytes: u64,
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { volume_bytes: 256 << 20, cache_bytes: 4 << 20 }
    }
}

#[derive(Clone, Debug)]
struct Volume {
    db: sled::Db,
    bytes: u64,
}

/// What a log could not do, and where.
#[derive(Debug)]
pub struct StoreError {
    doing: &'static str,
    path: PathBuf,
    cause: String,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {} {}: {}", self.doing, self.path.display(), self.cause)
    }
}

impl std::error::Error for StoreError {}

impl Log {
    pub fn open(directory: &Path, limits: Limits) -> Result<Log, StoreError> {
        let failed = |doing, path: &Path, cause: &dyn std::fmt::Display| StoreError {
            doing,
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        fs::create_dir_all(directory).map_err(|e| failed("create", directory, &e))?;
        let mut volumes = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(|e| failed("list", directory, &e))? {
            let path = entry.map_err(|e| failed("list", directory, &e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with(DROPPED) {
                // A drop that a crash interrupted.
                fs::remove_dir_all(&path).map_err(|e| failed("remove", &path, &e))?;
            } else if let Some(first) =
                name.strip_prefix(VOLUME).and_then(|n| u64::from_str_radix(n, 16).ok())
            {
                volumes.insert(first, Volume::open(&path, limits)?);
            }
        }
        let next = match volumes.last_key_value() {
            None => 0,
            Some((&first, volume)) => volume.last_segment(directory)?.map_or(first, |last| last + 1),
        };
        let log = Log {
            directory: directory.to_owned(),
            limits,
            volumes: RwLock::new(volumes),
            next: AtomicU64::new(next),
            flushed: AtomicU64::new(next),
            dirty: AtomicBool::new(false),
        };
        if log.volumes().is_empty() {
            log.add_volume()?;
        }
        Ok(log)
    }

    /// Adds a segment and returns its number. It is durable after the next [`flush`](Self::flush).
    pub fn append(&self, segment: &[u8]) -> Result<u64, StoreError> {
        if self.newest().bytes >= self.limits.volume_bytes {
            self.flush()?;
            self.add_volume()?;
        }
        self.dirty.store(true, Ordering::Relaxed);
        let number = self.next.load(Ordering::Relaxed);
        let mut volumes = self.volumes.write().expect("no panic holds this lock");
        let volume = volumes.last_entry().expect("there is always a volume").into_mut();
        volume.db.insert(segment_key(number), segment).map_err(|e| self.error("append to", &e))?;
        volume.bytes += segment.len() as u64;
        self.next.store(number + 1, Ordering::Release);
        Ok(number)
    }

    /// Everything appended or set so far is on disk when this returns.
    pub fn flush(&self) -> Result<(), StoreError> {
        if !self.dirty.load(Ordering::Relaxed) {
            return Ok(());
        }
        let next = self.next.load(Ordering::Acquire);
        self.newest().db.flush().map_err(|e| self.error("flush", &e))?;
        self.flushed.store(next, Ordering::Release);
        self.dirty.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let volume = match self.volumes().range(..=segment).next_back() {
            Some((_, volume)) => volume.clone(),
            None => return Ok(None),
        };
        let value = volume.db.get(segment_key(segment)).map_err(|e| self.error("read from", &e))?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    /// The first segment that is still there (or would be).
    pub fn first(&self) -> u64 {
        *self.volumes().first_key_value().expect("there is always a volume").0
    }

    /// The first segment of the second volume: where the log would begin were its oldest volume dropped.
    pub fn second_volume(&self) -> Option<u64> {
        self.volumes().keys().nth(1).copied()
    }

    /// Segments below this are durable.
    pub fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// A small named value beside the segments; durable with the next flush.
    pub fn set_state(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.dirty.store(true, Ordering::Relaxed);
        self.newest().db.insert(state_key(name), value).map_err(|e| self.error("write state to", &e))?;
        Ok(())
    }

    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // A crash may have come between a new volume and the copy of the state into it.
        for volume in self.volumes().values().rev() {
            let value = volume.db.get(state_key(name)).map_err(|e| self.error("read state from", &e))?;
            if let Some(bytes) = value {
                return Ok(Some(bytes.to_vec()));
            }
        }
        Ok(None)
    }

    /// Drops the volumes in which every segment is below `segment`, and gives their disk back.
    pub fn drop_below(&self, segment: u64) -> Result<usize, StoreError> {
        let mut dropped = 0;
        loop {
            let first = {
                let mut volumes = self.volumes.write().expect("no panic holds this lock");
                let mut firsts = volumes.keys().copied();
                match (firsts.next(), firsts.next()) {
                    (Some(first), Some(second)) if second <= segment => {
                        volumes.remove(&first);
                        first
                    }
                    _ => return Ok(dropped),
                }
            };
            let path = self.volume_path(first);
            let doomed = self.directory.join(format!("{DROPPED}{first:016x}"));
            fs::rename(&path, &doomed)
                .and_then(|()| fs::remove_dir_all(&doomed))
                .map_err(|e| self.error("drop a volume of", &e))?;
            dropped += 1;
        }
    }

    /// Bytes of segments held: what limits are about. The disk holds somewhat more.
    pub fn bytes(&self) -> u64 {
        self.volumes().values().map(|v| v.bytes).sum()
    }

    fn add_volume(&self) -> Result<(), StoreError> {
        let first = self.next.load(Ordering::Relaxed);
        let volume = Volume::open(&self.volume_path(first), self.limits)?;
        if let Some((_, previous)) = self.volumes().last_key_value() {
            for state in previous.db.scan_prefix(STATE) {
                let (key, value) = state.map_err(|e| self.error("read state from", &e))?;
                volume.db.insert(key, value).map_err(|e| self.error("write state to", &e))?;
            }
        }
        volume.db.flush().map_err(|e| self.error("flush", &e))?;
        self.volumes.write().expect("no panic holds this lock").insert(first, volume);
        Ok(())
    }

    fn volumes(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u64, Volume>> {
        self.volumes.read().expect("no panic holds this lock")
    }

    fn newest(&self) -> Volume {
        self.volumes().last_key_value().expect("there is always a volume").1.clone()
    }

    fn volume_path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{VOLUME}{first:016x}"))
    }

    fn error(&self, doing: &'static str, cause: &dyn std::fmt::Display) -> StoreError {
        StoreError { doing, path: self.directory.clone(), cause: cause.to_string() }
    }
}

impl Volume {
    fn open(path: &Path, limits: Limits) -> Result<Volume, StoreError> {
        let failed = |cause: String| StoreError { doing: "open", path: path.to_owned(), cause };
        let db = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity(limits.cache_bytes)
            .open()
            .map_err(|e| failed(e.to_string()))?;
        match db.get(FORMAT_KEY).map_err(|e| failed(e.to_string()))?.as_deref() {
            Some([FORMAT]) => {}
            Some(other) => {
                return Err(failed(format!(
                    "it has format {other:?} and this version reads format {FORMAT}: use the version that wrote it"
                )));
            }
            None => {
                db.insert(FORMAT_KEY, &[FORMAT]).map_err(|e| failed(e.to_string()))?;
            }
        }
        let mut bytes = 0;
        for segment in db.scan_prefix(SEGMENT) {
            bytes += segment.map_err(|e| failed(e.to_string()))?.1.len() as u64;
        }
        Ok(Volume { db, bytes })
    }

    fn last_segment(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let failed = |cause: String| StoreError { doing: "read", path: path.to_owned(), cause };
        let Some(last) = self.db.scan_prefix(SEGMENT).next_back() else { return Ok(None) };
        let (key, _) = last.map_err(|e| failed(e.to_string()))?;
        let number = key.get(SEGMENT.len()..).and_then(|n| n.try_into().ok()).map(u64::from_be_bytes);
        number.map(Some).ok_or_else(|| failed(format!("a segment has the key {key:?}")))
    }
}

const VOLUME: &str = "volume-";
const DROPPED: &str = "dropped-";
const SEGMENT: &[u8] = b"segment/";
const STATE: &[u8] = b"state/";

fn segment_key(number: u64) -> Vec<u8> {
    [SEGMENT, &number.to_be_bytes()].concat()
}

fn state_key(name: &str) -> Vec<u8> {
    [STATE, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits { volume_bytes: 100, ..Limits::default() }
    }

    #[test]
    fn segments_and_state_survive_reopening_and_rolling() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        log.set_state("watermark", b"7").unwrap();
        for n in 0..10u8 {
            assert_eq!(log.append(&[n; 40]).unwrap(), u64::from(n));
        }
        log.flush().unwrap();
        assert_eq!(log.flushed(), 10);
        drop(log);
        let log = Log::open(directory.path(), small()).unwrap();
        assert_eq!(log.append(b"next").unwrap(), 10);
        assert_eq!(log.get(9).unwrap().unwrap(), [9; 40]);
        assert_eq!(log.get(11).unwrap(), None);
        assert_eq!(log.state("watermark").unwrap().unwrap(), b"7");
        assert_eq!(log.bytes(), 404);
    }

    #[test]
    fn dropping_gives_whole_volumes_back_and_never_the_one_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        (0..9).for_each(|n| assert_eq!(log.append(&[0; 40]).unwrap(), n));
        log.flush().unwrap();
        // Volumes begin at 0, 3 and 6.
        assert_eq!(log.drop_below(5).unwrap(), 1);
        assert_eq!((log.first(), log.get(2).unwrap()), (3, None));
        assert_eq!(log.drop_below(100).unwrap(), 1);
        assert_eq!(log.first(), 6);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_volume_of_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        log.newest().db.insert(FORMAT_KEY, &[9]).unwrap();
        log.flush().unwrap();
        drop(log);
        let error = Log::open(directory.path(), small()).unwrap_err().to_string();
        assert!(error.contains("format [9]") && error.contains("reads format 1"), "{error}");
    }
}
