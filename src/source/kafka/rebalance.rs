//! Partitions come and go: what a consumer makes of what its group says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvError, RecvTimeoutError, bounded};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::consumer::{Consumed, Consumer, MOMENT, Owned, PATIENCE};
use super::gauge::Gauge;
use super::group::{Place, list_of};
use super::news::{Assignment, News};
use super::offsets;
use super::parked::{Loaded, Wanted, place_of, topic_of};
use super::parking_topic;
use crate::dispatch::Progress;
use crate::event::{Epoch, Position, Stream};

impl Consumer {
    pub(super) fn assigned(&mut self, places: &[Place]) {
        let name = self.consumed.name.clone();
        let mut assignments = Vec::new();
        let mut taken = TopicPartitionList::new();
        let found = loop {
            match self.find(places) {
                Ok(found) => break found,
                Err(error) => {
                    // The group waits: as long as it does, nobody else has them.
                    tracing::error!(source = %name, error, "its partitions can't be begun: trying again");
                    if !self.is_wanted(MOMENT * 50) {
                        // It is over. The group is told that they are given back by who has taken them.
                        let _ = self.client.incremental_assign(&list_of(places));
                        return;
                    }
                }
            }
        };
        for (place, (progress, parking, loaded)) in places.iter().zip(found) {
            let Some(&uid) = self.consumed.uids.get(&place.0) else { continue };
            self.epoch += 1;
            let stream = (uid, place.1.cast_unsigned());
            let epoch = Epoch(self.epoch);
            self.inlet.lead(&place.0, place.1);
            let offset = Offset::Offset(i64::try_from(progress.watermark).unwrap_or(i64::MAX));
            if let Err(error) = taken.add_partition_offset(&place.0, place.1, offset) {
                tracing::error!(source = %name, %error, "a partition can't be taken");
                continue;
            }
            let owned = Owned {
                stream,
                epoch,
                done: progress.clone(),
                parked: None,
                parking: parking.clone(),
                // Where to begin is committed, so that lag is known from the first moment.
                moved: true,
                leaving: false,
                left: false,
                next: progress.watermark,
                since: Instant::now(),
                asked: None,
                seen: 0,
                gauge: Gauge::new(self.ends.cells.of(&name, format!("{}/{}", place.0, place.1))),
            };
            self.owned.insert(place.clone(), owned);
            let Loaded { labels: parked, done } = loaded;
            assignments.push(Assignment {
                stream,
                epoch,
                progress,
                parked,
                place: parking.1,
                done: Some(done),
            });
        }
        self.resume(places);
        // Said before anything of it is read.
        self.tell(News::Assigned(assignments));
        if let Err(error) = self.client.incremental_assign(&taken) {
            tracing::error!(source = %name, %error, "partitions can't be taken");
        }
    }

    /// What was paused when it was here last would never be read.
    fn resume(&mut self, places: &[Place]) {
        let paused: Vec<Place> = places.iter().filter(|place| self.paused.remove(*place)).cloned().collect();
        if !paused.is_empty()
            && let Err(error) = self.client.resume(&list_of(&paused))
        {
            tracing::error!(source = %self.consumed.name, %error, "partitions can't be gone on with");
        }
    }

    /// Where to begin in each, where it parks, and what is parked there.
    fn find(&mut self, places: &[Place]) -> Result<Vec<(Progress, Place, Loaded)>, String> {
        let Consumed { topics, group, name, .. } = &self.consumed;
        if !self.parks {
            parking_topic::ensure(&self.cluster, &self.client, group, topics, &self.runtime)?;
            self.parks = true;
        }
        let parking: Vec<Place> = places
            .iter()
            .map(|(topic, partition)| (topic_of(group), place_of(topics, topic, *partition)))
            .collect();
        let failed = |error: KafkaError| format!("what is committed can't be read: {error}");
        let found = self.consumed.start.find(&self.client, places, PATIENCE, name).map_err(failed)?;
        let done = offsets::committed(&*self.client, &parking, PATIENCE).map_err(failed)?;
        let mut all = Vec::with_capacity(places.len());
        for (((progress, parking), done), place) in found.into_iter().zip(parking).zip(done).zip(places) {
            let (answer, answered) = bounded(1);
            let wanted = Wanted::Load { partition: parking.1, done: done.into_progress(), answer };
            let gone = |_| "nobody reads it any more".to_owned();
            self.ends.wanted.send(wanted).map_err(|_| gone(RecvError))?;
            let loaded = answered.recv().map_err(gone).and_then(|loaded| loaded);
            let mut loaded = loaded.map_err(|error| format!("what is parked can't be read: {error}"))?;
            // Of another partition of the topics that there were: under this one they would be taken for its own.
            let there = loaded.labels.len();
            let own = (self.consumed.uids.get(&place.0).copied(), place.1.cast_unsigned());
            loaded.labels.retain(|label| own == (Some(label.position.source), label.position.partition));
            if loaded.labels.len() < there {
                tracing::error!(
                    source = %name, topic = parking.0, partition = parking.1, left = there - loaded.labels.len(),
                    "parked deliveries of other topics are left where they are: the source has read another number of topics; \
                     start it with those until nothing is parked"
                );
            }
            if !loaded.labels.is_empty() {
                tracing::info!(source = %name, topic = parking.0, partition = parking.1, parked = loaded.labels.len(), "parked deliveries taken over");
            }
            all.push((progress, parking, loaded));
        }
        Ok(all)
    }

    /// Is it still, after so long? Whatever else is ordered meanwhile is done.
    fn is_wanted(&mut self, wait: Duration) -> bool {
        match self.ends.orders.recv_timeout(wait) {
            Ok(order) => self.carry_out(order),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    pub(super) fn revoked(&mut self, places: Vec<Place>) {
        let mut streams = Vec::new();
        for place in &places {
            if let Some(owned) = self.owned.get_mut(place) {
                owned.leaving = true;
                streams.push(owned.stream);
            }
        }
        let list = list_of(&places);
        self.paused.extend(places.iter().cloned());
        if let Err(error) = self.client.pause(&list) {
            tracing::debug!(source = %self.consumed.name, %error, "partitions that leave can't be paused");
        }
        self.unread(&streams);
        tracing::info!(source = %self.consumed.name, partitions = places.len(), "giving partitions back");
        self.leaving.extend(places);
        self.tell(News::Revoked(streams));
        self.leave();
    }

    pub(super) fn lost(&mut self, places: &[Place]) {
        let streams: Vec<Stream> =
            places.iter().filter_map(|place| self.owned.remove(place)).map(|owned| owned.stream).collect();
        self.leaving.retain(|place| !places.contains(place));
        self.unread(&streams);
        tracing::warn!(
            source = %self.consumed.name,
            partitions = places.len(),
            "partitions were lost: the group has not heard of this worker in time"
        );
        self.tell(News::Lost(streams));
    }

    /// What was read of them and not handed over was not read.
    fn unread(&mut self, streams: &[Stream]) {
        let gone: BTreeSet<&Stream> = streams.iter().collect();
        if let Some(read) = &mut self.unsaid {
            read.arrivals.retain(|arrival| {
                let Position { source, partition, .. } = arrival.envelope.position;
                !gone.contains(&(source, partition))
            });
            read.passed.retain(|(stream, ..)| !gone.contains(stream));
        }
    }

    /// When what has begun of all that leaves has ended: the last commit, and then they are given back.
    pub(super) fn leave(&mut self) {
        let ready = |place: &Place| self.owned.get(place).is_none_or(|owned| owned.left);
        if self.leaving.is_empty() || !self.leaving.iter().all(ready) {
            return;
        }
        let places = std::mem::take(&mut self.leaving);
        self.commit_last(&places, Instant::now() + PATIENCE);
        if self.client.context().has_lost(&places) {
            // Given back already; what is said of it is still to be heard.
            return;
        }
        if let Err(error) = self.client.incremental_unassign(&list_of(&places)) {
            tracing::warn!(source = %self.consumed.name, %error, "partitions can't be given back");
        }
        for place in &places {
            self.owned.remove(place);
        }
    }

    /// What was to be read next is not there: the topic was made anew, or its records have been deleted.
    pub(super) fn begin_again(&mut self, place: &Place) {
        let Some(owned) = self.owned.remove(place) else { return };
        let places = std::slice::from_ref(place);
        self.unread(&[owned.stream]);
        self.tell(News::Lost(vec![owned.stream]));
        if let Err(error) = self.client.incremental_unassign(&list_of(places)) {
            tracing::warn!(source = %self.consumed.name, %error, "a partition can't be begun again");
            return;
        }
        self.assigned(places);
    }
}
