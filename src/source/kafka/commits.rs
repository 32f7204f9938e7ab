//! When what is done is committed: on an interval, and for the last time as partitions are given back. The last commit is
//! made again until it is taken: while the group is being balanced, or its coordinator is away, brokers refuse it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::consumer::{Consumer, MOMENT, Owned};
use super::group::{Group, Place};
use super::offsets;
use crate::dispatch::Progress;

/// How often what moved is committed.
const INTERVAL: Duration = Duration::from_millis(250);
const LATE: &str = "the brokers have not answered in time";

impl Consumer {
    /// On the interval, what has moved.
    pub(super) fn commit(&mut self) {
        if Instant::now() < self.commit_due {
            return;
        }
        self.commit_due = Instant::now() + INTERVAL;
        self.measure();
        if self.unsaid.is_none() {
            self.look_for_gaps();
        }
        if self.client.context().has_failed() {
            self.owned.values_mut().for_each(|owned| owned.moved = true);
        }
        // One at a time: one that is sent again must not come after the next, and take it back.
        if self.client.context().commits() {
            return;
        }
        let mut moved = Vec::new();
        for (place, owned) in self.owned.iter_mut().filter(|(_, owned)| owned.moved) {
            owned.moved = false;
            moved.extend(owned.committed(place));
        }
        if moved.is_empty() {
            return;
        }
        if let Err(error) = send(&self.client, &moved) {
            tracing::warn!(source = %self.consumed.name, %error, "offsets can't be committed just now");
            self.owned.values_mut().for_each(|owned| owned.moved = true);
        }
    }

    /// The last commit of these, by then at the latest. Without it their next owner repeats what has been done since the one
    /// before.
    pub(super) fn commit_last(&self, places: &[Place], by: Instant) {
        let owned = self.owned.iter().filter(|(place, _)| places.contains(place));
        let owned: Vec<(&Place, &Progress)> =
            owned.flat_map(|(place, owned)| owned.committed(place)).collect();
        if owned.is_empty() {
            return;
        }
        let done = self.commit_until_taken(&owned, places, by);
        self.note_answers();
        if let Err(why) = done {
            tracing::warn!(
                source = %self.consumed.name, why,
                "the last commit failed: whoever has the partitions next repeats what was done since the one before"
            );
        }
    }

    fn commit_until_taken(
        &self,
        progress: &[(&Place, &Progress)],
        places: &[Place],
        by: Instant,
    ) -> Result<(), String> {
        let mut refused = LATE.to_owned();
        // One that is under way must not come after this one.
        while self.wait_for_commits(by) && Instant::now() < by {
            let sent = send(&self.client, progress);
            if !self.wait_for_commits(by) {
                return Err(LATE.to_owned());
            }
            match sent.and_then(|()| self.client.context().outcome().unwrap_or(Err(KafkaError::Canceled))) {
                Ok(()) => return Ok(()),
                Err(error) if is_final(&error) => return Err(error.to_string()),
                Err(error) => refused = error.to_string(),
            }
            // What the group has to say of it: that this worker is none of its members any more, or how it is balanced now.
            self.attend(Instant::now() + MOMENT * 5);
            if self.client.context().has_lost(places) {
                return Err("the group has gone on without this worker".to_owned());
            }
        }
        Err(refused)
    }

    /// True: none is under way any more.
    fn wait_for_commits(&self, by: Instant) -> bool {
        while self.client.context().commits() {
            if Instant::now() >= by {
                return false;
            }
            self.serve(MOMENT);
        }
        true
    }

    fn attend(&self, until: Instant) {
        while Instant::now() < until {
            self.serve(MOMENT);
        }
    }
}

fn send(client: &BaseConsumer<Group>, progress: &[(&Place, &Progress)]) -> Result<(), KafkaError> {
    client.context().begin_commit();
    let sent = offsets::list(progress.iter().copied()).and_then(|list| offsets::send(client, &list));
    sent.inspect_err(|_| client.context().end_commit())
}

/// Whatever the group does, it will not be taken.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::NoOffset
        )
    )
}

impl Owned {
    /// What is to be committed for it.
    fn committed<'o>(&'o self, place: &'o Place) -> impl Iterator<Item = (&'o Place, &'o Progress)> {
        let parked = self.parked.as_ref().map(|parked| (&self.parking, parked));
        std::iter::once((place, &self.done)).chain(parked)
    }
}
