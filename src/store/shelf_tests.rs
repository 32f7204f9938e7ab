//! Tests of the shelf against a map: whatever crashes and fails, each record that was flushed is there under its id until
//! it is removed, and the disk of what is removed comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::shelf::Shelf;
use super::simulated::{Fault, SimulatedDisk};
use super::{Limits, Log};
use crate::event::wire::{Corrupt, Reader, Writer};

const LIMITS: Limits = Limits { volume_bytes: 4_000 };

fn log(disk: &SimulatedDisk) -> Arc<Log> {
    Arc::new(Log::open_on(disk.directory("shelf"), LIMITS).unwrap())
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u16>),
    Remove(Vec<prop::sample::Index>),
    Flush,
    Sweep,
    Crash,
    Fail(Fault),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = (0..3u64, any::<bool>(), any::<bool>());
    prop_oneof![
        4 => prop::collection::vec(0..1_500u16, 0..6).prop_map(Step::Put),
        4 => prop::collection::vec(any::<prop::sample::Index>(), 0..6).prop_map(Step::Remove),
        6 => Just(Step::Flush),
        3 => Just(Step::Sweep),
        1 => Just(Step::Crash),
        1 => fault.prop_map(|(after, durable, lasting)| Step::Fail(Fault { after, durable, lasting })),
    ]
}

fn contents(shelf: &mut Shelf) -> BTreeMap<u64, Vec<u8>> {
    let mut found = BTreeMap::new();
    let visit =
        |id, record: &[u8]| assert!(found.insert(id, record.to_vec()).is_none(), "{id} is there twice");
    shelf.scan(0, visit).unwrap();
    found
}

struct Run {
    disk: SimulatedDisk,
    log: Arc<Log>,
    shelf: Shelf,
    /// What a shelf with perfect memory holds.
    now: BTreeMap<u64, Vec<u8>>,
    /// What may be on disk: what was flushed last, and what was written since.
    durable: Vec<BTreeMap<u64, Vec<u8>>>,
    put: u64,
}

impl Run {
    fn new() -> Run {
        let disk = SimulatedDisk::new();
        let log = log(&disk);
        let shelf = Shelf::open(Arc::clone(&log)).unwrap();
        Run { disk, log, shelf, now: BTreeMap::new(), durable: vec![BTreeMap::new()], put: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put(sizes) => {
                for size in sizes {
                    self.put += 1;
                    let record = [&self.put.to_be_bytes()[..], &vec![7; size.into()]].concat();
                    let id = self.shelf.put(record.clone());
                    assert!(self.now.last_key_value().is_none_or(|(&last, _)| last < id));
                    self.now.insert(id, record);
                }
            }
            Step::Remove(which) => {
                for index in which {
                    if self.now.is_empty() {
                        break;
                    }
                    let id = *self.now.keys().nth(index.index(self.now.len())).unwrap();
                    self.now.remove(&id);
                    assert!(self.shelf.remove(id));
                    assert!(!self.shelf.remove(id), "it is gone");
                }
            }
            Step::Flush => {
                self.shelf.write(7);
                self.durable.push(self.now.clone());
                if self.log.flush().is_ok() {
                    self.durable = vec![self.now.clone()];
                    assert_eq!(contents(&mut self.shelf), self.now);
                }
            }
            Step::Sweep => drop(self.shelf.sweep()),
            Step::Fail(fault) => self.disk.fail(fault),
            Step::Crash => {
                self.disk.crash();
                self.log = log(&self.disk);
                self.shelf = Shelf::open(Arc::clone(&self.log)).unwrap();
                let found = contents(&mut self.shelf);
                assert!(self.durable.contains(&found), "{found:?} was never written");
                self.now = found;
                self.durable = vec![self.now.clone()];
            }
        }
        assert_eq!(self.shelf.live(), self.now.len() as u64);
    }
}

proptest! {
    #[test]
    fn it_agrees_with_a_map(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.disk.mend();
        run.step(Step::Flush);
        for _ in 0..run.disk.bytes() / LIMITS.volume_bytes + 2 {
            run.step(Step::Sweep);
        }
        run.step(Step::Flush);
        let live: u64 = run.now.values().map(|record| record.len() as u64 + 16).sum();
        // A volume ends with the flush that fills it.
        let volume = LIMITS.volume_bytes + 6 * 1_600;
        prop_assert!(run.disk.bytes() <= 2 * live + 2 * volume, "{} bytes for {live}", run.disk.bytes());
        run.step(Step::Crash);
    }
}

#[test]
fn it_is_the_same_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(Log::open(directory.path(), LIMITS).unwrap());
    let mut log = open();
    let mut shelf = Shelf::open(Arc::clone(&log)).unwrap();
    for round in 0..40u64 {
        let ids = [0, 1, 2].map(|n| shelf.put(vec![(3 * round + n) as u8; 500]));
        assert_eq!(ids, [3 * round, 3 * round + 1, 3 * round + 2]);
        shelf.write(round);
        log.flush().unwrap();
        // One of ten stays.
        ids.iter().filter(|id| *id % 10 != 0).for_each(|&id| assert!(shelf.remove(id)));
        shelf.write(round);
        log.flush().unwrap();
        shelf.sweep().unwrap();
        if round % 7 == 0 {
            drop((shelf, log));
            log = open();
            shelf = Shelf::open(Arc::clone(&log)).unwrap();
        }
    }
    drop((shelf, log));
    log = open();
    let mut shelf = Shelf::open(Arc::clone(&log)).unwrap();
    let found: Vec<_> = contents(&mut shelf).into_iter().collect();
    let expected: Vec<_> = (0..12u64).map(|n| (10 * n, vec![(10 * n) as u8; 500])).collect();
    assert_eq!(found, expected);
    let volumes = std::fs::read_dir(directory.path()).unwrap().count();
    assert!(log.first() > 0 && volumes <= 5, "{volumes} volumes from {}", log.first());
}

/// As the dead letters were before they were a shelf: a count, and records that tell their own length.
fn split(segment: &[u8]) -> Result<Vec<Vec<u8>>, Corrupt> {
    let mut reader = Reader::new(segment);
    reader.version(1)?;
    (0..reader.length()?).map(|_| reader.bytes().map(<[u8]>::to_vec)).collect()
}

#[test]
fn what_was_there_before_has_ids_by_its_order_also_when_its_first_volumes_are_gone() {
    let disk = SimulatedDisk::new();
    let opened = log(&disk);
    for segment in 0..10u8 {
        let mut bytes = vec![1, 2];
        (0..2).for_each(|n| Writer(&mut bytes).bytes(&[2 * segment + n; 1_000]));
        opened.append(bytes);
        opened.flush().unwrap();
    }
    let mut first = 0;
    for round in 0..3 {
        disk.crash();
        let log = log(&disk);
        let mut shelf = Shelf::open_or_inherit(Arc::clone(&log), Some(split)).unwrap();
        let new = |n: u64| (20 + n, vec![20 + n as u8; 1_000]);
        let old = (first..20).filter(|id| round == 0 || id % 5 == 0).map(|id| (id, vec![id as u8; 1_000]));
        let expected: BTreeMap<_, _> = old.chain((0..round).map(new)).collect();
        assert_eq!(contents(&mut shelf), expected, "in round {round}");
        assert!(shelf.written_with(0).len() as u64 <= round, "what was there before has its marks");
        let old: Vec<u64> = shelf.ids().filter(|&id| id < 20).collect();
        if round == 1 {
            first = 11;
        }
        for id in old.into_iter().filter(|id| id % 5 != 0 || *id < first) {
            assert!(shelf.remove(id));
        }
        assert_eq!(shelf.put(new(round).1), new(round).0);
        shelf.write(round);
        log.flush().unwrap();
        for _ in 0..10 {
            shelf.sweep().unwrap();
        }
    }
    assert!(disk.bytes() < 15_000, "{}", disk.bytes());
}

#[test]
fn reading_in_order_reads_each_segment_once_and_large_records_have_their_own() {
    let disk = SimulatedDisk::new();
    let log = Arc::new(Log::open_on(disk.directory("shelf"), Limits::default()).unwrap());
    let mut shelf = Shelf::open(Arc::clone(&log)).unwrap();
    for n in 0..1_000u64 {
        shelf.put(vec![n as u8; if n == 500 { 200_000 } else { 640 }]);
    }
    shelf.write(0);
    assert_eq!(shelf.get(3).unwrap(), None, "not before it is durable");
    log.flush().unwrap();
    assert!((11..14).contains(&log.flushed()), "{} segments", log.flushed());
    let mut shelf = Shelf::open(log).unwrap();
    for id in [999, 0, 500, 501, 3] {
        assert_eq!(shelf.get(id).unwrap().unwrap()[0], id as u8);
    }
    assert_eq!(shelf.get(1_000).unwrap(), None);
}
