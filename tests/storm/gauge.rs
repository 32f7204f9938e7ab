//! How much the worker takes up: its directories and its memory, now and at most.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at a data directory again and again.
#[derive(Debug)]
pub(crate) struct Gauge {
    data: PathBuf,
    peak: Arc<Mutex<Disk>>,
    memory: AtomicU64,
    stop: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

/// Bytes by directory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) queue: u64,
    pub(crate) parking: u64,
    pub(crate) journal: u64,
}

impl Disk {
    pub(crate) fn of(data: &Path) -> Disk {
        let size = |name: &str| size(&data.join(name));
        Disk { queue: size("queue"), parking: size("parking"), journal: size("journal") }
    }

    fn max(self, other: Disk) -> Disk {
        Disk {
            queue: self.queue.max(other.queue),
            parking: self.parking.max(other.parking),
            journal: self.journal.max(other.journal),
        }
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [queue, parking, journal] = [self.queue, self.parking, self.journal].map(|bytes| bytes >> 20);
        write!(f, "queue {queue} MiB, parking {parking} MiB, journal {journal} MiB")
    }
}

impl Gauge {
    pub(crate) fn watch(data: PathBuf) -> Gauge {
        let peak = Arc::new(Mutex::new(Disk::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, until, at) = (Arc::clone(&peak), Arc::clone(&stop), data.clone());
        let looking = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                let now = Disk::of(&at);
                let mut peak = into.lock().unwrap();
                *peak = peak.max(now);
                drop(peak);
                std::thread::sleep(INTERVAL);
            }
        });
        Gauge { data, peak, memory: AtomicU64::new(0), stop, looking: Some(looking) }
    }

    pub(crate) fn now(&self) -> Disk {
        Disk::of(&self.data)
    }

    pub(crate) fn peak(&self) -> Disk {
        *self.peak.lock().unwrap()
    }

    /// Takes down the most memory that a process has had so far, in KiB.
    pub(crate) fn weigh(&self, process: u32) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        self.memory.fetch_max(kib, Ordering::Relaxed).max(kib)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.looking.take().map(JoinHandle::join);
    }
}

/// What goes away while it is looked at does not count.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
