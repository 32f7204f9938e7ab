//! Tests of what a restart finds in the queue, on a log in small volumes that are dropped as the scribe drops them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::queue::{ended, marked, segment_of};
use crate::dispatch::Progress;
use crate::dispatch::ledger::Ledger;
use crate::event::Uid;
use crate::event::segment::{Builder, Ended, Mark, Segment};
use crate::store::{Limits, Log};

/// Every event has a delivery to each.
const TRIGGERS: [Uid; 2] = [Uid(1), Uid(2)];

#[derive(Clone, Debug)]
enum Step {
    /// A group commit: so many new events, and the ends of some of the deliveries that are not over.
    Write { events: u64, ends: Vec<prop::sample::Index>, progress: bool },
    /// The worker is killed and starts again: it knows no more than what is in the log.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..4u64, prop::collection::vec(any::<prop::sample::Index>(), 0..8), any::<bool>())
        .prop_map(|(events, ends, progress)| Step::Write { events, ends, progress });
    prop_oneof![6 => write, 1 => Just(Step::Restart)]
}

/// A queue, and what a worker with perfect memory would know of it.
struct Queue<'a> {
    directory: &'a Path,
    log: Arc<Log>,
    next: u64,
    open: BTreeSet<Ended>,
    over: BTreeSet<Ended>,
    committed: Progress,
}

impl Queue<'_> {
    fn open(directory: &Path) -> Arc<Log> {
        Arc::new(Log::open(directory, Limits { volume_bytes: 400 }).unwrap())
    }

    fn write(&mut self, events: u64, ends: &[prop::sample::Index], progress: bool) {
        let mut builder = Builder::default();
        // Only what was settled before this write may be told with it.
        let settled = progress.then(|| self.progress());
        for end in ends {
            if self.open.is_empty() {
                break;
            }
            let end = *self.open.iter().nth(end.index(self.open.len())).unwrap();
            self.open.remove(&end);
            self.over.insert(end);
            builder.mark(Mark::Ended(end));
        }
        let first = self.next;
        for offset in first..first + events {
            builder.push(Uid(9), &offset.to_be_bytes());
            self.open.extend(TRIGGERS.map(|trigger| Ended { offset, trigger }));
        }
        self.next += events;
        if !builder.is_empty() {
            self.log.append(builder.encode(first));
        }
        if let Some(progress) = &settled {
            self.log.set_state("progress", progress.encode());
        }
        self.log.flush().unwrap();
        if let Some(progress) = settled {
            let keep = segment_of(&self.log, progress.watermark).unwrap();
            if keep >= self.log.flushed() {
                self.log.roll().unwrap();
            }
            self.log.drop_below(keep).unwrap();
            self.committed = progress;
        }
    }

    fn progress(&self) -> Progress {
        let mut ledger = Ledger::resume(&self.committed);
        (0..self.next).for_each(|offset| {
            if ledger.begin(offset)
                && !TRIGGERS.iter().any(|&trigger| self.open.contains(&Ended { offset, trigger }))
            {
                ledger.complete(offset);
            }
        });
        ledger.progress()
    }

    fn restart(self) -> Self {
        let Queue { directory, log, .. } = self;
        drop(log);
        Queue { log: Queue::open(directory), ..self }
    }

    /// What is read must be all that is needed, and nothing that was not written.
    fn check(&self) {
        let bytes = self.log.state("progress").unwrap();
        let progress = bytes.map_or(Progress::default(), |bytes| Progress::decode(&bytes).unwrap());
        assert_eq!(progress, self.committed);
        let ledger = Ledger::resume(&progress);
        let expected: Vec<_> =
            self.over.iter().copied().filter(|end| !ledger.is_settled(end.offset)).collect();
        let mut found = ended(&self.log, &progress).unwrap();
        found.sort();
        assert_eq!(found, expected);

        for offset in progress.watermark..self.next {
            let number = segment_of(&self.log, offset).unwrap();
            let bytes = self.log.get(number).unwrap().expect("an event that is not settled is still there");
            let segment = Segment::decode(&bytes).unwrap();
            assert!((segment.first..segment.end()).contains(&offset), "{offset} is not in segment {number}");
            let record = segment.records[usize::try_from(offset - segment.first).unwrap()].1;
            assert_eq!(record, offset.to_be_bytes());
        }
        assert_eq!(segment_of(&self.log, self.next).unwrap(), self.log.flushed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn a_restart_finds_every_end_that_was_written(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let mut queue = Queue {
            directory, log: Queue::open(directory), next: 0,
            open: BTreeSet::new(), over: BTreeSet::new(), committed: Progress::default(),
        };
        for step in steps {
            match step {
                Step::Write { events, ends, progress } => queue.write(events, &ends, progress),
                Step::Restart => queue = queue.restart(),
            }
            queue.check();
        }
    }
}

fn segment(log: &Log, first: u64, records: u64, ends: &[(u64, Uid)]) {
    let mut builder = Builder::default();
    (0..records).for_each(|_| builder.push(Uid(9), b"event"));
    ends.iter().for_each(|&(offset, trigger)| builder.mark(Mark::Ended(Ended { offset, trigger })));
    log.append(builder.encode(first));
    log.flush().unwrap();
}

/// The shape that a search may stumble over: runs of segments in which there are ends and no events.
#[test]
fn segments_without_events_are_passed_over_to_the_one_that_holds_an_event() {
    let directory = tempfile::tempdir().unwrap();
    let log = Queue::open(directory.path());
    let [one, two] = TRIGGERS;
    segment(&log, 0, 2, &[]);
    segment(&log, 2, 0, &[(0, one)]);
    segment(&log, 2, 0, &[(0, two)]);
    segment(&log, 2, 0, &[(1, one)]);
    segment(&log, 2, 1, &[]);
    segment(&log, 3, 0, &[(2, one)]);
    segment(&log, 3, 0, &[(2, two)]);
    let found: Vec<_> = (0..5).map(|sequence| segment_of(&log, sequence).unwrap()).collect();
    assert_eq!(found, [0, 0, 4, 7, 7]);
    let ends = |watermark, runs| {
        let ended = ended(&log, &Progress { watermark, runs }).unwrap();
        ended.into_iter().map(|end| (end.offset, end.trigger)).collect::<Vec<_>>()
    };
    assert_eq!(ends(1, vec![]), [(1, one), (2, one), (2, two)]);
    assert_eq!(ends(1, vec![(2, 1)]), [(1, one)]);
    assert_eq!(ends(2, vec![]), [(2, one), (2, two)]);
    assert_eq!(ends(3, vec![]), []);
}

/// The parking may have seen less than what is settled, or more.
#[test]
fn parked_records_are_done_by_the_segments_that_the_parking_has_not_seen() {
    let directory = tempfile::tempdir().unwrap();
    let log = Queue::open(directory.path());
    for id in 0..4 {
        let mut builder = Builder::default();
        builder.push(Uid(9), b"event");
        builder.mark(Mark::Unparked(id));
        builder.mark(Mark::Ended(Ended { offset: id, trigger: TRIGGERS[0] }));
        log.append(builder.encode(id));
        log.flush().unwrap();
    }
    for (watermark, seen) in [(0, 2), (3, 1), (4, 0), (2, 4), (4, 4)] {
        let marked = marked(&log, &Progress { watermark, runs: vec![] }, seen).unwrap();
        assert_eq!(marked.unparked, (seen..4).collect::<Vec<_>>());
        assert_eq!(
            marked.ended.iter().map(|e| e.offset).collect::<Vec<_>>(),
            (watermark..4).collect::<Vec<_>>()
        );
    }
}
