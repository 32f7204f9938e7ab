//! What the loop has for those who make it durable, until they take it: the scribe, and for what has parcels the porter, who
//! hands it on to the scribe.

use crossbeam_channel::{Select, Sender};

use super::attempt::Attempt;
use super::scribe::Batch;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) batch: Batch,
    /// With parcels.
    shipped: Vec<Attempt>,
}

impl Outgoing {
    pub(super) fn put(&mut self, attempt: Attempt) {
        if attempt.parcels.is_empty() {
            self.batch.attempts.push(attempt);
        } else {
            self.shipped.push(attempt);
        }
    }

    /// How many attempts wait.
    pub(super) fn len(&self) -> usize {
        self.batch.attempts.len() + self.shipped.len()
    }

    /// Wakes whoever waits as soon as one of them takes some.
    pub(super) fn select<'c>(
        &self,
        select: &mut Select<'c>,
        scribe: &'c Sender<Batch>,
        porter: &'c Sender<Vec<Attempt>>,
    ) {
        if !self.batch.is_empty() {
            select.send(scribe);
        }
        if !self.shipped.is_empty() {
            select.send(porter);
        }
    }

    /// As much as they take now.
    pub(super) fn hand_over(&mut self, scribe: &Sender<Batch>, porter: &Sender<Vec<Attempt>>) {
        if !self.shipped.is_empty()
            && let Err(error) = porter.try_send(std::mem::take(&mut self.shipped))
        {
            self.shipped = error.into_inner();
        }
        if !self.batch.is_empty()
            && let Err(error) = scribe.try_send(std::mem::take(&mut self.batch))
        {
            self.batch = error.into_inner();
        }
    }

    /// The last of it, which may wait: nothing else is left to do. What has parcels has not settled: it is done again by the
    /// next worker. Who is gone has said why.
    pub(super) fn end(&mut self, scribe: &Sender<Batch>) {
        let _ = scribe.send(std::mem::take(&mut self.batch));
    }
}
