//! Where to begin to read a partition: after what the group has done, or where the document says; and to say so.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::group::Place;
use super::offsets::{self, Committed};
use crate::config::Initial;
use crate::dispatch::Progress;

#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Where nothing is committed.
    pub initial: Initial,
}

/// What can be read of a partition: from, to.
type Extent = (u64, u64);

impl Start {
    /// In the order of the places.
    pub(super) fn find<C: ConsumerContext>(
        &self,
        client: &BaseConsumer<C>,
        places: &[Place],
        patience: Duration,
        source: &str,
    ) -> KafkaResult<Vec<Progress>> {
        let committed = offsets::committed(client, places, patience)?;
        let mut found = Vec::with_capacity(places.len());
        for (place, committed) in places.iter().zip(committed) {
            let (first, end) = client.fetch_watermarks(&place.0, place.1, patience)?;
            let extent = (u64::try_from(first).unwrap_or(0), u64::try_from(end).unwrap_or(0));
            let mut progress = self.of(&committed, extent);
            if let (Committed::Nothing, Initial::At(time)) = (&committed, self.initial) {
                progress.watermark = of_time(client, place, time, patience)?.unwrap_or(extent.1);
            }
            say(source, place, &committed, extent, &progress);
            found.push(progress);
        }
        Ok(found)
    }

    fn of(&self, committed: &Committed, (first, end): Extent) -> Progress {
        let at = |watermark: u64| Progress { watermark, runs: Vec::new() };
        match committed {
            Committed::At(progress) if progress.watermark <= end => match progress.watermark < first {
                // What is gone can't be read, and is done with.
                true => progress.merge(&at(first)),
                false => progress.clone(),
            },
            Committed::Foreign(offset) if *offset <= end => at((*offset).max(first)),
            // Further than there is anything: it was another topic of this name.
            Committed::At(_) | Committed::Foreign(_) => at(first),
            Committed::Nothing => match self.initial {
                Initial::Earliest => at(first),
                Initial::Latest | Initial::At(_) => at(end),
            },
        }
    }
}

/// The first record of that time or later; `None`: there is none yet.
fn of_time<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    (topic, partition): &Place,
    time: i64,
    patience: Duration,
) -> KafkaResult<Option<u64>> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, *partition, Offset::Offset(time))?;
    let told = client.offsets_for_times(asked, patience)?;
    let found = told.elements().first().map(|element| element.offset());
    Ok(found.and_then(
        |offset| if let Offset::Offset(offset) = offset { u64::try_from(offset).ok() } else { None },
    ))
}

fn say(source: &str, place: &Place, committed: &Committed, (first, end): Extent, progress: &Progress) {
    let (topic, partition, from) = (&place.0, place.1, progress.watermark);
    let done: u64 = progress.runs.iter().map(|(_, count)| count).sum();
    let to_read = (end - from.min(end)).saturating_sub(done);
    let was = match committed {
        Committed::Nothing => "nothing is committed",
        Committed::At(progress) if progress.watermark > end => {
            tracing::warn!(
                source,
                topic,
                partition,
                committed = progress.watermark,
                end,
                "less stands there than was done: the topic was made anew, and is read from its beginning"
            );
            "it was another topic"
        }
        Committed::At(progress) if progress.watermark < first => {
            tracing::warn!(
                source,
                topic,
                partition,
                records = first - progress.watermark,
                "records are gone that were not done: the topic's retention is shorter than it took"
            );
            "records are gone"
        }
        Committed::At(_) => "going on",
        Committed::Foreign(_) => {
            tracing::warn!(
                source,
                topic,
                partition,
                "what others have written beside the committed offset is ignored: records beyond it that were done are \
                 done again"
            );
            "going on from the offset"
        }
    };
    tracing::info!(
        source,
        topic,
        partition,
        from,
        to_read,
        skipped = from.saturating_sub(first),
        "partition taken: {was}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(initial: Initial, committed: &Committed, extent: Extent) -> u64 {
        Start { initial }.of(committed, extent).watermark
    }

    #[test]
    fn where_it_begins() {
        let at = |watermark| Committed::At(Progress { watermark, runs: vec![] });
        assert_eq!(from(Initial::Earliest, &Committed::Nothing, (3, 9)), 3);
        assert_eq!(from(Initial::Latest, &Committed::Nothing, (3, 9)), 9);
        assert_eq!(from(Initial::Latest, &at(5), (3, 9)), 5);
        assert_eq!(from(Initial::Latest, &at(2), (3, 9)), 3, "what is gone is gone");
        assert_eq!(from(Initial::Latest, &at(12), (0, 9)), 0, "made anew: nothing of it is skipped");
        assert_eq!(from(Initial::Latest, &Committed::Foreign(5), (3, 9)), 5);
    }

    #[test]
    fn what_is_done_beyond_the_offset_stays_so() {
        let progress = Progress { watermark: 4, runs: vec![(6, 2)] };
        let start = Start { initial: Initial::Latest };
        assert_eq!(start.of(&Committed::At(progress.clone()), (0, 9)), progress);
        let later = start.of(&Committed::At(progress), (6, 9));
        assert_eq!(later, Progress { watermark: 8, runs: vec![] });
    }
}
