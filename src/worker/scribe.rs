//! The one thread that writes to disk: the archive, with channels around it and patience with a disk that fails. Whatever
//! has gathered while the last flush ran is written and flushed together (group commit), then everyone is answered:
//! publishers with 202, the loop with the deliveries that have settled and the parked ones that it asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender, TryRecvError};
use tokio::sync::oneshot;

use super::archive::{Archive, ArchiveError, Attempt, Forgotten};
use super::awaited::{self, Awaited};
use super::errand::{self, Deed, Errand};
use super::in_force::InForce;
use super::patience::Patience;
use super::room::Room;
use crate::dispatch::{Key, Progress, StubKey};
use crate::event::{Envelope, Epoch, Stream, Uid};
use crate::sink::parking::Label;
use crate::source::{Accepted, Refused};
use crate::store::shelf::ShelfError;
use crate::telemetry::metrics::Metrics;
use crate::time::unix_nanos;

/// What the loop wants written: attempts, what became of them, and how far the queue is settled.
#[derive(Debug, Default)]
pub struct Batch {
    pub attempts: Vec<Attempt>,
    pub progress: Option<Progress>,
    /// Parked records to be read.
    pub fetches: Vec<(StubKey, u64)>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty() && self.progress.is_none() && self.fetches.is_empty()
    }
}

/// What the scribe has to say to the loop.
#[derive(Debug, Default)]
pub struct Settled {
    /// Deliveries whose end or parking is durable; the record's id where there is one.
    pub answers: Vec<(Key, Option<u64>)>,
    /// Parked events that were asked for, with their broker.
    pub fetched: Vec<(StubKey, Envelope, Uid)>,
    /// Parked by someone else: replays.
    pub unparked: Vec<Label>,
    /// Parked records of Kafka's that are done.
    pub over: Vec<(Stream, u64)>,
    /// What is not done below this event is to be parked: it holds a volume that is done with otherwise.
    pub evict_below: Option<u64>,
}

impl Settled {
    fn is_empty(&self) -> bool {
        let Settled { answers, fetched, unparked, over, evict_below } = self;
        let nothing_said = answers.is_empty() && fetched.is_empty() && unparked.is_empty();
        nothing_said && over.is_empty() && evict_below.is_none()
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
    pub awaited: Awaited,
    /// Free space that intake leaves on the disk.
    pub min_free: u64,
    pub disk: Disk,
    pub room: Arc<Room>,
    /// Parked records that are asked for and could not be read yet.
    pub unread: Vec<(StubKey, u64)>,
    pub errands: Receiver<Commission>,
    /// What dead letters can be replayed to.
    pub in_force: Arc<InForce>,
    pub metrics: Arc<Metrics>,
}

/// An errand, and who waits for it.
#[derive(Debug)]
pub struct Commission {
    pub errand: Errand,
    pub answer: Sender<Moved>,
}

/// How far it got, or why it did not.
pub type Moved = Result<errand::Progress, String>;

/// Where the scribe's answers go.
#[derive(Debug)]
pub struct Answers {
    pub settled: Sender<Settled>,
    /// There is more to read in the queue. One message waiting is enough.
    pub durable: Sender<()>,
}

/// What one group commit gathers.
#[derive(Default)]
struct Group {
    accepted: Vec<oneshot::Sender<Result<(), Refused>>>,
    fetches: Vec<(StubKey, u64)>,
    progress: Option<Progress>,
    /// What an errand has parked, and what is to be said of it once that is durable.
    unparked: Vec<Label>,
    errand: Option<(Sender<Moved>, Moved)>,
    messages: usize,
    bytes: usize,
    tally: Tally,
}

/// What a group commit adds to the numbers once it is durable.
#[derive(Clone, Copy, Default)]
struct Tally {
    events: u64,
    event_bytes: u64,
    entries: u64,
}

impl Scribe {
    /// Runs until both channels are closed and everything is on disk.
    pub fn run(mut self, intake: &Receiver<Accepted>, batches: &Receiver<Batch>, answers: &Answers) {
        let (mut intake_open, mut batches_open) = (true, true);
        // What an earlier worker left counts from now.
        self.begin();
        let (errands, mut errands_open) = (self.errands.clone(), true);
        while intake_open || batches_open {
            // Also after the last commit and while nothing comes: room that came free makes the worker ready again.
            let refusal = self.refusal();
            self.room.set(refusal);
            while let Some(settled) = self.awaited.next() {
                tell(answers, settled);
            }
            let look = if self.awaited.is_empty() { LOOK } else { awaited::LOOK };
            let mut select = Select::new();
            if intake_open {
                select.recv(intake);
            }
            if batches_open {
                select.recv(batches);
            }
            if errands_open {
                select.recv(&errands);
            }
            if select.ready_timeout(look).is_err() {
                let fetched = self.fetch(Vec::new());
                let evict_below = given_back(self.archive.rest());
                tell(answers, Settled { fetched, evict_below, ..Settled::default() });
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
            match errands.try_recv() {
                Ok(commission) => self.run_errand(commission, refusal, &mut group),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => errands_open = false,
            }
            self.commit(group, intake, answers);
        }
        // What is done with goes now rather than at the next start, which would make up for what fails here.
        given_back(self.archive.rest());
    }

    fn begin(&self) {
        let (queue, end) = (&self.metrics.queue, self.archive.queue.next());
        queue.end.set(end);
        queue.timeline.note(end, unix_nanos());
        self.metrics.store.dead_letters.set(self.archive.dead_letters.shelf().live());
    }

    /// Why no new events may come in just now.
    fn refusal(&mut self) -> Option<Refused> {
        if self.archive.is_full() {
            return Some(Refused::QueueFull);
        }
        if self.archive.is_journal_full() {
            return Some(Refused::JournalFull);
        }
        (self.disk.free() < self.min_free).then_some(Refused::DiskFull)
    }

    fn take(&mut self, accepted: Accepted, refusal: Option<Refused>, group: &mut Group) {
        if let Some(refused) = refusal {
            self.refused(refused);
            // The publisher may be gone; it then learns nothing, and has no 202.
            let _ = accepted.answer.send(Err(refused));
            return;
        }
        for record in &accepted.records {
            self.archive.accept(accepted.broker, record);
            group.bytes += record.len();
            group.tally.events += 1;
            group.tally.event_bytes += record.len() as u64;
        }
        group.accepted.push(accepted.answer);
        group.messages += 1;
    }

    fn note(&mut self, batch: Batch, group: &mut Group) {
        for attempt in batch.attempts {
            group.bytes += attempt.bytes();
            group.messages += 1;
            group.tally.entries += u64::from(!attempt.entry.is_empty());
            self.archive.push(attempt);
        }
        group.fetches.extend(batch.fetches);
        if batch.progress.is_some() {
            group.progress = batch.progress;
        }
    }

    /// Dropping makes room, so it is never refused.
    fn run_errand(&mut self, commission: Commission, refusal: Option<Refused>, group: &mut Group) {
        let Commission { errand, answer } = commission;
        let no_room = errand.deed != Deed::Drop && refusal == Some(Refused::DiskFull);
        let progress = if no_room {
            Err("the disk has less room left than data.min-free: make some, or drop dead letters".to_owned())
        } else {
            errand
                .run(&mut self.archive, &self.in_force.standing().replays, unix_nanos(), &mut group.unparked)
                .map_err(|error| error.to_string())
        };
        group.errand = Some((answer, progress));
    }

    /// Writes until it succeeds: publishers are told of a failure at once, but what has been attempted is never
    /// forgotten, and nothing settles before it is on disk.
    fn commit(&mut self, mut group: Group, intake: &Receiver<Accepted>, answers: &Answers) {
        let mut accepted = std::mem::take(&mut group.accepted);
        let mut patience = Patience::begin();
        if let Some(progress) = &group.progress {
            self.archive.settle(progress);
        }
        loop {
            let begun = Instant::now();
            match self.archive.write() {
                Ok(written) => {
                    self.count(&group.tally, begun);
                    for answer in accepted {
                        let _ = answer.send(Ok(()));
                    }
                    if written.grown {
                        let _ = answers.durable.try_send(());
                    }
                    let settled = Settled {
                        answers: written.answers,
                        over: written.over,
                        fetched: self.fetch(group.fetches),
                        unparked: group.unparked,
                        ..Settled::default()
                    };
                    let end = self.archive.store.journal.flushed();
                    tell(answers, self.awaited.keep(settled, end));
                    if let Some((answer, progress)) = group.errand {
                        // Whoever asked may have gone.
                        let _ = answer.try_send(progress);
                        self.sweep();
                    }
                    let evict_below = given_back(self.archive.forget());
                    tell(answers, Settled { evict_below, ..Settled::default() });
                    return;
                }
                Err(error) => {
                    self.room.set(Some(Refused::Store));
                    let wait = patience.next();
                    tracing::error!(%error, retry_in_ms = wait.as_millis() as u64, "the store failed");
                    for answer in accepted.drain(..) {
                        self.refused(Refused::Store);
                        let _ = answer.send(Err(Refused::Store));
                    }
                    refuse(intake, Instant::now() + wait);
                }
            }
        }
    }

    fn refused(&self, refused: Refused) {
        let store = &self.metrics.store;
        match refused {
            Refused::QueueFull => &store.queue_full,
            Refused::DiskFull => &store.disk_full,
            Refused::JournalFull => &store.journal_full,
            _ => &store.failed,
        }
        .add(1);
    }

    /// All of it is durable.
    fn count(&self, tally: &Tally, begun: Instant) {
        let Metrics { store, queue, .. } = &*self.metrics;
        store.writes.observe(begun.elapsed().as_nanos() as u64);
        store.events.add(tally.events);
        store.event_bytes.add(tally.event_bytes);
        store.entries.add(tally.entries);
        store.entry_bytes.set(self.archive.journal_written());
        store.dead_letters.set(self.archive.dead_letters.shelf().live());
        let end = self.archive.queue.next();
        if end != queue.end.get() {
            queue.end.set(end);
            queue.timeline.note(end, unix_nanos());
        }
    }

    fn sweep(&mut self) {
        if let Err(error) = self.archive.sweep() {
            tracing::error!(%error, "the disk of dead letters that are gone can't be given back");
        }
    }

    /// # Panics
    /// If a record is not there or damaged: going on without it would lose a delivery, and a restart says what is wrong.
    fn fetch(&mut self, fetches: Vec<(StubKey, u64)>) -> Vec<(StubKey, Envelope, Uid)> {
        let mut fetched = Vec::with_capacity(fetches.len());
        let mut fetches = std::mem::take(&mut self.unread).into_iter().chain(fetches);
        for (stub, id) in fetches.by_ref() {
            let parked = match self.archive.parked(id) {
                Ok(parked) => parked.unwrap_or_else(|| panic!("parked record {id} is not there")),
                Err(ShelfError::Store(error)) => {
                    tracing::error!(%error, "what is parked can't be read just now");
                    self.unread.push((stub, id));
                    break;
                }
                Err(error) => panic!("parked record {id}: {error}"),
            };
            let envelope = Envelope::new(parked.position, Epoch(1), parked.record.to_vec().into())
                .unwrap_or_else(|error| panic!("the event of parked record {id} can't be read: {error}"));
            fetched.push((stub, envelope, parked.broker));
        }
        self.unread.extend(fetches);
        fetched
    }
}

/// What has become of giving back disk; what is to be evicted.
fn given_back(forgotten: Result<Forgotten, ArchiveError>) -> Option<u64> {
    match forgotten {
        Ok(forgotten) => {
            if forgotten.costs > 0 {
                tracing::warn!(
                    volumes = forgotten.costs,
                    "the journal is at journal.max-bytes: its oldest volume was dropped"
                );
            }
            forgotten.evict_below
        }
        Err(error) => {
            tracing::error!(%error, "what is done with can't be dropped from disk");
            None
        }
    }
}

/// A loop that is gone needs no answer.
fn tell(answers: &Answers, settled: Settled) {
    if !settled.is_empty() {
        let _ = answers.settled.send(settled);
    }
}

impl Group {
    fn has_room(&self) -> bool {
        self.messages < GROUP_MESSAGES && self.bytes < GROUP_BYTES
    }
}

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
