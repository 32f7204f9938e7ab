//! Errands over an archive on a disk: some at a time, each letter once, and what they may not do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::archive::{Archive, Attempt, Limits};
use super::errand::{Deed, Errand, Progress, Replays, Triggers};
use super::query::Store;
use crate::config::load_text;
use crate::dispatch::{Outcome, Reason};
use crate::event::{Position, Uid, record, structured};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::letter_filter::Filter;
use crate::sink::parking::Label;

const DOCUMENTS: &str = "\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: orders}
spec:
  broker: default
  subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: f}}
---
apiVersion: weir.dev/v1alpha1
kind: Function
metadata: {name: f}
spec: {module: f.wasm}
";

struct Worker {
    _directory: tempfile::TempDir,
    archive: Archive,
    replays: Replays,
}

/// With dead letters of these triggers.
fn worker(of: &[&str]) -> Worker {
    let directory = tempfile::tempdir().unwrap();
    // The module is not looked for where it is only linked.
    std::fs::write(directory.path().join("f.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let file = directory.path().join("documents.yaml");
    let loaded = load_text(&file.to_string_lossy(), DOCUMENTS);
    let triggers = Triggers::of(&loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics)));
    let store = Arc::new(Store::open(&directory.path().join("data")).unwrap());
    let limits = Limits { queue_bytes: u64::MAX, journal_bytes: u64::MAX, journal_keep: u64::MAX };
    let (archive, _) = Archive::open(store, limits, |_| true, 0).unwrap();
    let mut worker = Worker { _directory: directory, archive, replays: Replays { triggers, most_parked: 5 } };
    let letters = of.iter().enumerate().map(|(offset, trigger)| letter(offset as u64, trigger)).collect();
    worker.archive.push(Attempt { dead_letters: letters, ..Attempt::default() });
    worker.archive.write().unwrap();
    worker
}

fn letter(offset: u64, trigger: &str) -> Vec<u8> {
    let event = format!(r#"{{"specversion":"1.0","id":"{offset}","source":"/s","type":"t"}}"#);
    let mut record = Vec::new();
    record::encode(&structured::decode(event.as_bytes()).unwrap(), &mut record);
    let letter = DeadLetter {
        delivery: Uid(offset.into()),
        position: Position { source: Uid(1), partition: 0, offset },
        broker: Uid(5),
        trigger,
        function: "default/f",
        attempts: 3,
        replay: 4,
        outcome: Outcome::Permanent,
        reason: Reason::Guest,
        message: "",
        ended: 1000,
        record: &record,
    };
    let mut bytes = Vec::new();
    letter.encode(&mut bytes);
    bytes
}

fn errand(deed: Deed, limit: usize) -> Errand {
    Errand { deed, filter: Filter::default(), from: 0, before: u64::MAX, limit }
}

fn replay(limit: usize) -> Errand {
    errand(Deed::Replay { to: None }, limit)
}

impl Worker {
    fn run(&mut self, errand: &Errand) -> Result<(Progress, Vec<Label>), String> {
        let mut labels = Vec::new();
        let progress = errand.run(&mut self.archive, &self.replays, 7, &mut labels);
        self.archive.write().unwrap();
        progress.map(|progress| (progress, labels)).map_err(|error| error.to_string())
    }

    fn ids(&mut self) -> Vec<u64> {
        self.archive.dead_letters().shelf().ids().collect()
    }
}

#[test]
fn a_replay_goes_on_from_where_it_ended_until_it_is_done() {
    let mut worker = worker(&["default/orders"; 5]);
    let mut errand = replay(2);
    let (mut seen, mut steps) = (Vec::new(), Vec::new());
    loop {
        let (progress, labels) = worker.run(&errand).unwrap();
        seen.extend(labels.iter().map(|label| (label.position.offset, label.replay, label.attempts)));
        steps.push((progress.moved, progress.done));
        errand.from = progress.next;
        if progress.done {
            break;
        }
    }
    assert_eq!(steps, [(2, false), (2, false), (1, true)]);
    assert_eq!(seen, [0, 1, 2, 3, 4].map(|offset| (offset, 5, 0)));
    assert_eq!((worker.ids(), worker.archive.parked_count()), (vec![], 5));
    let trigger = Uid::of_document("default", "Trigger", "orders");
    let parked = worker.archive.parked(0).unwrap().unwrap();
    assert_eq!((parked.trigger, parked.due, parked.holds), (trigger, 7, false));
    assert_eq!(parked.delivery, Uid::of_delivery(parked.position, trigger, 5));
}

#[test]
fn only_what_matches_and_was_there_at_the_beginning_is_moved() {
    let mut worker = worker(&["default/orders"; 6]);
    let attributes = vec![("id".to_owned(), "4".to_owned())];
    let filter = Filter { attributes, ..Filter::default() };
    let (progress, _) = worker.run(&Errand { filter, ..errand(Deed::Drop, 9) }).unwrap();
    assert_eq!((progress.moved, progress.done, worker.ids()), (1, true, vec![0, 1, 2, 3, 5]));
    let (progress, _) = worker.run(&Errand { before: 2, ..errand(Deed::Drop, 9) }).unwrap();
    assert_eq!((progress.moved, progress.done, worker.ids()), (2, true, vec![2, 3, 5]));
    // By their ids, one of which is gone.
    let filter = Filter { ids: vec![1, 3, 5], ..Filter::default() };
    let named = Errand { filter, ..errand(Deed::Drop, 1) };
    let (progress, _) = worker.run(&named).unwrap();
    assert_eq!((progress.moved, progress.next, progress.done), (1, 4, false));
    let (progress, _) = worker.run(&Errand { from: progress.next, ..named }).unwrap();
    assert_eq!((progress.moved, progress.done, worker.ids()), (1, true, vec![2]));
}

#[test]
fn letters_of_a_trigger_that_is_gone_stay_unless_another_is_named() {
    let mut worker = worker(&["default/orders", "default/old", "default/old"]);
    let (progress, labels) = worker.run(&replay(9)).unwrap();
    let skipped = BTreeMap::from([("there is no trigger default/old".to_owned(), 2)]);
    assert_eq!((progress.moved, &progress.skipped, labels.len()), (1, &skipped, 1));
    let to = |name: &str| errand(Deed::Replay { to: Some(name.into()) }, 9);
    let unknown = worker.run(&to("default/order")).unwrap_err();
    assert_eq!(unknown, "there is no trigger default/order; there is default/orders");
    assert_eq!(worker.ids(), [1, 2]);
    let (progress, labels) = worker.run(&to("default/orders")).unwrap();
    assert_eq!((progress.moved, progress.skipped.len(), labels.len()), (2, 0, 2));
    assert!(worker.ids().is_empty());
}

/// What is on its way can be neither replayed again nor dropped.
#[test]
fn a_letter_is_moved_once_however_often_it_is_asked_for_before_that_is_durable() {
    let mut worker = worker(&["default/orders"; 3]);
    let mut labels = Vec::new();
    for _ in 0..2 {
        replay(9).run(&mut worker.archive, &worker.replays, 7, &mut labels).unwrap();
        errand(Deed::Drop, 9).run(&mut worker.archive, &worker.replays, 7, &mut labels).unwrap();
    }
    worker.archive.write().unwrap();
    assert_eq!((labels.len(), worker.archive.parked_count(), worker.ids()), (3, 3, vec![]));
}

#[test]
fn a_replay_waits_where_enough_is_parked_and_a_drop_does_not() {
    let mut worker = worker(&["default/orders"; 8]);
    assert_eq!(worker.run(&replay(5)).unwrap().0.moved, 5);
    let full = worker.run(&replay(5)).unwrap_err();
    assert!(full.starts_with("5 deliveries are parked already"), "{full}");
    assert_eq!(worker.run(&errand(Deed::Drop, 9)).unwrap().0.moved, 3);
}
