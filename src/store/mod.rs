//! A durable log of segments, in volumes that are dropped whole.
//!
//! sled keeps its high-water mark on disk after deletes and is slow with many small keys, so: one value per group commit
//! (a segment), nothing is ever deleted, and disk is given back by removing a volume's directory.

mod volume;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use volume::{Cause, Volume};

/// The layout of a volume stands in its directory's name. A worker reads its own and the one before; there is none yet.
const VOLUME: &str = "volume-1-";
const ANY_VOLUME: &str = "volume-";
const DROPPED: &str = "dropped-";
/// Volumes behind the newest that may be open for readers at once.
const OPEN: usize = 2;

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
}

impl Default for Limits {
    /// Small, because an open volume is in memory.
    fn default() -> Limits {
        Limits { volume_bytes: 16 << 20 }
    }
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
    cause: Cause,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {} {}: {}", self.doing, self.path.display(), self.cause)
    }
}

impl std::error::Error for StoreError {}

impl Log {
    pub fn open(directory: &Path, limits: Limits) -> Result<Log, StoreError> {
        let log = Log {
            directory: directory.to_owned(),
            limits,
            volumes: RwLock::default(),
            pending: Mutex::default(),
            flushed: AtomicU64::new(0),
        };
        fs::create_dir_all(directory).map_err(|e| log.error("create", e))?;
        for entry in fs::read_dir(directory).map_err(|e| log.error("list", e))? {
            let path = entry.map_err(|e| log.error("list", e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with(DROPPED) {
                // A drop that a crash interrupted.
                fs::remove_dir_all(&path).map_err(|e| log.error("finish a drop in", e))?;
            } else if let Some(first) =
                name.strip_prefix(VOLUME).and_then(|n| u64::from_str_radix(n, 16).ok())
            {
                let volume = Volume::closed(path).map_err(|e| log.error("look into", e))?;
                log.volumes_mut().insert(first, volume);
            } else if name.starts_with(ANY_VOLUME) {
                let cause =
                    format!("{name} has a format that this version does not read: use the one that wrote it");
                return Err(log.error("open", cause));
            }
        }
        if log.volumes().is_empty() {
            log.add_volume(0)?;
        }
        let next = log.newest(|first, newest| -> Result<u64, Cause> {
            newest.open()?;
            Ok(newest.last_segment()?.map_or(first, |last| last + 1))
        });
        let next = next.map_err(|e| log.error("open", e))?;
        log.pending().next = next;
        log.flushed.store(next, Ordering::Release);
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
            // As after a crash: the old handle must be gone before there can be a new one.
            let reopened = self.newest(|_, newest| {
                newest.close();
                newest.open()
            });
            reopened.map_err(|e| self.error("open again", e))?;
            pending.failed = false;
        }
        if self.newest_bytes() >= self.limits.volume_bytes {
            let first = pending.segments.first().map_or(pending.next, |(number, _)| *number);
            self.add_volume(first)?;
        }
        let writer = self.newest(|_, newest| newest.writer()).map_err(|e| self.error("write to", e))?;
        let written = writer.write(
            pending.segments.iter().map(|(number, segment)| (*number, segment.as_slice())),
            pending.state.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        drop(writer);
        if let Err(cause) = written {
            pending.failed = true;
            return Err(self.error("write to", cause));
        }
        let bytes = pending.segments.iter().map(|(_, segment)| segment.len() as u64).sum::<u64>();
        self.newest(|_, newest| newest.bytes += bytes);
        pending.segments.clear();
        pending.state.clear();
        self.flushed.store(pending.next, Ordering::Release);
        Ok(())
    }

    pub fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(first) = self.volumes().range(..=segment).next_back().map(|(&first, _)| first) else {
            return Ok(None);
        };
        let found = self.reading(first, |volume| volume.get(segment));
        found.map(Option::flatten).map_err(|e| self.error("read from", e))
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
        let newest_first: Vec<u64> = self.volumes().keys().rev().copied().collect();
        for first in newest_first {
            let found = self.reading(first, |volume| volume.state(name));
            if let Some(value) = found.map_err(|e| self.error("read state from", e))?.flatten() {
                return Ok(Some(value));
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
            let doomed = self.directory.join(format!("{DROPPED}{first:016x}"));
            fs::rename(self.volume_path(first), &doomed)
                .and_then(|()| fs::remove_dir_all(&doomed))
                .map_err(|e| self.error("drop a volume of", e))?;
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

    /// Bytes held: what limits are about.
    pub fn bytes(&self) -> u64 {
        self.volumes().values().map(|v| v.bytes).sum()
    }

    /// A new newest volume, with the state of the one before.
    fn add_volume(&self, first: u64) -> Result<(), StoreError> {
        let state = match self.volumes().last_key_value() {
            // It is empty: there is none to begin.
            Some((&newest, _)) if newest == first => return Ok(()),
            Some((_, previous)) => previous.states().map_err(|e| self.error("read state from", e))?,
            None => Vec::new(),
        };
        let made = (|| {
            let path = self.volume_path(first);
            let mut volume = Volume::closed(path.clone())?;
            volume.open()?;
            let states = state.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            volume.writer()?.write(std::iter::empty(), states)?;
            // Else a power cut could take the directory with all that is flushed into it.
            fs::File::open(path)?.sync_all()?;
            fs::File::open(&self.directory)?.sync_all()?;
            Ok(volume)
        })();
        let volume = made.map_err(|e: Cause| self.error("begin a volume of", e))?;
        let mut volumes = self.volumes_mut();
        // Who still reads the last one should not have to open it again; in the others there is nobody, as a rule.
        volumes.values_mut().rev().skip(1).for_each(Volume::close);
        volumes.insert(first, volume);
        Ok(())
    }

    /// Reads from a volume, opened if need be. `None`: it was dropped meanwhile. The lock is held: what is read is not
    /// closed or dropped under the reader.
    fn reading<T>(&self, first: u64, read: impl Fn(&Volume) -> Result<T, Cause>) -> Result<Option<T>, Cause> {
        loop {
            match self.volumes().get(&first) {
                None => return Ok(None),
                Some(volume) if volume.is_open() => return read(volume).map(Some),
                Some(_) => {}
            }
            let mut volumes = self.volumes_mut();
            let newest = *volumes.last_key_value().expect("there is always a volume").0;
            let open = volumes.iter().filter(|&(&f, v)| v.is_open() && f != newest).map(|(&f, _)| f);
            let open: Vec<u64> = open.collect();
            for first in &open[..(open.len() + 1).saturating_sub(OPEN)] {
                volumes.get_mut(first).expect("it was found").close();
            }
            if let Some(volume) = volumes.get_mut(&first) {
                volume.open()?;
            }
        }
    }

    fn newest<T>(&self, with: impl FnOnce(u64, &mut Volume) -> T) -> T {
        let mut volumes = self.volumes_mut();
        let (&first, volume) = volumes.iter_mut().next_back().expect("there is always a volume");
        with(first, volume)
    }

    fn newest_bytes(&self) -> u64 {
        self.volumes().last_key_value().expect("there is always a volume").1.bytes
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

    fn volume_path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{VOLUME}{first:016x}"))
    }

    fn error(&self, doing: &'static str, cause: impl Into<Cause>) -> StoreError {
        StoreError { doing, path: self.directory.clone(), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits { volume_bytes: 100 }
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
    fn volumes_that_nobody_reads_are_closed() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path(), small()).unwrap();
        for n in 0..30u8 {
            log.append(vec![n; 40]);
            log.flush().unwrap();
        }
        for pass in 0..2 {
            for n in 0..30 {
                assert_eq!(log.get(n).unwrap().unwrap(), [n as u8; 40], "in pass {pass}");
            }
        }
        let open = log.volumes().values().filter(|v| v.is_open()).count();
        assert!(open <= OPEN + 1, "{open} of {} are open", log.volumes().len());
    }

    #[test]
    fn a_volume_of_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("volume-9-0000000000000000")).unwrap();
        let error = Log::open(directory.path(), small()).unwrap_err().to_string();
        assert!(error.contains("volume-9-") && error.contains("does not read"), "{error}");
    }
}
