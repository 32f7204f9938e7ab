//! What the embedded queue is called as a source. Every worker's queue numbers its events from 0: its uid alone tells their
//! positions from another's, and with them the ids of deliveries, replies and charges. It is kept in the queue itself, for it
//! is about these numbers and no others: where somebody takes the queue away, the next one is called otherwise.

use super::archive::ArchiveError;
use super::recovery::Recovered;
use crate::event::Uid;
use crate::event::wire::{Corrupt, Reader, Writer};
use crate::store::Log;

/// What each was called before it had a uid of its own: that of the document `weir/Queue/embedded`, if there were one.
pub const SHARED: Uid = Uid(0x4235_f560_d9e6_b23d_cca6_cd20_5e1c_657e);

/// The name under which it is kept beside the queue's segments.
const STATE: &str = "uid";
const FORMAT: u8 = 1;

/// What it is called for now.
pub(super) fn of(queue: &Log) -> Result<Uid, ArchiveError> {
    Ok(kept(queue)?.unwrap_or(SHARED))
}

/// Gives a queue without a uid of its own that one. What an earlier version has left in it keeps the shared one, and so does
/// what comes until a start finds nothing left: some of its attempts may have been shipped, and the others belong to them.
pub fn own(queue: &Log, recovered: &Recovered, fresh: Uid) -> Result<Uid, ArchiveError> {
    if let Some(kept) = kept(queue)? {
        return Ok(kept);
    }
    if recovered.waiting > 0 || !recovered.parked.is_empty() {
        return Ok(SHARED);
    }
    let mut bytes = vec![FORMAT];
    Writer(&mut bytes).u128(fresh.0);
    queue.set_state(STATE, bytes);
    queue.flush()?;
    Ok(fresh)
}

fn kept(queue: &Log) -> Result<Option<Uid>, ArchiveError> {
    let Some(bytes) = queue.state(STATE)? else { return Ok(None) };
    decode(&bytes).map(Some).map_err(ArchiveError::Uid)
}

fn decode(bytes: &[u8]) -> Result<Uid, Corrupt> {
    let mut reader = Reader::new(bytes);
    reader.version(FORMAT)?;
    let uid = Uid(reader.u128()?);
    reader.finish()?;
    Ok(uid)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::dispatch::Progress;
    use crate::event::segment::{Ended, Mark};
    use crate::event::{Event, Position, record};
    use crate::sink::parking::ParkedRecord;
    use crate::worker::archive::{Archive, Aside, Attempt, Limits};
    use crate::worker::query::Store;

    const FRESH: Uid = Uid(77);

    fn open(data: &Path) -> (Archive, Recovered) {
        let limits = Limits { queue_bytes: u64::MAX, journal_bytes: u64::MAX, journal_keep: u64::MAX };
        Archive::open(Arc::new(Store::open(data).unwrap()), limits, |_| true, 0).unwrap()
    }

    /// What a start calls the queue, and where the next would begin.
    fn start(data: &Path, fresh: Uid) -> Uid {
        let (archive, recovered) = open(data);
        assert_eq!(recovered.queue, of(&archive.store.queue).unwrap());
        own(&archive.store.queue, &recovered, fresh).unwrap()
    }

    fn event() -> Vec<u8> {
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
        bytes
    }

    #[test]
    fn it_is_the_same_for_ever() {
        assert_eq!(SHARED, Uid::of_document("weir", "Queue", "embedded"));
        let home = tempfile::tempdir().unwrap();
        assert_eq!(start(home.path(), FRESH), FRESH);
        let (mut archive, _) = open(home.path());
        archive.accept(Uid(2), &event());
        archive.write().unwrap();
        drop(archive);
        for n in 0..3 {
            assert_eq!(start(home.path(), Uid(n)), FRESH);
        }
        // The numbers begin again, and so they are another's.
        std::fs::remove_dir_all(home.path().join("queue")).unwrap();
        assert_eq!(start(home.path(), Uid(5)), Uid(5));
    }

    #[test]
    fn what_an_earlier_version_left_keeps_what_it_was_called() {
        let home = tempfile::tempdir().unwrap();
        let (mut archive, _) = open(home.path());
        archive.accept(Uid(2), &event());
        archive.write().unwrap();
        drop(archive);
        assert_eq!(start(home.path(), FRESH), SHARED, "one waits");

        let (mut archive, _) = open(home.path());
        let position = Position { source: SHARED, partition: 0, offset: 0 };
        let bytes = event();
        let parked = ParkedRecord {
            delivery: Uid(9),
            position,
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
        archive.push(Attempt {
            marks: vec![Mark::Ended(Ended { offset: 0, trigger: Uid(3) })],
            parked: Some(Aside { record: parked.encode(), was: None, lane: Vec::new() }),
            ..Attempt::default()
        });
        archive.settle(&Progress { watermark: 1, ..Progress::default() });
        archive.write().unwrap();
        drop(archive);
        assert_eq!(start(home.path(), FRESH), SHARED, "one is parked");

        let (mut archive, recovered) = open(home.path());
        archive.push(Attempt { marks: vec![Mark::Unparked(recovered.parked[0].id)], ..Attempt::default() });
        archive.write().unwrap();
        drop(archive);
        assert_eq!(start(home.path(), FRESH), FRESH);
        assert_eq!(start(home.path(), Uid(5)), FRESH);
    }

    #[test]
    fn what_is_no_uid_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let queue = Log::open(home.path(), Default::default()).unwrap();
        for bytes in [&[2][..], &[FORMAT, 1], &[FORMAT; 18]] {
            queue.set_state(STATE, bytes.to_vec());
            queue.flush().unwrap();
            let error = own(&queue, &Recovered::default(), FRESH).unwrap_err().to_string();
            assert!(error.starts_with("the queue's uid can't be read"), "{error}");
        }
    }
}
