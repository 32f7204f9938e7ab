//! A partition is taken, read, answered for and given back: what its consumer tells the loop of it, and does at the loop's word.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::Subject;
use futures_util::StreamExt;

use super::held::Answer;
use super::partition::{Done, LOOK_AGAIN, PATIENCE, Partition, Phase, Told};
use super::shelf::Shelved;
use super::tenure::{Opened, Tenure};
use crate::dispatch::Progress;
use crate::event::parked::Label;
use crate::source::kafka::news::{Assignment, Commit, Fetched, News, Read};
use crate::source::queue::Arrival;

/// How long the last answers may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// When a message that came too late is handed out again.
pub(super) const DECLINED: Duration = Duration::from_millis(100);

impl Partition {
    /// One that is nobody's here: not the worker's to have, or of a pin that it had.
    pub(super) async fn decline(&mut self, reply: Subject, pin: String) {
        self.line.decline(reply, DECLINED).await;
        if self.former.as_ref() != Some(&pin) {
            self.former = Some(pin);
            self.unpin();
        }
    }

    pub(super) fn open_gate(&mut self) {
        let Some(Opened { begin, reached }) = self.tenure.as_mut().and_then(Tenure::open) else { return };
        self.reached = reached;
        if self.phase == Phase::Ours {
            return self.hand_over(begin);
        }
        // Where it has been shut again since, what is parked is asked for again, and the first answer counts.
        self.early.extend(begin);
        self.load(Duration::ZERO);
    }

    /// Reads what is parked, which comes before all that is new.
    pub(super) fn load(&mut self, wait: Duration) {
        let (shelf, epoch) = (self.shelf.clone(), self.epoch);
        self.doings.push(Box::pin(async move {
            tokio::time::sleep(wait).await;
            Done::Loaded(epoch, shelf.load().await)
        }));
    }

    pub(super) fn begin(&mut self, parked: Vec<Label>) {
        let early = std::mem::take(&mut self.early);
        let first = early.first().map_or(self.reached + 1, |arrival| arrival.envelope.position.offset);
        tracing::info!(
            source = self.consumed.name,
            partition = self.number,
            from = first,
            parked = parked.len(),
            "partition taken"
        );
        let stream = (self.consumed.uid, self.number);
        let progress = Progress { watermark: first, runs: Vec::new() };
        let place = self.number.cast_signed();
        let assignment = Assignment { stream, epoch: self.epoch, progress, parked, place, done: None };
        self.phase = Phase::Ours;
        self.holds = false;
        self.gauge.taken(first);
        // A loop that is gone needs nothing.
        let _ = self.says.changes.send(News::Assigned(vec![assignment]));
        let reached = self.reached + 1;
        self.hand_over(early);
        let _ =
            self.says.reads.send(Read { arrivals: Vec::new(), passed: vec![(stream, self.epoch, reached)] });
    }

    pub(super) fn hand_over(&mut self, arrivals: Vec<Arrival>) {
        if self.phase != Phase::Ours {
            return self.early.extend(arrivals);
        }
        if arrivals.is_empty() {
            return;
        }
        self.begun.extend(arrivals.iter().map(|arrival| arrival.envelope.position.offset));
        let _ = self.says.reads.send(Read { arrivals, passed: Vec::new() });
    }

    pub(super) fn obey(&mut self, told: Told, now: Instant) {
        match told {
            Told::Commit(commit) => self.note(&commit),
            Told::Leave(commit) => {
                // Not asked for: the worker stops.
                if self.phase == Phase::Ours && commit.epoch == self.epoch {
                    self.stops.store(true, Ordering::Relaxed);
                }
                self.note(&commit);
                if matches!(self.phase, Phase::Ours | Phase::Leaving) && commit.epoch == self.epoch {
                    self.phase = Phase::Closing(now + FAREWELL);
                }
            }
            Told::Hold(holds) => self.holds = holds,
            Told::Over(record) => {
                let shelf = self.shelf.clone();
                self.lasting.push(Box::pin(async move { shelf.remove(record).await }));
            }
            Told::Fetch(stub, record) => {
                let (shelf, epoch) = (self.shelf.clone(), self.epoch);
                self.doings.push(Box::pin(async move {
                    let shelved = shelf.fetch(record).await;
                    let fetched =
                        shelved.map(|Shelved { envelope, broker }| Fetched { stub, envelope, broker });
                    Done::Fetched(epoch, fetched)
                }));
            }
            Told::End(commit, by) => {
                self.stops.store(true, Ordering::Relaxed);
                self.ends = true;
                if let Some(commit) = commit {
                    self.note(&commit);
                }
                match self.phase {
                    Phase::Out | Phase::Closing(_) => {}
                    Phase::Gated | Phase::Ours | Phase::Leaving => self.phase = Phase::Closing(by),
                }
            }
        }
    }

    /// What is done is answered for.
    pub(super) fn note(&mut self, commit: &Commit) {
        if commit.epoch != self.epoch {
            return;
        }
        let done: Vec<u64> =
            self.begun.iter().copied().filter(|sequence| commit.progress.is_complete(*sequence)).collect();
        self.gauge.done(&done, commit.progress.watermark);
        for sequence in done {
            self.begun.remove(&sequence);
            self.line.done(sequence, Answer::Ack);
            if let Some(tenure) = &mut self.tenure {
                tenure.done(sequence);
            }
        }
    }

    /// The server has given it to another.
    pub(super) fn unpinned(&mut self, now: Instant) {
        self.is_pinned = false;
        match self.phase {
            Phase::Out | Phase::Leaving | Phase::Closing(_) => {}
            Phase::Gated => self.let_go(now),
            Phase::Ours => self.lose(false, "its pin is lost"),
        }
    }

    /// Nothing of it has begun.
    pub(super) fn let_go(&mut self, now: Instant) {
        self.phase = Phase::Closing(now);
    }

    /// What has begun ends; then it is another's.
    pub(super) fn lose(&mut self, is_pinned: bool, why: &str) {
        tracing::info!(source = self.consumed.name, partition = self.number, why, "giving a partition back");
        self.is_pinned &= is_pinned;
        self.phase = Phase::Leaving;
        let _ = self.says.changes.send(News::Revoked(vec![(self.consumed.uid, self.number)]));
    }

    /// What is not done is another's at once.
    pub(super) async fn close(&mut self) {
        if self.is_pinned {
            self.unpin();
        }
        self.line.repin(None);
        self.line.give_back().await;
        self.former = self.tenure.take().map(|tenure| tenure.pin).filter(|pin| !pin.is_empty());
        (self.phase, self.is_pinned, self.is_asking) = (Phase::Out, false, false);
        self.begun.clear();
        self.early.clear();
        self.gauge.given_back();
        self.doings.clear();
        if std::mem::take(&mut self.is_another) {
            self.line.begin_again();
        }
    }

    /// All that was said goes out before the connection does.
    pub(super) async fn farewell(&mut self) {
        while let Ok(Some(())) = tokio::time::timeout(LOOK_AGAIN, self.lasting.next()).await {}
        let _ = tokio::time::timeout(LOOK_AGAIN, self.client.flush()).await;
    }

    pub(super) fn unpin(&mut self) {
        let (context, durable) = (self.context.clone(), self.durable.clone());
        // Where that is not allowed the pin lasts as long as it does.
        self.lasting.push(Box::pin(async move {
            let _ = tokio::time::timeout(PATIENCE, durable.unpin(&context)).await;
        }));
    }
}
