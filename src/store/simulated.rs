//! A disk in memory that crashes, fails and is full when it is told to. It has no will of its own: the same calls always
//! end the same. What it holds outlives whoever writes to it, as a real disk outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Cause, Disk, States, Volume};

/// The disk of one machine, with a directory for each log. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Inner>>);

/// Counted from the start; a crash does not set them back. A step is whatever changes the disk: a batch, a new volume, a
/// volume that goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    pub taken: u64,
    pub failed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How many steps go well before it.
    pub after: u64,
    /// Is what the step wrote on disk all the same, as after an fsync that failed too late?
    pub durable: bool,
    /// Does every later step fail, too, until the crash? Else it is this one alone.
    pub lasting: bool,
}

#[derive(Debug, Default)]
struct Inner {
    volumes: BTreeMap<(String, u64), Stored>,
    /// Who opened a volume before the last crash writes nothing more.
    life: u64,
    steps: Steps,
    fault: Option<Fault>,
    dead: bool,
    capacity: Option<u64>,
}

#[derive(Debug, Default)]
struct Stored {
    segments: BTreeMap<u64, Vec<u8>>,
    states: States,
    bytes: u64,
    /// It takes nothing from a handle that has seen a failure.
    opened: u64,
}

enum Verdict {
    Well,
    Fails { durable: bool },
}

impl SimulatedDisk {
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    pub fn directory(&self, name: &str) -> Arc<dyn Disk> {
        Arc::new(SimulatedDirectory { disk: self.clone(), name: name.to_owned() })
    }

    /// The process is gone, and what it had open with it. What was flushed is there; faults are over.
    pub fn crash(&self) {
        let mut inner = self.inner();
        inner.life += 1;
        inner.fault = None;
        inner.dead = false;
    }

    /// The next fault; takes the place of one that has not come yet.
    pub fn fail(&self, fault: Fault) {
        self.inner().fault = Some(fault);
    }

    /// What fails goes well again.
    pub fn mend(&self) {
        let mut inner = self.inner();
        inner.fault = None;
        inner.dead = false;
    }

    /// Room for so many bytes of segments. `None`: for all.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.inner().capacity = bytes;
    }

    pub fn steps(&self) -> Steps {
        self.inner().steps
    }

    /// Bytes of segments on it.
    pub fn bytes(&self) -> u64 {
        self.inner().bytes()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic holds this lock")
    }
}

impl Inner {
    fn bytes(&self) -> u64 {
        self.volumes.values().map(|volume| volume.bytes).sum()
    }

    /// How the next step ends.
    fn step(&mut self, added: u64) -> Verdict {
        let full = self.capacity.is_some_and(|capacity| added > 0 && self.bytes() + added > capacity);
        let mut verdict = if self.dead || full { Verdict::Fails { durable: false } } else { Verdict::Well };
        if let (Verdict::Well, Some(fault)) = (&verdict, &mut self.fault) {
            if fault.after > 0 {
                fault.after -= 1;
            } else {
                verdict = Verdict::Fails { durable: fault.durable };
                self.dead = fault.lasting;
                self.fault = None;
            }
        }
        match verdict {
            Verdict::Well => self.steps.taken += 1,
            Verdict::Fails { .. } => self.steps.failed += 1,
        }
        verdict
    }
}

#[derive(Debug)]
struct SimulatedDirectory {
    disk: SimulatedDisk,
    name: String,
}

impl SimulatedDirectory {
    fn key(&self, first: u64) -> (String, u64) {
        (self.name.clone(), first)
    }

    fn handle(&self, inner: &mut Inner, first: u64) -> Result<Arc<dyn Volume>, Cause> {
        let life = inner.life;
        let stored = inner.volumes.get_mut(&self.key(first)).ok_or("there is no such volume")?;
        stored.opened += 1;
        Ok(Arc::new(Handle { disk: self.disk.clone(), key: self.key(first), life, opened: stored.opened }))
    }
}

impl Disk for SimulatedDirectory {
    fn name(&self) -> String {
        format!("simulated {}", self.name)
    }

    fn list(&self) -> Result<Vec<(u64, u64)>, Cause> {
        let inner = self.disk.inner();
        let all = inner.volumes.range(self.key(0)..=self.key(u64::MAX));
        Ok(all.map(|((_, first), volume)| (*first, volume.bytes)).collect())
    }

    fn create(&self, first: u64, states: &States) -> Result<Arc<dyn Volume>, Cause> {
        let mut inner = self.disk.inner();
        let verdict = inner.step(0);
        // One that fails leaves a volume without its states behind: the worst that a real one can.
        let stored = inner.volumes.entry(self.key(first)).or_default();
        if matches!(verdict, Verdict::Well | Verdict::Fails { durable: true }) {
            stored.states.extend(states.clone());
        }
        match verdict {
            Verdict::Well => self.handle(&mut inner, first),
            Verdict::Fails { .. } => Err("no volume can be made now".into()),
        }
    }

    fn open(&self, first: u64) -> Result<Arc<dyn Volume>, Cause> {
        self.handle(&mut self.disk.inner(), first)
    }

    fn remove(&self, first: u64) -> Result<(), Cause> {
        let mut inner = self.disk.inner();
        let verdict = inner.step(0);
        if matches!(verdict, Verdict::Well | Verdict::Fails { durable: true }) {
            inner.volumes.remove(&self.key(first));
        }
        match verdict {
            Verdict::Well => Ok(()),
            Verdict::Fails { .. } => Err("the volume can't be removed now".into()),
        }
    }
}

/// A volume as one process has it open.
#[derive(Debug)]
struct Handle {
    disk: SimulatedDisk,
    key: (String, u64),
    life: u64,
    opened: u64,
}

impl Handle {
    fn with<T>(&self, read: impl FnOnce(&Stored) -> T) -> Result<T, Cause> {
        let inner = self.disk.inner();
        let stored = inner.volumes.get(&self.key).filter(|_| inner.life == self.life);
        stored.map(read).ok_or_else(|| "the volume is not there any more".into())
    }
}

impl Volume for Handle {
    fn get(&self, segment: u64) -> Result<Option<Vec<u8>>, Cause> {
        self.with(|stored| stored.segments.get(&segment).cloned())
    }

    fn state(&self, name: &str) -> Result<Option<Vec<u8>>, Cause> {
        self.with(|stored| stored.states.get(name).cloned())
    }

    fn states(&self) -> Result<States, Cause> {
        self.with(|stored| stored.states.clone())
    }

    fn last_segment(&self) -> Result<Option<u64>, Cause> {
        self.with(|stored| stored.segments.last_key_value().map(|(&number, _)| number))
    }

    fn write(&self, segments: &[(u64, Vec<u8>)], states: &States) -> Result<(), Cause> {
        let inner = &mut *self.disk.inner();
        if inner.life != self.life {
            return Err("the process of this handle is gone".into());
        }
        let open = inner.volumes.get(&self.key).is_some_and(|stored| stored.opened == self.opened);
        if !open {
            return Err("the volume has failed or is gone: open it anew".into());
        }
        let added = segments.iter().map(|(_, segment)| segment.len() as u64).sum();
        let verdict = inner.step(added);
        let stored = inner.volumes.get_mut(&self.key).expect("it was found");
        if matches!(verdict, Verdict::Well | Verdict::Fails { durable: true }) {
            for (number, segment) in segments {
                let replaced = stored.segments.insert(*number, segment.clone());
                stored.bytes += segment.len() as u64;
                stored.bytes -= replaced.map_or(0, |segment| segment.len() as u64);
            }
            stored.states.extend(states.clone());
        }
        match verdict {
            Verdict::Well => Ok(()),
            Verdict::Fails { .. } => {
                stored.opened += 1;
                Err("the write failed".into())
            }
        }
    }
}
