//! How far the other logs were when the queue was last written: the queue says of events that they are done because of
//! what stands there. A log that has since lost its end to a damaged disk opens as if it had never been longer; from the
//! queue a start knows better.

use super::archive::ArchiveError;
use super::query::Store;
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::store::{Log, StoreError};

/// The name under which it is kept beside the queue's segments.
const STATE: &str = "beside";
const FORMAT: u8 = 1;

/// Segments of journal, dead letters and parking that are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends([u64; 3]);

impl Ends {
    fn encode(self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        self.0.iter().for_each(|&end| Writer(&mut bytes).varint(end));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Ends, Corrupt> {
        let mut reader = Reader::new(bytes);
        reader.version(FORMAT)?;
        let ends = Ends([reader.varint()?, reader.varint()?, reader.varint()?]);
        reader.finish()?;
        Ok(ends)
    }
}

fn logs(store: &Store) -> [&Log; 3] {
    [&store.journal, &store.dead_letters, &store.parking]
}

/// With the queue's next flush, before which the others must have been flushed.
pub(super) fn note(store: &Store) {
    store.queue.set_state(STATE, Ends(logs(store).map(Log::flushed)).encode());
}

/// Refuses to go on without what has been lost. A log whose directory somebody has taken away is begun anew: that is how
/// to go on all the same.
pub(super) fn check(store: &Store) -> Result<(), ArchiveError> {
    let Some(bytes) = store.queue.state(STATE)? else { return Ok(()) };
    let Ends(ends) = Ends::decode(&bytes).map_err(ArchiveError::Beside)?;
    let mut anew = false;
    for (log, end) in logs(store).into_iter().zip(ends) {
        if log.flushed() >= end {
            continue;
        }
        if !log.is_new() {
            return Err(ArchiveError::Lost { place: log.name(), from: log.flushed(), to: end });
        }
        tracing::warn!(
            place = log.name(),
            segments = end,
            "what was kept there has been taken away: going on without it"
        );
        anew = true;
    }
    if anew {
        begin_anew(store)?
    }
    Ok(())
}

fn begin_anew(store: &Store) -> Result<(), StoreError> {
    note(store);
    store.queue.flush()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::event::segment::{Ended, Mark};
    use crate::event::{Event, Position, Uid, record};
    use crate::sink::parking::ParkedRecord;
    use crate::worker::archive::{Archive, Aside, Attempt, Limits};
    use crate::worker::recovery::Recovered;

    fn open(data: &Path) -> Result<(Archive, Recovered), ArchiveError> {
        let limits = Limits { queue_bytes: u64::MAX, journal_bytes: u64::MAX, journal_keep: u64::MAX };
        Archive::open(Arc::new(Store::open(data).unwrap()), limits, |_| true, 0)
    }

    /// Parks the event number `offset`.
    fn park(data: &Path, offset: u64) {
        let event = Event {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            subject: None,
            time: None,
            dataschema: None,
            datacontenttype: None,
            extensions: Vec::new(),
            data: None,
        };
        let mut bytes = Vec::new();
        record::encode(&event, &mut bytes);
        let parked = ParkedRecord {
            delivery: Uid(offset.into()),
            position: Position { source: Uid(1), partition: 0, offset },
            broker: Uid(2),
            trigger: Uid(3),
            attempts: 1,
            failures: 1,
            replay: 0,
            due: 0,
            holds: false,
            letter: None,
            record: &bytes,
        };
        let (mut archive, _) = open(data).unwrap();
        archive.accept(Uid(2), &bytes);
        archive.push(Attempt {
            marks: vec![Mark::Ended(Ended { offset, trigger: Uid(3) })],
            parked: Some(Aside { record: parked.encode(), was: None, lane: Vec::new() }),
            ..Attempt::default()
        });
        archive.write().unwrap();
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    #[test]
    fn a_log_that_has_lost_its_end_is_refused_and_one_that_was_taken_away_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let [data, before] = ["data", "before"].map(|name| directory.path().join(name));
        let parking = data.join("parking");
        park(&data, 0);
        copy(&parking, &before);
        park(&data, 1);
        assert_eq!(open(&data).unwrap().1.parked.len(), 2);

        std::fs::remove_dir_all(&parking).unwrap();
        copy(&before, &parking);
        let error = open(&data).unwrap_err().to_string();
        assert!(error.contains("parking has lost its segments 1 to 1"), "{error}");

        std::fs::remove_dir_all(&parking).unwrap();
        for _ in 0..2 {
            assert_eq!(open(&data).unwrap().1.parked, []);
        }
    }
}
