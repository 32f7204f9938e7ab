//! A durable log of segments on sled, in volumes that are dropped whole. The only file that knows sled.
//!
//! sled 0.34 keeps its high-water mark on disk after deletes and is slow with many small keys, so: one value per
//! group commit (a segment), nothing is ever deleted, and disk is given back by removing a volume's directory. It is
//! unmaintained (it pulls `fxhash` and `instant`, see deny.toml); whatever replaces it replaces this file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

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
    pending: Mutex<Pending>,
    /// Segments below are on disk for good.
    flushed: AtomicU64,
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

#[derive(Debug)]
struct Volume {
    /// `None` after a failure, until it could be opened again.
    db: Option<sled::Db>,
    bytes: u64,
}

/// What has not been flushed. It is kept until it has: after a failure sled takes nothing in until it is opened anew,
/// and has then forgotten what was not on disk.
#[derive(Debug, Default)]
struct Pending {
    /// The number of the next segment.
    next: u64,
    segments: Vec<(u64, Vec<u8>)>,
    state: BTreeMap<String, Vec<u8>>,
    failed: bool,
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
            pending: Mutex::new(Pending { next, ..Pending::default() }),
            flushed: AtomicU64::new(next),
        };
        if log.volumes().is_empty() {
            log.add_volume(next)?;
        }
        Ok(log)
    }

    /// Adds a segment and returns its number. It is durable after the next [`flush`](Self::flush), and can be read then.
    pub fn append(&self, segment: Vec<u8>) -> u64 {
        let mut pending = self.pending();
        let number = pending.next;
        pending.next += 1;
        pending.segments.push((number, segment));
        number
    }

    /// Sets a small named value beside the segments; durable with the next flush.
    pub fn set_state(&self, name: &str, value: Vec<u8>) {
        self.pending().state.insert(name.to_owned(), value);
    }

    /// Everything appended or set so far is on disk when this succeeds. When it fails, all of that is kept and can be
    /// flushed again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut pending = self.pending();
        if pending.segments.is_empty() && pending.state.is_empty() {
            return Ok(());
        }
        if pending.failed {
            self.reopen()?;
            pending.failed = false;
        }
        if self.newest_bytes() >= self.limits.volume_bytes {
            let first = pending.segments.first().map_or(pending.next, |(number, _)| *number);
            self.add_volume(first)?;
        }
        let mut batch = sled::Batch::default();
        for (number, segment) in &pending.segments {
            batch.insert(segment_key(*number), segment.as_slice());
        }
        for (name, value) in &pending.state {
            batch.insert(state_key(name), value.as_slice());
        }
        // A handle of its own: readers need not wait for the disk.
        let db = self.newest()?;
        let written = db.apply_batch(batch).and_then(|()| db.flush());
        drop(db);
        if let Err(cause) = written {
            pending.failed = true;
            return Err(self.error("write to", &cause));
        }
        let bytes = pending.segments.iter().map(|(_, segment)| segment.len() as u64).sum::<u64>();
        self.volumes_mut().last_entry().expect("there is always a volume").get_mut().bytes += bytes;
        pending.segments.clear();
        pending.state.clear();
        self.flushed.store(pending.next, Ordering::Release);
        Ok(())
    }

    pub fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, StoreError> {
        // The lock is held while reading: a volume that is opened anew must be nobody else's.
        let volumes = self.volumes();
        let Some((_, volume)) = volumes.range(..=segment).next_back() else { return Ok(None) };
        let value = volume.db(&self.directory)?.get(segment_key(segment));
        Ok(value.map_err(|e| self.error("read from", &e))?.map(|bytes| bytes.to_vec()))
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

    /// What was set and flushed last.
    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // A crash may have come between a new volume and the copy of the state into it.
        for volume in self.volumes().values().rev() {
            let value = volume.db(&self.directory)?.get(state_key(name));
            if let Some(bytes) = value.map_err(|e| self.error("read state from", &e))? {
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
                let mut volumes = self.volumes_mut();
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

    /// Begins a new volume if the newest is full, so that it too can be dropped. The log may then be empty; its segments'
    /// numbers and its state go on all the same.
    pub fn roll(&self) -> Result<(), StoreError> {
        if self.is_full() {
            self.flush()?;
            self.add_volume(self.flushed())?;
        }
        Ok(())
    }

    /// Is the newest volume full?
    pub fn is_full(&self) -> bool {
        self.newest_bytes() >= self.limits.volume_bytes.max(1)
    }

    /// Bytes of segments held: what limits are about. The disk holds somewhat more.
    pub fn bytes(&self) -> u64 {
        self.volumes().values().map(|v| v.bytes).sum()
    }

    fn add_volume(&self, first: u64) -> Result<(), StoreError> {
        if self.volumes().contains_key(&first) {
            // It is empty: there is none to begin.
            return Ok(());
        }
        let volume = Volume::open(&self.volume_path(first), self.limits)?;
        let db = volume.db(&self.directory)?;
        if let Some((_, previous)) = self.volumes().last_key_value() {
            for state in previous.db(&self.directory)?.scan_prefix(STATE) {
                let (key, value) = state.map_err(|e| self.error("read state from", &e))?;
                db.insert(key, value).map_err(|e| self.error("write state to", &e))?;
            }
        }
        db.flush().map_err(|e| self.error("flush", &e))?;
        self.volumes_mut().insert(first, volume);
        Ok(())
    }

    /// Opens the newest volume anew, as after a crash.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut volumes = self.volumes_mut();
        let (&first, volume) = volumes.iter_mut().next_back().expect("there is always a volume");
        // sled locks its files: the old handle must be gone before there can be a new one.
        drop(volume.db.take());
        *volume = Volume::open(&self.volume_path(first), self.limits)?;
        Ok(())
    }

    fn volumes(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Volume>> {
        self.volumes.read().expect("no panic holds this lock")
    }

    fn volumes_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Volume>> {
        self.volumes.write().expect("no panic holds this lock")
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no panic holds this lock")
    }

    fn newest(&self) -> Result<sled::Db, StoreError> {
        let volumes = self.volumes();
        volumes.last_key_value().expect("there is always a volume").1.db(&self.directory).cloned()
    }

    fn newest_bytes(&self) -> u64 {
        self.volumes().last_key_value().expect("there is always a volume").1.bytes
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
        // What is on disk, not a walk through every value: a start is to be quick.
        let empty = db.scan_prefix(SEGMENT).next().is_none();
        let bytes = if empty { 0 } else { db.size_on_disk().map_err(|e| failed(e.to_string()))? };
        Ok(Volume { db: Some(db), bytes })
    }

    fn db(&self, directory: &Path) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError {
            doing: "use",
            path: directory.to_owned(),
            cause: "it failed and could not be opened again yet".to_owned(),
        })
    }

    fn last_segment(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let failed = |cause: String| StoreError { doing: "read", path: path.to_owned(), cause };
        let Some(last) = self.db(path)?.scan_prefix(SEGMENT).next_back() else { return Ok(None) };
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
        log.set_state("watermark", b"7".to_vec());
        for n in 0..10u8 {
            assert_eq!(log.append(vec![n; 40]), u64::from(n));
            log.flush().unwrap();
        }
        log.flush().unwrap();
        assert_eq!(log.flushed(), 10);
        drop(log);
        let log = Log::open(directory.path(), small()).unwrap();
        assert_eq!((log.append(b"next".to_vec()), log.get(10).unwrap()), (10, None));
        assert_eq!(log.get(9).unwrap().unwrap(), [9; 40]);
        assert_eq!(log.get(11).unwrap(), None);
        assert_eq!(log.state("watermark").unwrap().unwrap(), b"7");
        log.flush().unwrap();
        assert_eq!(log.get(10).unwrap().unwrap(), b"next");
    }

    #[test]
    fn dropping_gives_whole_volumes_back_and_never_the_one_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        for n in 0..9 {
            assert_eq!(log.append(vec![0; 40]), n);
            log.flush().unwrap();
        }
        // Volumes begin at 0, 3 and 6.
        assert_eq!(log.drop_below(5).unwrap(), 1);
        assert_eq!((log.first(), log.get(2).unwrap()), (3, None));
        assert_eq!(log.drop_below(100).unwrap(), 1);
        assert_eq!(log.first(), 6);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_log_can_be_emptied_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        log.set_state("watermark", b"7".to_vec());
        (0..3).for_each(|n| assert_eq!(log.append(vec![0; 40]), n));
        log.flush().unwrap();
        log.roll().unwrap();
        log.roll().unwrap();
        assert_eq!((log.drop_below(3).unwrap(), log.bytes(), log.first()), (1, 0, 3));
        drop(log);
        let log = Log::open(directory.path(), small()).unwrap();
        assert_eq!((log.first(), log.flushed(), log.append(b"next".to_vec())), (3, 3, 3));
        assert_eq!(log.state("watermark").unwrap().unwrap(), b"7");
    }

    /// What happens after sled has failed: it is opened anew, and what was pending is still there.
    #[test]
    fn what_is_pending_survives_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        log.append(b"before".to_vec());
        log.flush().unwrap();
        log.append(b"pending".to_vec());
        log.set_state("watermark", b"1".to_vec());
        log.pending().failed = true;
        log.flush().unwrap();
        assert_eq!(log.get(0).unwrap().unwrap(), b"before");
        assert_eq!(log.get(1).unwrap().unwrap(), b"pending");
        assert_eq!(log.state("watermark").unwrap().unwrap(), b"1");
    }

    #[test]
    fn a_volume_of_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        log.volumes()[&0].db.as_ref().unwrap().insert(FORMAT_KEY, &[9]).unwrap();
        log.volumes()[&0].db.as_ref().unwrap().flush().unwrap();
        drop(log);
        let error = Log::open(directory.path(), small()).unwrap_err().to_string();
        assert!(error.contains("format [9]") && error.contains("reads format 1"), "{error}");
    }
}
