//! A durable log of segments, in volumes that are dropped whole.
//!
//! sled keeps its high-water mark on disk after deletes and is slow with many small keys, so: one value per group commit
//! (a segment), nothing is ever deleted, and disk is given back by removing a volume's directory.

pub mod disk;
#[cfg(test)]
mod log_tests;
mod place;
pub mod shelf;
#[cfg(test)]
mod shelf_tests;
mod shelved;
/// For tests, those of this crate and those that drive it from outside.
#[doc(hidden)]
pub mod simulated;
mod volume;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use disk::{Cause, Disk, States, Volume};

/// Volumes behind the newest that may be open for readers at once.
const OPEN: usize = 2;

/// Segments of one kind, numbered from 0 without a gap. One writer, any number of readers.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    limits: Limits,
    /// By the number of their first segment. The last one is written to.
    volumes: RwLock<BTreeMap<u64, Slot>>,
    /// Volumes that nobody needs any more and that are still on disk.
    doomed: Mutex<VecDeque<u64>>,
    pending: Mutex<Pending>,
    /// Segments below are on disk for good.
    flushed: AtomicU64,
    /// There was nothing of it when it was opened.
    is_new: bool,
}

/// A volume's place.
#[derive(Debug)]
struct Slot {
    bytes: u64,
    open: Option<Arc<dyn Volume>>,
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

/// What has not been flushed. It is kept until it has: after a failure a volume takes nothing in until it is opened anew,
/// and has then forgotten what was not on disk.
#[derive(Debug, Default)]
struct Pending {
    /// The number of the next segment.
    next: u64,
    segments: Vec<(u64, Vec<u8>)>,
    state: States,
    failed: bool,
}

/// What a log could not do, and where.
#[derive(Debug)]
pub struct StoreError {
    doing: &'static str,
    place: String,
    cause: Cause,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {} {}: {}", self.doing, self.place, self.cause)
    }
}

impl std::error::Error for StoreError {}

impl Log {
    pub fn open(directory: &Path, limits: Limits) -> Result<Log, StoreError> {
        let disk = volume::Directory::make(directory).map_err(|error| StoreError {
            doing: "create",
            place: directory.display().to_string(),
            cause: error.into(),
        })?;
        Log::open_on(Arc::new(disk), limits)
    }

    pub fn open_on(disk: Arc<dyn Disk>, limits: Limits) -> Result<Log, StoreError> {
        let found = disk.list();
        let mut log = Log {
            disk,
            limits,
            volumes: RwLock::default(),
            doomed: Mutex::default(),
            pending: Mutex::default(),
            flushed: AtomicU64::new(0),
            is_new: false,
        };
        for (first, bytes) in found.map_err(|e| log.error("look into", e))? {
            log.volumes_mut().insert(first, Slot { bytes, open: None });
        }
        let is_new = log.volumes().is_empty();
        log.is_new = is_new;
        if is_new {
            log.add_volume(0)?;
        }
        let next = log.newest(|first, newest| -> Result<u64, Cause> {
            let last = newest.open(&*log.disk, first)?.last_segment()?;
            Ok(last.map_or(first, |last| last + 1))
        });
        let next = next.map_err(|e| log.error("open", e))?;
        log.pending().next = next;
        log.flushed.store(next, Ordering::Release);
        log.carry_states(next)?;
        Ok(log)
    }

    /// A crash may have come between a new volume and the copy of the states into it: they are written with the next
    /// flush, or would go with the volumes before.
    fn carry_states(&self, next: u64) -> Result<(), StoreError> {
        let firsts: Vec<u64> = self.volumes().keys().rev().copied().take(2).collect();
        let [newest, before] = firsts[..] else { return Ok(()) };
        if newest != next {
            return Ok(());
        }
        let states = |first| {
            let read = self.reading(first, |volume| volume.states());
            read.map(Option::unwrap_or_default).map_err(|e| self.error("read state from", e))
        };
        let there = states(newest)?;
        let mut missing = states(before)?;
        missing.retain(|name, _| !there.contains_key(name));
        self.pending().state = missing;
        Ok(())
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
            let reopened = self.newest(|first, newest| {
                newest.open = None;
                newest.open(&*self.disk, first).map(drop)
            });
            reopened.map_err(|e| self.error("open again", e))?;
            pending.failed = false;
        }
        if self.newest_bytes() >= self.limits.volume_bytes {
            let first = pending.segments.first().map_or(pending.next, |(number, _)| *number);
            self.add_volume(first)?;
        }
        // A handle of its own: who reads does not have to wait for the disk.
        let writer = self.newest(|first, newest| newest.open(&*self.disk, first));
        let writer = writer.map_err(|e| self.error("write to", e))?;
        let written = writer.write(&pending.segments, &pending.state);
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

    /// The number that the next segment will have.
    pub fn next(&self) -> u64 {
        self.pending().next
    }

    /// For people: where it is.
    pub fn name(&self) -> String {
        self.disk.name()
    }

    /// Was there nothing of it, not even an empty volume, when it was opened?
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// How many volumes it has.
    pub fn volumes_held(&self) -> usize {
        self.volumes().len()
    }

    /// Segments below this are durable.
    pub fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// What was set and flushed last.
    pub fn state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // A crash may have come between a new volume and the copy of the state into it. What neither has was never set: to open
        // all of a long log for that would take its time.
        let newest_first: Vec<u64> = self.volumes().keys().rev().copied().take(2).collect();
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
        let mut doomed = self.doomed.lock().expect("no panic holds this lock");
        loop {
            let mut volumes = self.volumes_mut();
            let mut firsts = volumes.keys().copied();
            let (Some(first), Some(second)) = (firsts.next(), firsts.next()) else { break };
            if second > segment {
                break;
            }
            volumes.remove(&first);
            doomed.push_back(first);
        }
        // Oldest first: were one to stay behind and a later one go, the next to open the log would find a gap.
        let mut dropped = 0;
        while let Some(&first) = doomed.front() {
            self.disk.remove(first).map_err(|e| self.error("drop a volume of", e))?;
            doomed.pop_front();
            dropped += 1;
        }
        Ok(dropped)
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
        let newest = self.volumes().last_key_value().map(|(&newest, _)| newest);
        let states = match newest {
            // It is empty: there is none to begin.
            Some(newest) if newest == first => return Ok(()),
            Some(newest) => {
                let states = self.reading(newest, |volume| volume.states());
                states.map_err(|e| self.error("read state from", e))?.unwrap_or_default()
            }
            None => States::new(),
        };
        let volume = self.disk.create(first, &states).map_err(|e| self.error("begin a volume of", e))?;
        let mut volumes = self.volumes_mut();
        // Who still reads the last one should not have to open it again; in the others there is nobody, as a rule.
        volumes.values_mut().rev().skip(1).for_each(|slot| slot.open = None);
        volumes.insert(first, Slot { bytes: 0, open: Some(volume) });
        Ok(())
    }

    /// Reads from a volume, opened if need be. `None`: it was dropped meanwhile. The lock is held: what is read is not
    /// closed or dropped under the reader.
    fn reading<T>(
        &self,
        first: u64,
        read: impl Fn(&dyn Volume) -> Result<T, Cause>,
    ) -> Result<Option<T>, Cause> {
        loop {
            match self.volumes().get(&first) {
                None => return Ok(None),
                Some(Slot { open: Some(volume), .. }) => return read(&**volume).map(Some),
                Some(_) => {}
            }
            let mut volumes = self.volumes_mut();
            let newest = *volumes.last_key_value().expect("there is always a volume").0;
            let open =
                volumes.iter().filter(|&(&f, slot)| slot.open.is_some() && f != newest).map(|(&f, _)| f);
            let open: Vec<u64> = open.collect();
            for first in &open[..(open.len() + 1).saturating_sub(OPEN)] {
                volumes.get_mut(first).expect("it was found").open = None;
            }
            if let Some(slot) = volumes.get_mut(&first) {
                slot.open(&*self.disk, first)?;
            }
        }
    }

    fn newest<T>(&self, with: impl FnOnce(u64, &mut Slot) -> T) -> T {
        let mut volumes = self.volumes_mut();
        let (&first, volume) = volumes.iter_mut().next_back().expect("there is always a volume");
        with(first, volume)
    }

    fn newest_bytes(&self) -> u64 {
        self.volumes().last_key_value().expect("there is always a volume").1.bytes
    }

    fn volumes(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Slot>> {
        self.volumes.read().expect("no panic holds this lock")
    }

    fn volumes_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Slot>> {
        self.volumes.write().expect("no panic holds this lock")
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no panic holds this lock")
    }

    fn error(&self, doing: &'static str, cause: impl Into<Cause>) -> StoreError {
        StoreError { doing, place: self.disk.name(), cause: cause.into() }
    }
}

impl Slot {
    fn open(&mut self, disk: &dyn Disk, first: u64) -> Result<Arc<dyn Volume>, Cause> {
        if let Some(volume) = &self.open {
            return Ok(Arc::clone(volume));
        }
        let volume = disk.open(first)?;
        // An empty one takes up room, too, but none that could be given back.
        if volume.last_segment()?.is_none() {
            self.bytes = 0;
        }
        self.open = Some(Arc::clone(&volume));
        Ok(volume)
    }
}
