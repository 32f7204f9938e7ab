//! What is committed of a partition: the offset below which all is done, and in the metadata what is done beyond it.

#![allow(unsafe_code)] // The crate's way to read metadata panics on others'; what it commits is answered by nobody.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::group::Place;
use crate::dispatch::Progress;

/// Brokers refuse more (`offset.metadata.max.bytes`).
const LONGEST: usize = 4096;
/// So that others can tell whose it is.
const MARK: &str = "weir:";
/// Bytes that are as long as that in base64, with the mark.
const ROOM: usize = (LONGEST - MARK.len()) / 4 * 3;

/// What stands in the group for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    Nothing,
    At(Progress),
    /// Someone else's metadata stands beside the offset.
    Foreign(u64),
}

impl Committed {
    pub fn into_progress(self) -> Progress {
        match self {
            Committed::Nothing => Progress::default(),
            Committed::At(progress) => progress,
            Committed::Foreign(watermark) => Progress { watermark, runs: Vec::new() },
        }
    }
}

/// Is all of it in what would be committed? If not, the rest is done again after a crash: better wait for it. Who waits goes
/// on when there is some room again: to hold a partition and to let it go costs what was read ahead of it.
pub fn fits(progress: &Progress, waits: bool) -> bool {
    let room = if waits { ROOM / 4 * 3 } else { ROOM };
    progress.runs.is_empty()
        || Progress::decode(&progress.encode_within(room)).is_ok_and(|read| read == *progress)
}

/// For the metadata. Nothing is said where the offset says it all.
fn metadata(progress: &Progress) -> String {
    if progress.runs.is_empty() {
        return String::new();
    }
    let mut text = MARK.to_owned();
    BASE64.encode_string(progress.encode_within(ROOM), &mut text);
    text
}

fn read(offset: i64, metadata: &[u8]) -> Committed {
    let Ok(watermark) = u64::try_from(offset) else { return Committed::Nothing };
    if metadata.is_empty() {
        return Committed::At(Progress { watermark, runs: Vec::new() });
    }
    let map = metadata
        .strip_prefix(MARK.as_bytes())
        .and_then(|text| BASE64.decode(text).ok())
        .and_then(|bytes| Progress::decode(&bytes).ok());
    match map {
        // Whoever has set the offset to another place has meant it.
        Some(progress) if progress.watermark == watermark => Committed::At(progress),
        _ => Committed::Foreign(watermark),
    }
}

/// What the group has committed of these partitions, in their order.
pub fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    places: &[Place],
    patience: Duration,
) -> KafkaResult<Vec<Committed>> {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in places {
        asked.add_partition(topic, *partition);
    }
    let told = consumer.committed_offsets(asked, patience)?;
    for element in told.elements() {
        element.error()?;
    }
    // SAFETY: the list is ours, with so many elements, and each one's metadata is as long as it says.
    let elements = unsafe {
        let list = &*told.ptr();
        std::slice::from_raw_parts(list.elems, told.count())
    };
    let read = elements.iter().map(|element| {
        let metadata: &[u8] = match element.metadata.is_null() {
            true => &[],
            // SAFETY: as above.
            false => unsafe {
                std::slice::from_raw_parts(element.metadata.cast_const().cast(), element.metadata_size)
            },
        };
        read(element.offset, metadata)
    });
    Ok(read.collect())
}

/// A list to commit.
pub fn list<'p>(
    entries: impl IntoIterator<Item = (&'p Place, &'p Progress)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), progress) in entries {
        let offset = i64::try_from(progress.watermark)
            .map_err(|_| KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::OffsetOutOfRange))?;
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(offset))?;
        let metadata = metadata(progress);
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

/// Sends a commit, which the context is told the end of: of what the crate sends, nobody is, and so not of what has failed.
pub(super) fn send<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    let client = consumer.client().native_ptr();
    // SAFETY: client and list live, and the list is copied. The queue is the one that `poll` looks at; our count of it is given
    // back.
    let error = unsafe {
        let queue = native::rd_kafka_queue_get_consumer(client);
        let error = native::rd_kafka_commit_queue(client, list.ptr(), queue, None, std::ptr::null_mut());
        native::rd_kafka_queue_destroy(queue);
        error
    };
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(KafkaError::ConsumerCommit(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_committed_is_read(watermark in 0..1u64 << 40, runs in prop::collection::vec((1u64..5, 1u64..9), 0..5000)) {
            let mut progress = Progress { watermark, runs: Vec::new() };
            let mut end = watermark;
            for (gap, length) in runs {
                progress.runs.push((end + gap, length));
                end += gap + length;
            }
            let metadata = metadata(&progress);
            prop_assert!(metadata.len() <= LONGEST);
            let Committed::At(read) = read(watermark as i64, metadata.as_bytes()) else { panic!("it is ours") };
            prop_assert_eq!(fits(&progress, false), read == progress);
            prop_assert!(!fits(&progress, true) || fits(&progress, false));
            prop_assert_eq!(read.watermark, watermark);
            for &(first, length) in &read.runs {
                prop_assert!((first..first + length).all(|offset| progress.is_complete(offset)));
            }
        }

        #[test]
        fn whatever_others_have_written_is_theirs(offset: i64, metadata: Vec<u8>) {
            match read(offset, &metadata) {
                Committed::Nothing => prop_assert!(offset < 0),
                Committed::At(progress) => prop_assert_eq!(progress.watermark, offset as u64),
                Committed::Foreign(watermark) => prop_assert_eq!(watermark, offset as u64),
            }
        }
    }

    #[test]
    fn an_offset_that_was_set_by_hand_counts() {
        let progress = Progress { watermark: 7, runs: vec![(9, 2)] };
        let text = metadata(&progress);
        assert_eq!(read(7, text.as_bytes()), Committed::At(progress));
        assert_eq!(read(3, text.as_bytes()), Committed::Foreign(3));
        assert_eq!(read(5, b"AAAA"), Committed::Foreign(5));
        assert_eq!(read(5, b""), Committed::At(Progress { watermark: 5, runs: vec![] }));
    }
}
