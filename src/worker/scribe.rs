//! The one thread that writes to disk. Whatever has gathered while the last flush ran is written and flushed together
//! (group commit), then everyone is answered: publishers with 202, the loop with the deliveries that have settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backoff::backoff::Backoff;
use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender, TryRecvError};
use tokio::sync::oneshot;

use super::query::Store;
use crate::dispatch::{Key, Progress};
use crate::event::Uid;
use crate::event::segment::{Ended, Mark};
use crate::journal::Journal;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::queue::QueueSink;
use crate::source::queue::{QueueError, segment_of};
use crate::source::{Accepted, Refused};
use crate::store::StoreError;

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

#[derive(Debug)]
pub struct Attempt {
    /// Set if the delivery has ended: it is answered once all of this is durable, and never runs again.
    pub ended: Option<(Key, Ended)>,
    /// The journal's entry, encoded.
    pub entry: Vec<u8>,
    pub wall_ns: u64,
    /// Replies, or the event as a dead letter for a broker: records with their broker.
    pub events: Vec<(Uid, Vec<u8>)>,
    /// Dead letters for the worker's own store, encoded.
    pub dead_letters: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub queue_bytes: u64,
    pub journal_bytes: u64,
    /// Free space that intake leaves on the disk.
    pub min_free: u64,
}

/// The name under which the queue's progress is kept beside its segments.
pub const PROGRESS: &str = "progress";
/// A group commit takes in no more than this many messages and bytes.
const GROUP_MESSAGES: usize = 4096;
const GROUP_BYTES: usize = 4 << 20;
/// How often the room on the disk is looked at while nothing is written.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Scribe {
    pub store: Arc<Store>,
    pub queue: QueueSink,
    pub journal: Journal,
    pub dead_letters: DeadLetters,
    pub limits: Limits,
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
    ended: Vec<Key>,
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
        if self.store.queue.bytes() + self.store.dead_letters.bytes() >= self.limits.queue_bytes {
            return Some(Refused::QueueFull);
        }
        (self.disk.free() < self.limits.min_free).then_some(Refused::DiskFull)
    }

    fn take(&mut self, accepted: Accepted, refusal: Option<Refused>, group: &mut Group) {
        if let Some(refused) = refusal {
            // The publisher may be gone; it then learns nothing, and has no 202.
            let _ = accepted.answer.send(Err(refused));
            return;
        }
        for record in &accepted.records {
            self.queue.push(accepted.broker, record);
            group.bytes += record.len();
        }
        group.accepted.push(accepted.answer);
        group.messages += 1;
    }

    fn note(&mut self, batch: Batch, group: &mut Group) {
        for attempt in batch.attempts {
            self.journal.push(&attempt.entry, attempt.wall_ns);
            group.bytes += attempt.entry.len();
            for (broker, record) in &attempt.events {
                self.queue.push(*broker, record);
                group.bytes += record.len();
            }
            for letter in attempt.dead_letters {
                group.bytes += letter.len();
                self.dead_letters.push(letter);
            }
            if let Some((key, ended)) = attempt.ended {
                self.queue.mark(Mark::Ended(ended));
                group.ended.push(key);
            }
            group.messages += 1;
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
        let before = self.store.queue.flushed();
        loop {
            match self.write(group.progress.as_ref()) {
                Ok(()) => {
                    for answer in accepted {
                        let _ = answer.send(Ok(()));
                    }
                    if !group.ended.is_empty() {
                        // A loop that is gone needs no answer.
                        let _ = answers.settled.send(group.ended);
                    }
                    if self.store.queue.flushed() > before {
                        let _ = answers.durable.try_send(());
                    }
                    if let Some(progress) = group.progress {
                        self.forget(progress.watermark);
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

    /// What failed can be written again: nothing of it is there twice.
    fn write(&mut self, progress: Option<&Progress>) -> Result<(), StoreError> {
        self.dead_letters.shelf_mut().write(self.store.queue.next());
        self.queue.write();
        self.journal.write();
        if let Some(progress) = progress {
            self.store.queue.set_state(PROGRESS, progress.encode());
        }
        // The queue comes last: that a delivery has ended is durable only when all that it left is.
        for log in [&self.store.dead_letters, &self.store.journal, &self.store.queue] {
            log.flush()?;
        }
        Ok(())
    }

    /// Gives back the disk of what is settled, and of the oldest entries past the journal's limit.
    fn forget(&self, watermark: u64) {
        if let Err(error) = self.forget_settled(watermark) {
            tracing::error!(%error, "what is settled can't be dropped from the queue");
        }
        if let Err(error) = self.forget_oldest_costs() {
            tracing::error!(%error, "the journal's oldest volume can't be dropped");
        }
    }

    fn forget_settled(&self, watermark: u64) -> Result<(), QueueError> {
        // To find the watermark's segment is work: not where there is nothing to give back.
        let queue = &self.store.queue;
        if queue.second_volume().is_some() || queue.is_full() {
            let segment = segment_of(queue, watermark)?;
            if segment >= queue.flushed() {
                queue.roll()?;
            }
            queue.drop_below(segment)?;
        }
        Ok(())
    }

    fn forget_oldest_costs(&self) -> Result<(), StoreError> {
        while self.store.journal.bytes() > self.limits.journal_bytes {
            let second = self.store.journal.second_volume();
            let Some(segment) = second else { break };
            self.store.journal.drop_below(segment)?;
            tracing::warn!(
                limit = self.limits.journal_bytes,
                "the journal is at journal.max-bytes: its oldest volume was dropped"
            );
        }
        Ok(())
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
