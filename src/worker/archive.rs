//! What the worker keeps on disk, as one: queue, journal, dead letters and parking, written in the order that lets a
//! restart make sense of a crash between any two. No threads, no clock: whoever calls decides when, and how often again.
//!
//! The journal comes first: what a restart finds ended has been paid for. Then dead letters and parking; the queue last,
//! for its marks say that a delivery is over, and all that it left must be there by then. A letter or a parked record
//! without its mark is adopted at the next start (`recovery.rs`), so nothing is there twice.

use std::collections::BTreeSet;
use std::sync::Arc;

pub use super::attempt::{Aside, Attempt};
use super::beside;
use super::query::Store;
use crate::dispatch::{Key, Progress};
use crate::event::parked::AFAR;
use crate::event::segment::{Mark, Segment};
use crate::event::{Stream, Uid, wire::Corrupt};
use crate::journal::day::Day;
use crate::journal::shipped::Shipped;
use crate::journal::{Journal, JournalError};
use crate::sink::dead_letter::{DeadLetter, DeadLetters};
use crate::sink::parking::{Label, ParkedRecord, Parking};
use crate::sink::queue::QueueSink;
use crate::source::queue::{QueueError, segment_of};
use crate::store::StoreError;
use crate::store::shelf::ShelfError;

/// The name under which the queue's progress is kept beside its segments.
pub const PROGRESS: &str = "progress";
/// Eviction is worth it where this many volumes could go.
const HELD_VOLUMES: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of queue, parking and dead letters together. What is over it is refused by whoever takes events in.
    pub queue_bytes: u64,
    pub journal_bytes: u64,
    /// Of what everybody has that it is shipped to, so much is kept to be asked.
    pub journal_keep: u64,
}

/// What has become durable.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Deliveries to be answered, with the id of the parked record where there is one.
    pub answers: Vec<(Key, Option<u64>)>,
    /// Parked records of Kafka's that are done.
    pub over: Vec<(Stream, u64)>,
    /// There is more to read in the queue.
    pub grown: bool,
}

/// What has been given back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Volumes of the journal that went because of its limit, unshipped.
    pub costs: usize,
    /// A few events below hold a volume of the queue: were they parked, it could go.
    pub evict_below: Option<u64>,
}

#[derive(Debug)]
pub struct Archive {
    pub(super) store: Arc<Store>,
    pub(super) queue: QueueSink,
    journal: Journal,
    pub(super) dead_letters: DeadLetters,
    pub(super) parking: Parking,
    limits: Limits,
    shipped: Arc<Shipped>,
    answers: Vec<(Key, Option<u64>)>,
    over: Vec<(Stream, u64)>,
    /// Parked records that are done: their marks will be durable with the next write, or are, and they may go.
    unparking: Vec<u64>,
    unparked: Vec<u64>,
    /// Dead letters whose replay will be durable with the next write: then they go.
    replayed: BTreeSet<u64>,
    /// Up to which segment of the queue the parking knows the marks: once written, and durably.
    seeing: u64,
    seen: u64,
    /// How far the queue is settled: as it will be with the next write, and as it durably is.
    settling: Option<Progress>,
    settled: Progress,
    /// More of it since disk was last given back.
    is_ahead: bool,
    /// Something was written since then: there may be something to give back.
    is_untidy: bool,
}

impl Archive {
    /// With what a restart knows of the queue: see `recovery.rs`, which completes it.
    pub(super) fn of(store: Arc<Store>, limits: Limits, settled: Progress) -> Result<Archive, ArchiveError> {
        let parking = Parking::open(Arc::clone(&store.parking))?;
        let seen = parking.seen()?;
        Ok(Archive {
            queue: QueueSink::open(Arc::clone(&store.queue), settled.watermark)?,
            journal: Journal::open(Arc::clone(&store.journal))?,
            dead_letters: DeadLetters::open(Arc::clone(&store.dead_letters))?,
            parking,
            store,
            limits,
            shipped: Arc::default(),
            answers: Vec::new(),
            over: Vec::new(),
            unparking: Vec::new(),
            unparked: Vec::new(),
            replayed: BTreeSet::new(),
            seeing: seen,
            seen,
            settling: None,
            settled,
            is_ahead: true,
            is_untidy: true,
        })
    }

    /// What triggers with a budget have used today, as far as that is durable or will be.
    pub fn day(&self) -> &Day {
        self.journal.day()
    }

    /// From here on nothing of the journal goes that has not been shipped.
    pub fn ships(&mut self, shipped: Arc<Shipped>) {
        self.shipped = shipped;
    }

    /// How many bytes of the journal were written since the worker started.
    pub fn journal_written(&self) -> u64 {
        self.journal.written()
    }

    /// An event of a publisher: durable, and his to forget, after the next write that succeeds.
    pub fn accept(&mut self, broker: Uid, record: &[u8]) {
        self.queue.push(broker, record);
    }

    /// Returns the id of the parked record, if there is one; durable after the next write that succeeds.
    pub fn push(&mut self, attempt: Attempt) -> Option<u64> {
        if !attempt.entry.is_empty() {
            self.journal.push(&attempt.entry, attempt.wall_ns);
            if let Some(used) = &attempt.used {
                self.journal.uses(used);
            }
        }
        for (broker, record) in &attempt.events {
            self.queue.push(*broker, record);
        }
        for letter in attempt.dead_letters {
            self.dead_letters.push(letter);
        }
        for mark in attempt.marks {
            self.mark(mark);
        }
        self.over.extend(attempt.over);
        let parked = attempt.parked.map(|aside| self.parking.put(aside.record, aside.was));
        // What is parked in Kafka is durable there already.
        let parked = parked.or(attempt.parked_at.map(|offset| offset | AFAR));
        self.answers.extend(attempt.delivery.map(|delivery| (delivery, parked)));
        parked
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Mark::Unparked(id) = mark {
            self.unparking.push(id);
        }
        self.queue.mark(mark);
    }

    /// How far the queue is settled; kept with the next write, which must hold nothing that came after it was told.
    pub fn settle(&mut self, progress: &Progress) {
        self.store.queue.set_state(PROGRESS, progress.encode());
        self.settling = Some(progress.clone());
    }

    /// Replays dead letters: to a trigger, as parked records that are due. What is not there is left out. The core may
    /// hear of the records after the next write that succeeds.
    pub fn replay(&mut self, letters: &[u64], to: Uid, due: u64) -> Result<Vec<Label>, ArchiveError> {
        let mut labels = Vec::new();
        for &id in letters {
            if self.replayed.contains(&id) {
                continue;
            }
            let Some(letter) = self.dead_letters.get(id)? else { continue };
            let parked = ParkedRecord { letter: Some(id), ..letter.again(id, to, due) };
            let mut label = Label::of(0, &parked).map_err(|why| ArchiveError::Letter(id, why))?;
            label.id = self.parking.put(parked.encode(), None);
            self.replayed.insert(id);
            labels.push(label);
        }
        Ok(labels)
    }

    /// The same of one that is kept elsewhere, as `id`.
    pub fn take_in(
        &mut self,
        id: u64,
        letter: &DeadLetter<'_>,
        to: Uid,
        due: u64,
    ) -> Result<Label, ArchiveError> {
        let parked = letter.again(id, to, due);
        let mut label = Label::of(0, &parked).map_err(|why| ArchiveError::Letter(id, why))?;
        label.id = self.parking.put(parked.encode(), None);
        Ok(label)
    }

    /// Drops dead letters for good, with the next write; returns how many were there.
    pub fn drop_letters(&mut self, letters: &[u64]) -> usize {
        let mut dropped = 0;
        for id in letters.iter().filter(|id| !self.replayed.contains(id)) {
            dropped += usize::from(self.dead_letters.shelf_mut().remove(*id));
        }
        dropped
    }

    /// Makes everything durable that was pushed. What failed can be written again: nothing of it is there twice.
    pub fn write(&mut self) -> Result<Written, StoreError> {
        let store = Arc::clone(&self.store);
        let before = store.queue.flushed();
        let with = store.queue.next();
        self.journal.write();
        self.dead_letters.shelf_mut().write(with);
        self.write_parking(with);
        self.queue.write();
        for log in [&store.journal, &store.dead_letters, &store.parking] {
            log.flush()?;
        }
        if store.queue.next() > before {
            beside::note(&store);
        }
        store.queue.flush()?;
        self.seen = self.seeing;
        self.is_untidy = true;
        if let Some(settled) = self.settling.take() {
            self.settled = settled;
            self.is_ahead = true;
        }
        self.unparked.append(&mut self.unparking);
        if !self.replayed.is_empty() {
            for id in std::mem::take(&mut self.replayed) {
                self.dead_letters.shelf_mut().remove(id);
            }
            self.dead_letters.shelf_mut().write(store.queue.next());
        }
        // Of letters that were replayed, also after a failure here.
        store.dead_letters.flush()?;
        let (answers, over) = (std::mem::take(&mut self.answers), std::mem::take(&mut self.over));
        Ok(Written { answers, over, grown: store.queue.flushed() > before })
    }

    /// Parked records go once their marks are durable, and with them that these have been seen.
    fn write_parking(&mut self, with: u64) -> bool {
        for id in self.unparked.drain(..) {
            self.parking.shelf_mut().remove(id);
        }
        let seen = self.store.queue.flushed();
        let written = self.parking.write(with, seen);
        if written {
            self.seeing = seen;
        }
        written
    }

    /// Gives back what is settled and what is over the journal's limit, where there is more of it than the last time or
    /// room is needed. To be called when a write has succeeded. What fails here is made up for the next time.
    pub fn forget(&mut self) -> Result<Forgotten, ArchiveError> {
        if self.is_ahead || self.is_full() || self.spent_costs().is_some() {
            self.give_back()
        } else {
            Ok(Forgotten::default())
        }
    }

    /// The same where nothing came for a while: what is parked and done with goes only with the write after its mark, and
    /// no other may come.
    pub fn rest(&mut self) -> Result<Forgotten, ArchiveError> {
        // What was shipped meanwhile can go though nothing was written.
        if !self.is_untidy && self.spent_costs().is_none() {
            return Ok(Forgotten::default());
        }
        self.write()?;
        self.give_back()
    }

    fn give_back(&mut self) -> Result<Forgotten, ArchiveError> {
        let before = self.bytes();
        self.forget_settled()?;
        self.dead_letters.shelf_mut().sweep()?;
        self.parking.shelf_mut().sweep()?;
        let forgotten = Forgotten { costs: self.forget_oldest_costs()?, evict_below: self.held()? };
        self.is_ahead = false;
        // A shelf is swept one volume at a time.
        self.is_untidy = self.bytes() != before || !self.unparked.is_empty();
        Ok(forgotten)
    }

    fn forget_settled(&mut self) -> Result<(), ArchiveError> {
        let (store, watermark) = (Arc::clone(&self.store), self.settled.watermark);
        // To find the watermark's segment is work: not where there is nothing to give back.
        if store.queue.second_volume().is_none() && !store.queue.is_full() {
            return Ok(());
        }
        let segment = segment_of(&store.queue, watermark)?;
        let is_empty = segment >= store.queue.flushed() && store.queue.is_full();
        let goes = is_empty || store.queue.second_volume().is_some_and(|second| second <= segment);
        if goes && self.seen < segment {
            // The marks that go with the volume must be known for good.
            if !self.write_parking(store.queue.next()) {
                self.seeing = store.queue.flushed();
                self.parking.see(self.seeing)?;
            }
            store.parking.flush()?;
            self.seen = self.seeing;
        }
        if is_empty {
            store.queue.roll()?;
        }
        store.queue.drop_below(segment)?;
        Ok(())
    }

    fn forget_oldest_costs(&self) -> Result<usize, StoreError> {
        let mut dropped = 0;
        while let Some(second) = self.spent_costs() {
            dropped += self.store.journal.drop_below(second)?;
        }
        // What has been shipped is nobody's loss.
        Ok(if self.shipped.below().is_none() { dropped } else { 0 })
    }

    /// Where the journal is to begin, if its oldest volume can go.
    fn spent_costs(&self) -> Option<u64> {
        let (journal, Limits { journal_bytes, journal_keep, .. }) = (&self.store.journal, self.limits);
        let below = self.shipped.below();
        let most = if below.is_some() { journal_keep.min(journal_bytes) } else { journal_bytes };
        if journal.bytes() <= most {
            return None;
        }
        journal.second_volume().filter(|&second| below.is_none_or(|below| second <= below))
    }

    /// Does it hold as much as it may, and nothing that has been shipped?
    pub fn is_journal_full(&self) -> bool {
        self.shipped.below().is_some() && self.store.journal.bytes() >= self.limits.journal_bytes
    }

    /// Is the oldest volume of the queue held by a few events, and most of what came after settled? The number of the
    /// first event that the volume does not hold.
    fn held(&self) -> Result<Option<u64>, ArchiveError> {
        let (queue, progress) = (&self.store.queue, &self.settled);
        let Some(second) = queue.second_volume().filter(|_| queue.volumes_held() >= HELD_VOLUMES) else {
            return Ok(None);
        };
        let Some(bytes) = queue.get(second)? else { return Ok(None) };
        let segment = Segment::decode(&bytes).map_err(|e| QueueError::Corrupt(second, e.to_string()))?;
        let below = segment.first;
        let settled: u64 = progress
            .runs
            .iter()
            .map(|&(first, count)| (first + count).saturating_sub(first.max(below)))
            .sum();
        let held = progress.watermark < below && settled * 2 > self.queue.next() - below;
        Ok(held.then_some(below))
    }

    /// A parked record, once it is durable.
    pub fn parked(&mut self, id: u64) -> Result<Option<ParkedRecord<'_>>, ShelfError> {
        self.parking.get(id)
    }

    pub fn dead_letters(&mut self) -> &mut DeadLetters {
        &mut self.dead_letters
    }

    /// How many deliveries are parked.
    pub fn parked_count(&self) -> u64 {
        self.parking.shelf().live()
    }

    /// Gives back the disk of dead letters that are gone. To be called when a write has succeeded.
    pub fn sweep(&mut self) -> Result<(), ArchiveError> {
        Ok(self.dead_letters.shelf_mut().sweep()?)
    }

    /// Must publishers be refused?
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.limits.queue_bytes
    }

    /// Of what the queue's limit is about.
    pub fn bytes(&self) -> u64 {
        let Store { queue, dead_letters, parking, .. } = &*self.store;
        queue.bytes() + dead_letters.bytes() + parking.bytes()
    }
}

/// What went wrong with what is kept, by where.
#[derive(Debug)]
pub enum ArchiveError {
    Store(StoreError),
    Queue(QueueError),
    Journal(JournalError),
    Shelf(ShelfError),
    Progress(Corrupt),
    Beside(Corrupt),
    Uid(Corrupt),
    Letter(u64, Corrupt),
    /// A log ends before what the queue relies on.
    Lost {
        place: String,
        from: u64,
        to: u64,
    },
    Start(Box<dyn std::error::Error + Send + Sync>),
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArchiveError::Store(error) => error.fmt(f),
            ArchiveError::Queue(error) => error.fmt(f),
            ArchiveError::Journal(error) => error.fmt(f),
            ArchiveError::Shelf(error) => error.fmt(f),
            ArchiveError::Progress(why) => write!(f, "the queue's progress can't be read: {why}"),
            ArchiveError::Beside(why) => write!(f, "the queue's note of the other logs can't be read: {why}"),
            ArchiveError::Uid(why) => write!(f, "the queue's uid can't be read: {why}"),
            ArchiveError::Lost { place, from, to } => write!(
                f,
                "{place} has lost its segments {from} to {}: restore the data directory, or move {place} away to go on \
                 without anything in it",
                to - 1
            ),
            ArchiveError::Letter(id, why) => write!(f, "the event of dead letter {id} can't be read: {why}"),
            ArchiveError::Start(error) => write!(f, "the queue can't be opened: {error}"),
        }
    }
}

impl std::error::Error for ArchiveError {}

macro_rules! from {
    ($($error:ty => $variant:ident,)+) => {
        $(impl From<$error> for ArchiveError {
            fn from(error: $error) -> ArchiveError {
                ArchiveError::$variant(error)
            }
        })+
    };
}

from! {
    StoreError => Store,
    QueueError => Queue,
    JournalError => Journal,
    ShelfError => Shelf,
    Box<dyn std::error::Error + Send + Sync> => Start,
}
