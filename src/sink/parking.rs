//! The parking: deliveries written aside so that their events can settle, each with its event, until they have ended.

use std::sync::Arc;

pub use crate::event::parked::{Label, ParkedRecord};

use crate::event::wire::{Corrupt, Reader, Writer};
use crate::store::shelf::{Shelf, ShelfError};
use crate::store::{Log, StoreError};

/// Of the note of what has been seen.
const FORMAT: u8 = 1;
/// The name under which it is kept how much of the queue the parking has seen.
const SEEN: &str = "seen";

#[derive(Debug)]
pub struct Parking {
    log: Arc<Log>,
    shelf: Shelf,
}

impl Parking {
    pub fn open(log: Arc<Log>) -> Result<Parking, ShelfError> {
        Ok(Parking { shelf: Shelf::open(Arc::clone(&log))?, log })
    }

    /// `parked` as `ParkedRecord::encode` wrote it; in one batch with it, the record goes whose place it takes.
    pub fn put(&mut self, parked: Vec<u8>, was: Option<u64>) -> u64 {
        if let Some(was) = was {
            self.shelf.remove(was);
        }
        self.shelf.put(parked)
    }

    pub fn get(&mut self, id: u64) -> Result<Option<ParkedRecord<'_>>, ShelfError> {
        let Some(bytes) = self.shelf.get(id)? else { return Ok(None) };
        ParkedRecord::decode(bytes).map(Some).map_err(|why| unreadable(&self.log, id, why))
    }

    /// Of everything that is parked, in the order in which it was.
    pub fn labels(&mut self) -> Result<Vec<Label>, ShelfError> {
        let mut labels = Vec::new();
        for id in self.shelf.ids() {
            let gone = || ShelfError::Gone { place: self.log.name(), record: id };
            let bytes = self.shelf.get(id)?.ok_or_else(gone)?;
            let label = ParkedRecord::decode(bytes).and_then(|parked| Label::of(id, &parked));
            labels.push(label.map_err(|why| unreadable(&self.log, id, why))?);
        }
        Ok(labels)
    }

    /// The first segment of the queue whose marks this parking may not know, as far as that is durable.
    pub fn seen(&self) -> Result<u64, ShelfError> {
        let bytes = self.log.state(SEEN)?;
        let read = |bytes: Vec<u8>| {
            let mut reader = Reader::new(&bytes);
            reader.version(FORMAT)?;
            let seen = reader.varint()?;
            reader.finish().map(|()| seen)
        };
        let corrupt = |why| ShelfError::Corrupt { place: self.log.name(), what: "state".to_owned(), why };
        bytes.map_or(Ok(0), |bytes| read(bytes).map_err(corrupt))
    }

    /// Appends what was put and removed; durable after the log's next flush, and with it that the marks in the queue's
    /// segments below `seen` are known.
    pub fn write(&mut self, with: u64, seen: u64) -> bool {
        let written = self.shelf.write(with);
        if written {
            self.note(seen);
        }
        written
    }

    /// The same of `seen` alone, at once.
    pub fn see(&mut self, seen: u64) -> Result<(), StoreError> {
        self.note(seen);
        self.log.flush()
    }

    fn note(&self, seen: u64) {
        let mut bytes = vec![FORMAT];
        Writer(&mut bytes).varint(seen);
        self.log.set_state(SEEN, bytes);
    }

    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub fn shelf_mut(&mut self) -> &mut Shelf {
        &mut self.shelf
    }
}

fn unreadable(log: &Log, id: u64, why: Corrupt) -> ShelfError {
    ShelfError::Corrupt { place: log.name(), what: format!("parked record {id}"), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Position, Uid, Value, record};

    fn parked(event: &[u8], attempts: u32) -> ParkedRecord<'_> {
        ParkedRecord {
            delivery: Uid(1),
            position: Position::default(),
            broker: Uid(2),
            trigger: Uid(3),
            attempts,
            failures: attempts,
            replay: 0,
            due: 7,
            holds: true,
            letter: None,
            record: event,
        }
    }

    #[test]
    fn what_is_parked_again_takes_the_place_of_what_was() {
        let directory = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::open(directory.path(), Default::default()).unwrap());
        let mut event = Event {
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
        event.set_extension("partitionkey", Value::String("k".into()));
        let mut bytes = Vec::new();
        record::encode(&event, &mut bytes);
        let mut parking = Parking::open(Arc::clone(&log)).unwrap();
        assert_eq!(parking.seen().unwrap(), 0);
        let first = parking.put(parked(&bytes, 1).encode(), None);
        assert!(parking.write(4, 3));
        log.flush().unwrap();
        let second = parking.put(parked(&bytes, 2).encode(), Some(first));
        assert!(parking.write(5, 4));
        assert!(!parking.write(6, 5));
        log.flush().unwrap();
        let mut parking = Parking::open(Arc::clone(&log)).unwrap();
        let labels = parking.labels().unwrap();
        assert_eq!(labels, [Label::of(second, &parked(&bytes, 2)).unwrap()]);
        assert_eq!((labels[0].key.as_deref(), labels[0].attempts), (Some("k"), 2));
        assert_eq!(parking.get(second).unwrap(), Some(parked(&bytes, 2)));
        assert_eq!((parking.seen().unwrap(), parking.shelf().written_with(5)), (4, vec![second]));
        parking.see(9).unwrap();
        assert_eq!(parking.seen().unwrap(), 9);
    }
}
