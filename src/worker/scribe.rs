//! The one thread that writes to disk: the archive, with channels around it and patience with a disk that fails. Whatever has gathered while the last flush ran is written and flushed together
//! (group commit), then everyone is answered: publishers with 202, the loop with the deliveries that have settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backoff::backoff::Backoff;
use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender, TryRecvError};
use tokio::sync::oneshot;

use super::archive::{Archive, Attempt};
use crate::dispatch::{Key, Progress};
use crate::source::{Accepted, Refused};

/// What the loop wants written: attempts, what became of them, and how far the queue is settled.
#[derive(Debug, Default)]
pub struct Batch {
    pub attempts: Vec<Attempt>,
    pub progress: Option<Progress>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.progress.is_none()
    }
}

/// A group commit takes in no more than this many messages and bytes.
const GROUP_MESSAGES: usize = 4096;
const GROUP_BYTES: usize = 4 << 20;
/// How often the room on the disk is looked at while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Scribe {
    pub archive: Archive,
    /// Free space that intake leaves on the disk.
    pub min_free: u64,
    pub disk: Disk,
    /// False while the store fails or is full: /readyz says so.
    pub healthy: Arc<AtomicBool>,
}

/// Where the scribe's answers go.
#[derive(Debug)]
pub struct Answers {
    /// Deliveries that have settled.
    pub settled: Sender<Vec<Key>>,
    /// There is more to read in the queue. One message waiting is enough.
    pub durable: Sender<()>,
}

/// What one group commit gathers.
#[derive(Default)]
struct Group {
    accepted: Vec<oneshot::Sender<Result<(), Refused>>>,
    progress: Option<Progress>,
    messages: usize,
    bytes: usize,
}

impl Scribe {
    /// Runs until both channels are closed and everything is on disk.
    pub fn run(mut self, intake: &Receiver<Accepted>, batches: &Receiver<Batch>, answers: &Answers) {
        let (mut intake_open, mut batches_open) = (true, true);
        while intake_open || batches_open {
            // Also after the last commit and while nothing comes: room that came free makes the worker ready again.
            let refusal = self.refusal();
            self.healthy.store(refusal.is_none(), Ordering::Relaxed);
            let mut select = Select::new();
            if intake_open {
                select.recv(intake);
            }
            if batches_open {
                select.recv(batches);
            }
            if select.ready_timeout(LOOK).is_err() {
                continue;
            }
            let mut group = Group::default();
            let refusal = self.refusal();
            while intake_open && group.has_room() {
                match intake.try_recv() {
                    Ok(accepted) => self.take(accepted, refusal, &mut group),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => intake_open = false,
                }
            }
            // One at least: publishers of large events may fill every group, and must not stop the work.
            while batches_open {
                match batches.try_recv() {
                    Ok(batch) => self.note(batch, &mut group),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => batches_open = false,
                }
                if !group.has_room() {
                    break;
                }
            }
            self.commit(group, intake, answers);
        }
    }

    /// Why no new events may come in just now.
    fn refusal(&mut self) -> Option<Refused> {
        if self.archive.is_full() {
            return Some(Refused::QueueFull);
        }
        (self.disk.free() < self.min_free).then_some(Refused::DiskFull)
    }

    fn take(&mut self, accepted: Accepted, refusal: Option<Refused>, group: &mut Group) {
        if let Some(refused) = refusal {
            // The publisher may be gone; it then learns nothing, and has no 202.
            let _ = accepted.answer.send(Err(refused));
            return;
        }
        for record in &accepted.records {
            self.archive.accept(accepted.broker, record);
            group.bytes += record.len();
        }
        group.accepted.push(accepted.answer);
        group.messages += 1;
    }

    fn note(&mut self, batch: Batch, group: &mut Group) {
        for attempt in batch.attempts {
            group.bytes += attempt.bytes();
            group.messages += 1;
            self.archive.push(attempt);
        }
        if batch.progress.is_some() {
            group.progress = batch.progress;
        }
    }

    /// Writes until it succeeds: publishers are told of a failure at once, but what has been attempted is never
    /// forgotten, and nothing settles before it is on disk.
    fn commit(&mut self, group: Group, intake: &Receiver<Accepted>, answers: &Answers) {
        let mut accepted = group.accepted;
        let mut backoff = patience();
        if let Some(progress) = &group.progress {
            self.archive.settle(progress);
        }
        loop {
            match self.archive.write() {
                Ok(written) => {
                    for answer in accepted {
                        let _ = answer.send(Ok(()));
                    }
                    if !written.answers.is_empty() {
                        // A loop that is gone needs no answer.
                        let keys = written.answers.into_iter().map(|(key, _)| key).collect();
                        let _ = answers.settled.send(keys);
                    }
                    if written.grown {
                        let _ = answers.durable.try_send(());
                    }
                    if let Some(progress) = &group.progress {
                        self.forget(progress);
                    }
                    return;
                }
                Err(error) => {
                    self.healthy.store(false, Ordering::Relaxed);
                    let wait = backoff.next_backoff().unwrap_or(LONGEST_WAIT);
                    tracing::error!(%error, retry_in_ms = wait.as_millis() as u64, "the store failed");
                    for answer in accepted.drain(..) {
                        let _ = answer.send(Err(Refused::Store));
                    }
                    refuse(intake, Instant::now() + wait);
                }
            }
        }
    }

    /// Gives back the disk of what is settled, and of the oldest entries past the journal's limit.
    fn forget(&mut self, progress: &Progress) {
        match self.archive.forget(progress) {
            Ok(forgotten) if forgotten.costs > 0 => tracing::warn!(
                volumes = forgotten.costs,
                "the journal is at journal.max-bytes: its oldest volume was dropped"
            ),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "what is done with can't be dropped from disk"),
        }
    }
}

impl Group {
    fn has_room(&self) -> bool {
        self.messages < GROUP_MESSAGES && self.bytes < GROUP_BYTES
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Tells publishers no until it is time to try again: nobody hangs on a disk that fails.
fn refuse(intake: &Receiver<Accepted>, until: Instant) {
    loop {
        match intake.recv_deadline(until) {
            Ok(accepted) => {
                let _ = accepted.answer.send(Err(Refused::Store));
            }
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => {
                return std::thread::sleep(until.saturating_duration_since(Instant::now()));
            }
        }
    }
}

/// How long to wait between tries at a failing disk. (`backoff` pulls the unmaintained `instant`: see deny.toml. It is
/// used here alone.)
fn patience() -> impl Backoff {
    backoff::ExponentialBackoff {
        initial_interval: Duration::from_millis(50),
        max_interval: LONGEST_WAIT,
        max_elapsed_time: None,
        ..Default::default()
    }
}

/// Free space, asked for at most ten times a second.
#[derive(Debug)]
pub struct Disk {
    path: std::path::PathBuf,
    free: u64,
    asked: Option<Instant>,
}

impl Disk {
    pub fn new(path: std::path::PathBuf) -> Disk {
        Disk { path, free: u64::MAX, asked: None }
    }

    fn free(&mut self) -> u64 {
        if self.asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(100)) {
            // A file system that can't be asked has no reserve to keep: its own errors will tell.
            self.free = rustix::fs::statvfs(&self.path).map_or(u64::MAX, |fs| fs.f_bavail * fs.f_frsize);
            self.asked = Some(Instant::now());
        }
        self.free
    }
}
