//! A shelf: records in a log that are removed one by one. Each has an id that it keeps for good; which are there is a
//! ledger over the ids, written with whatever changes it. Disk is given back by whole volumes; where few records hold one,
//! they are copied forward.

use std::collections::VecDeque;
use std::sync::Arc;

use super::place::Places;
use super::shelved::Shelved;
pub use super::shelved::Split;
use super::{Log, StoreError};
use crate::dispatch::Progress;
use crate::dispatch::ledger::Ledger;
use crate::event::wire::{Corrupt, Reader, Writer};

/// The name under which the ledger is kept beside the segments.
const STATE: &str = "shelf";
const FORMAT: u8 = 1;
/// What is read to get at one record.
const SEGMENT_BYTES: usize = 64 << 10;
/// Segments that are kept as they were read last: one for records in their order, one for those copied forward.
const READ: usize = 2;

#[derive(Debug)]
pub struct Shelf {
    log: Arc<Log>,
    split: Option<Split>,
    state: State,
    places: Places,
    /// Put and not written yet.
    pending: Vec<(u64, Vec<u8>)>,
    changed: bool,
    /// Segments of copies on their way: the number, the ids, the bytes. They count once they are durable.
    moving: Vec<(u64, Vec<u64>, u64)>,
    read: VecDeque<(u64, Shelved)>,
}

/// What stands beside the segments.
#[derive(Debug, Default)]
struct State {
    /// An id is complete once its record is removed.
    ledger: Ledger,
    /// The id of the next record.
    next: u64,
    /// How many records there ever were in segments of format 1, if that has been written down.
    inherited: Option<u64>,
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let mut out = Writer(&mut bytes);
        out.varint(self.next);
        out.varint(self.inherited.unwrap_or(0));
        out.bytes(&self.ledger.progress().encode());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<State, Corrupt> {
        let mut reader = Reader::new(bytes);
        reader.version(FORMAT)?;
        let (next, inherited) = (reader.varint()?, reader.varint()?);
        let progress = Progress::decode(reader.bytes()?)?;
        reader.finish()?;
        let mut ledger = Ledger::resume(&progress);
        for id in missing(&progress, next) {
            ledger.begin(id);
        }
        Ok(State { ledger, next, inherited: Some(inherited) })
    }

    fn is_live(&self, id: u64) -> bool {
        id < self.next && !self.ledger.is_settled(id)
    }
}

/// What is not complete below `end`.
fn missing(progress: &Progress, end: u64) -> impl Iterator<Item = u64> + use<> {
    let starts = std::iter::once(progress.watermark).chain(progress.runs.iter().map(|&(f, n)| f + n));
    let ends = progress.runs.iter().map(|&(first, _)| first).chain(std::iter::once(end));
    let ranges: Vec<_> = starts.zip(ends).map(|(start, end)| start..end).collect();
    ranges.into_iter().flatten()
}

impl Shelf {
    pub fn open(log: Arc<Log>) -> Result<Shelf, ShelfError> {
        Shelf::open_or_inherit(log, None)
    }

    /// One that may hold segments of format 1, whose records have their ids by their order.
    pub fn open_or_inherit(log: Arc<Log>, split: Option<Split>) -> Result<Shelf, ShelfError> {
        // Read before the segments: who looks on while another writes sees no id without its record.
        let state = log.state(STATE)?;
        let state = state.map(|bytes| State::decode(&bytes)).transpose();
        let state = state
            .map_err(|e| ShelfError::Corrupt { place: log.name(), what: "state".to_owned(), why: e })?
            .unwrap_or_default();
        let mut shelf = Shelf {
            log,
            split,
            state,
            places: Places::default(),
            pending: Vec::new(),
            changed: false,
            moving: Vec::new(),
            read: VecDeque::new(),
        };
        shelf.find()?;
        Ok(shelf)
    }

    /// Finds the places of all records.
    fn find(&mut self) -> Result<(), ShelfError> {
        let mut inherited: Vec<(u64, u64, u64)> = Vec::new();
        for number in self.log.first()..self.log.flushed() {
            let Some(bytes) = self.segment(number)? else { continue };
            let length = bytes.len() as u64;
            match (self.split, bytes.first()) {
                (Some(split), Some(1)) if self.places.is_empty() => {
                    let records = split(&bytes).map_err(|e| self.corrupt(number, e))?;
                    inherited.push((number, records.len() as u64, length));
                }
                _ => {
                    self.inherit(std::mem::take(&mut inherited));
                    let shelved = Shelved::decode(bytes).map_err(|e| self.corrupt(number, e))?;
                    let State { ledger, next, .. } = &self.state;
                    let is_live = |id| id < *next && !ledger.is_settled(id);
                    self.places.add(number, shelved.ids(), (length, shelved.with), is_live);
                }
            }
        }
        self.inherit(inherited);
        Ok(())
    }

    /// Gives the records of format 1 that are left their ids: they are the last of all there were.
    fn inherit(&mut self, segments: Vec<(u64, u64, u64)>) {
        let left: u64 = segments.iter().map(|(_, count, _)| count).sum();
        let all = *self.state.inherited.get_or_insert(left);
        if self.state.next == 0 {
            (0..all).for_each(|id| assert!(self.state.ledger.begin(id), "ids are begun in order"));
            self.state.next = all;
        }
        let mut id = all.saturating_sub(left);
        for (number, count, length) in segments {
            let is_live = |id| self.state.is_live(id);
            self.places.add(number, id..id + count, (length, None), is_live);
            id += count;
        }
    }

    /// The id is the record's for good; it can be read once the log has been flushed.
    pub fn put(&mut self, record: Vec<u8>) -> u64 {
        let id = self.state.next;
        self.state.next += 1;
        self.state.ledger.begin(id);
        self.pending.push((id, record));
        self.changed = true;
        id
    }

    /// False: it is not there.
    pub fn remove(&mut self, id: u64) -> bool {
        if !self.state.is_live(id) {
            return false;
        }
        match self.pending.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(index) => drop(self.pending.remove(index)),
            Err(_) => self.places.leave(id),
        }
        self.state.ledger.complete(id);
        self.changed = true;
        true
    }

    /// Appends what was put and removed; durable after the log's next flush. `with` is the queue's segment that will hold
    /// the marks. False: there is nothing to write.
    pub fn write(&mut self, with: u64) -> bool {
        if !self.changed {
            return false;
        }
        for records in chunks(&std::mem::take(&mut self.pending)) {
            let (number, bytes) = self.append(Some(with), records);
            let ids = records.iter().map(|(id, _)| *id);
            self.places.add(number, ids, (bytes, Some(with)), |_| true);
        }
        self.log.set_state(STATE, self.state.encode());
        self.changed = false;
        true
    }

    fn append(&self, with: Option<u64>, records: &[(u64, Vec<u8>)]) -> (u64, u64) {
        let records = records.iter().map(|(id, record)| (*id, record.as_slice()));
        let segment = Shelved::encode(with, records);
        let bytes = segment.len() as u64;
        (self.log.append(segment), bytes)
    }

    /// `None`: it is not there, or not flushed yet.
    pub fn get(&mut self, id: u64) -> Result<Option<&[u8]>, ShelfError> {
        if !self.state.is_live(id) {
            return Ok(None);
        }
        let Some(number) = self.places.of(id).filter(|&number| number < self.log.flushed()) else {
            return Ok(None);
        };
        let at = match self.read.iter().position(|(read, _)| *read == number) {
            Some(at) => at,
            None => {
                let Some(bytes) = self.segment(number)? else { return Ok(None) };
                let shelved = self.shelved(number, bytes)?;
                self.read.truncate(READ - 1);
                self.read.push_front((number, shelved));
                0
            }
        };
        Ok(self.read[at].1.get(id))
    }

    /// Visits what is there in the order of the ids, from `from` on.
    pub fn scan(&mut self, from: u64, mut visit: impl FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        for id in self.ids() {
            if id >= from
                && let Some(record) = self.get(id)?
            {
                visit(id, record);
            }
        }
        Ok(())
    }

    /// The ids of what is there, in order.
    pub fn ids(&self) -> impl Iterator<Item = u64> + use<> {
        missing(&self.state.ledger.progress(), self.state.next)
    }

    pub fn is_live(&self, id: u64) -> bool {
        self.state.is_live(id)
    }

    /// What was written with the queue's segment `with` or a later one.
    pub fn written_with(&self, with: u64) -> Vec<u64> {
        let mut ids = self.places.written_with(with);
        ids.sort_unstable();
        ids
    }

    /// How many records there are.
    pub fn live(&self) -> u64 {
        self.state.ledger.incomplete() as u64
    }

    /// Bytes held, also by what has been removed and not given back yet.
    pub fn bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// Gives disk back, of one volume at most where records must be copied for it. What fails is gone on with the next
    /// time. Not while there is something to write: what is removed but not durably so must stay.
    pub fn sweep(&mut self) -> Result<(), ShelfError> {
        if self.changed {
            return Ok(());
        }
        self.arrive()?;
        self.drop_empty()?;
        let Some(second) = self.log.second_volume() else { return Ok(()) };
        let (all, live) = self.places.bytes();
        if live * 2 >= all {
            return Ok(());
        }
        let survivors: Vec<_> = self.places.standing(self.log.first()..second).collect();
        let mut copies: Vec<(u64, Vec<u8>)> = Vec::new();
        for id in survivors.into_iter().flat_map(|(_, ids)| ids) {
            let record = self.get(id)?.map(<[u8]>::to_vec);
            copies.extend(record.map(|record| (id, record)));
        }
        copies.sort_unstable_by_key(|(id, _)| *id);
        for records in chunks(&copies) {
            // What has survived so far has its marks: it goes with no segment of the queue.
            let (number, bytes) = self.append(None, records);
            self.moving.push((number, records.iter().map(|(id, _)| *id).collect(), bytes));
        }
        self.arrive()?;
        self.drop_empty()
    }

    /// With everything durable, the copies count, and not what they were copied from.
    fn arrive(&mut self) -> Result<(), ShelfError> {
        self.log.flush()?;
        for (number, ids, bytes) in std::mem::take(&mut self.moving) {
            let State { ledger, next, .. } = &self.state;
            let is_live = |id| id < *next && !ledger.is_settled(id);
            self.places.add(number, ids.into_iter(), (bytes, None), is_live);
        }
        Ok(())
    }

    fn drop_empty(&mut self) -> Result<(), ShelfError> {
        let keep = self.places.first_needed().unwrap_or(self.log.next());
        if keep >= self.log.flushed() {
            self.log.roll()?;
        }
        self.log.drop_below(keep)?;
        self.places.forget_below(self.log.first());
        Ok(())
    }

    /// `None`: it was dropped meanwhile.
    fn segment(&self, number: u64) -> Result<Option<Vec<u8>>, ShelfError> {
        match self.log.get(number)? {
            None if number >= self.log.first() => {
                Err(ShelfError::Missing { place: self.log.name(), segment: number })
            }
            found => Ok(found),
        }
    }

    fn shelved(&self, number: u64, bytes: Vec<u8>) -> Result<Shelved, ShelfError> {
        let shelved = match (self.split, bytes.first(), self.places.first_of(number)) {
            (Some(split), Some(1), Some(first)) => split(&bytes).map(|all| Shelved::inherited(first, &all)),
            _ => Shelved::decode(bytes),
        };
        shelved.map_err(|e| self.corrupt(number, e))
    }

    fn corrupt(&self, segment: u64, why: Corrupt) -> ShelfError {
        ShelfError::Corrupt { place: self.log.name(), what: format!("segment {segment}"), why }
    }
}

/// Cuts records into segments' worth.
fn chunks(mut records: &[(u64, Vec<u8>)]) -> impl Iterator<Item = &[(u64, Vec<u8>)]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(_, record): &&(u64, Vec<u8>)| {
            bytes += record.len();
            bytes <= SEGMENT_BYTES
        };
        let count = records.iter().take_while(fits).count().max(1).min(records.len());
        let (chunk, rest) = records.split_at(count);
        records = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[derive(Debug)]
pub enum ShelfError {
    Store(StoreError),
    Missing {
        place: String,
        segment: u64,
    },
    /// By its id.
    Gone {
        place: String,
        record: u64,
    },
    Corrupt {
        place: String,
        what: String,
        why: Corrupt,
    },
}

impl From<StoreError> for ShelfError {
    fn from(error: StoreError) -> ShelfError {
        ShelfError::Store(error)
    }
}

impl std::fmt::Display for ShelfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ShelfError::Store(error) => error.fmt(f),
            ShelfError::Missing { place, segment } => write!(
                f,
                "segment {segment} of {place} is not there: restore the data directory, or move {place} away to go on \
                 without anything in it"
            ),
            ShelfError::Gone { place, record } => write!(
                f,
                "record {record} of {place} is not there: restore the data directory, or move {place} away to go on \
                 without anything in it"
            ),
            ShelfError::Corrupt { place, what, why } => write!(f, "{what} of {place} can't be read: {why}"),
        }
    }
}

impl std::error::Error for ShelfError {}
