//! What a start makes of what the last worker left, wherever it was stopped. Each step is durable before the next relies
//! on it, and taking them again changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::archive::{Archive, ArchiveError, Limits, PROGRESS};
use super::beside;
use super::query::Store;
use super::queue_uid;
use crate::dispatch::ledger::Ledger;
use crate::dispatch::{Outcome, Progress, Reason};
use crate::event::Uid;
use crate::event::segment::{Ended, Mark};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::parking::Label;
use crate::source::queue::marked;

/// Records without a trigger are read and written so many bytes at a time.
const GONE_BYTES: usize = 1 << 20;

/// How far the last worker got.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// What the queue was called as a source.
    pub queue: Uid,
    pub progress: Progress,
    /// Deliveries of events beyond it that have ended.
    pub ended: Vec<Ended>,
    /// In the order in which they were parked.
    pub parked: Vec<Label>,
    /// Parked records whose trigger is gone: dead letters now.
    pub gone: usize,
    /// Events that the queue holds from the watermark on.
    pub waiting: u64,
}

impl Archive {
    /// `is_known` says which triggers there are; `now` is the wall time in nanoseconds, for what is written about them.
    pub fn open(
        store: Arc<Store>,
        limits: Limits,
        is_known: impl Fn(Uid) -> bool,
        now: u64,
    ) -> Result<(Archive, Recovered), ArchiveError> {
        let progress = match store.queue.state(PROGRESS)? {
            None => Progress::default(),
            Some(bytes) => Progress::decode(&bytes).map_err(ArchiveError::Progress)?,
        };
        beside::check(&store)?;
        let queue = queue_uid::of(&store.queue)?;
        let mut archive = Archive::of(store, limits, progress.clone())?;
        let marked = marked(&archive.store.queue, &progress, archive.parking.seen()?)?;
        for id in marked.unparked {
            archive.parking.shelf_mut().remove(id);
        }
        let mut labels = archive.parking.labels()?;
        let mut ended = marked.ended;
        let adopted = archive.adopt(queue, &labels)?;
        let ledger = Ledger::resume(&progress);
        ended.extend(adopted.into_iter().filter(|ended| !ledger.is_settled(ended.offset)));
        archive.finish_replays(&labels)?;
        labels.retain(|label| archive.parking.shelf().is_live(label.id));
        let gone: Vec<u64> = labels.iter().filter(|l| !is_known(l.trigger)).map(|l| l.id).collect();
        archive.give_up(&gone, now)?;
        labels.retain(|label| is_known(label.trigger));
        let waiting = archive.queue.next().saturating_sub(progress.watermark);
        let recovered = Recovered { queue, progress, ended, parked: labels, gone: gone.len(), waiting };
        Ok((archive, recovered))
    }

    /// Letters and parked records that are durable while their marks are not: the worker was stopped between the two.
    /// They get their marks, and so their deliveries do not run again. Returns what ended by that.
    fn adopt(&mut self, queue: Uid, labels: &[Label]) -> Result<Vec<Ended>, ArchiveError> {
        let store = Arc::clone(&self.store);
        let with = store.queue.flushed();
        let by_delivery: HashMap<Uid, u64> = labels.iter().map(|l| (l.delivery, l.id)).collect();
        let mut ended = Vec::new();
        let mut unparked = Vec::new();
        for id in self.dead_letters.shelf().written_with(with) {
            let Some(letter) = self.dead_letters.get(id)? else { continue };
            let offset = letter.position.offset;
            if letter.position.source != queue && !by_delivery.contains_key(&letter.delivery) {
                // Its event is a broker's, who is told in another way.
                continue;
            }
            if letter.is_of_a_reply() {
                // Its delivery did not fail, and its other replies are lost: it runs again and writes the letter again.
                self.dead_letters.shelf_mut().remove(id);
            } else if let Some(&parked) = by_delivery.get(&letter.delivery) {
                unparked.push(parked);
            } else if letter.replay == 0
                && let Some(trigger) = letter.trigger_uid()
            {
                ended.push(Ended { offset, trigger });
            }
        }
        let late = self.parking.shelf().written_with(with);
        // A replay is no delivery of the event's own: that one may still be under way, with another trigger.
        let is_late = |l: &&Label| l.position.source == queue && late.binary_search(&l.id).is_ok();
        let late = labels.iter().filter(|l| l.replay == 0).filter(is_late);
        ended.extend(late.map(|l| Ended { offset: l.position.offset, trigger: l.trigger }));

        // Before the queue goes on: then they would count as whole.
        self.dead_letters.shelf_mut().write(store.queue.next());
        store.dead_letters.flush()?;
        ended.iter().for_each(|&ended| self.queue.mark(Mark::Ended(ended)));
        unparked.iter().for_each(|&id| self.queue.mark(Mark::Unparked(id)));
        self.queue.write();
        store.queue.flush()?;
        for id in unparked {
            self.parking.shelf_mut().remove(id);
        }
        Ok(ended)
    }

    /// A replay that is parked was to take its letter away.
    fn finish_replays(&mut self, labels: &[Label]) -> Result<(), ArchiveError> {
        for letter in labels.iter().filter_map(|label| label.letter) {
            self.dead_letters.shelf_mut().remove(letter);
        }
        self.dead_letters.shelf_mut().write(self.store.queue.next());
        Ok(self.store.dead_letters.flush()?)
    }

    /// Makes dead letters of parked records whose trigger is gone.
    fn give_up(&mut self, ids: &[u64], now: u64) -> Result<(), ArchiveError> {
        let mut bytes = 0;
        for &id in ids {
            let Some(parked) = self.parking.get(id)? else { continue };
            let letter = DeadLetter {
                delivery: parked.delivery,
                position: parked.position,
                broker: parked.broker,
                trigger: &parked.trigger.to_string(),
                function: "",
                attempts: parked.attempts,
                replay: parked.replay,
                outcome: Outcome::Permanent,
                reason: Reason::TriggerGone,
                message: "it was parked, and its trigger is not configured any more",
                ended: now,
                record: parked.record,
            };
            let mut encoded = Vec::with_capacity(parked.record.len() + 256);
            letter.encode(&mut encoded);
            bytes += encoded.len();
            self.dead_letters.push(encoded);
            self.mark(Mark::Unparked(id));
            if bytes >= GONE_BYTES {
                self.write()?;
                bytes = 0;
            }
        }
        self.write()?;
        Ok(())
    }
}
