//! A broker as Kafka is one: partitions of records with gaps between their offsets, what is committed of each, and beside
//! each the log of what is parked. Whatever a worker says under an epoch that is over is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir::dispatch::Progress;
use weir::event::{Event, Uid, Value, record};
use weir::time::Moment;

use super::plan::TYPES;

/// A delivery, as the world counts them: the event's number, the trigger, the replay.
pub(crate) type Duty = (usize, u32, u32);

#[derive(Debug, Default)]
pub(crate) struct Partition {
    /// By offset: the event's number and its bytes.
    pub(crate) records: BTreeMap<u64, (usize, Bytes)>,
    /// Where the next record will stand, at the earliest.
    pub(crate) end: u64,
    pub(crate) epoch: u32,
    pub(crate) owner: Owner,
    pub(crate) committed: Option<Committed>,
    /// What had been committed before that.
    pub(crate) before: Option<Committed>,
    pub(crate) parked: Vec<ParkedRecord>,
    /// What says less than this may not park any more: someone else has read what is parked.
    fence: u32,
    /// Who has read it last: its worker and life.
    pub(crate) reader: Option<(usize, u32)>,
    /// Deliveries that have ended, where the world notes them: offset and trigger.
    pub(crate) marks: Vec<(u64, u32)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owner {
    #[default]
    Nobody,
    /// This worker in this life.
    Held(usize, u32),
    /// It has been asked to let go, so that the other may have it.
    Leaving(usize, u32),
}

#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) watermark: u64,
    pub(crate) map: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct ParkedRecord {
    pub(crate) duty: Duty,
    pub(crate) offset: u64,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) due: Moment,
    pub(crate) holds: bool,
    pub(crate) was: Option<u64>,
    pub(crate) done: bool,
    pub(crate) bytes: Bytes,
}

impl Partition {
    /// False: the epoch is over.
    pub(crate) fn commit(&mut self, epoch: u32, committed: Committed) -> bool {
        if epoch != self.epoch {
            return false;
        }
        self.before = self.committed.replace(committed);
        true
    }

    /// What the next owner begins with.
    pub(crate) fn read_committed(&self, reads_maps: bool, reads_both: bool) -> Progress {
        let read = |committed: &Option<Committed>| match committed {
            None => Progress::default(),
            Some(committed) => {
                let plain = Progress { watermark: committed.watermark, runs: vec![] };
                if !reads_maps {
                    return plain;
                }
                plain.merge(&Progress::decode(&committed.map).expect("what was encoded is read"))
            }
        };
        let last = read(&self.committed);
        if reads_both { last.merge(&read(&self.before)) } else { last }
    }

    /// From here on no earlier epoch parks anything.
    pub(crate) fn fence(&mut self, epoch: u32, worker: usize, life: u32) {
        self.fence = epoch;
        self.reader = Some((worker, life));
    }

    /// `None`: refused. What the record replaces goes in the same write.
    pub(crate) fn park(&mut self, epoch: u32, record: ParkedRecord) -> Option<u64> {
        if epoch < self.fence {
            return None;
        }
        if let Some(old) = record.was {
            self.parked[old as usize].done = true;
        }
        self.parked.push(record);
        Some(self.parked.len() as u64 - 1)
    }

    /// A parked record is done. Said too late, it is done again: nothing is lost by that.
    pub(crate) fn mark(&mut self, epoch: u32, id: u64) {
        if epoch >= self.fence {
            self.parked[id as usize].done = true;
        }
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (u64, &ParkedRecord)> {
        (0..).zip(&self.parked).filter(|(_, record)| !record.done)
    }

    /// Where a consumer that has read up to `next` finds the next record; else the end.
    pub(crate) fn position_from(&self, next: u64) -> u64 {
        self.records.range(next..).next().map_or(self.end.max(next), |(&offset, _)| offset)
    }
}

/// The bytes of an event.
pub(crate) fn record_of(number: usize, ty: usize, key: Option<u64>, length: usize) -> Bytes {
    let mut event = Event {
        id: number.to_string().into(),
        source: "/shop".into(),
        ty: TYPES[ty].into(),
        subject: Some("x".repeat(length).into()),
        time: None,
        dataschema: None,
        datacontenttype: None,
        extensions: vec![],
        data: None,
    };
    if let Some(key) = key {
        event.set_extension("partitionkey", Value::String(key.to_string().into()));
    }
    if ty < 2 {
        event.set_extension("xwanted", Value::String("yes".into()));
    }
    let mut bytes = Vec::new();
    record::encode(&event, &mut bytes);
    bytes.into()
}

pub(crate) fn source() -> Uid {
    Uid::of_document("default", "KafkaSource", "orders")
}
