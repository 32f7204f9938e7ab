//! A data directory as the version before of each format would have left it: the same events, marks, entries and letters, written
//! by nothing of the worker's own.

use std::path::Path;

use weir::dispatch::Progress;
use weir::event::segment::{Mark, Segment};
use weir::event::wire::{Reader, Writer};
use weir::journal::Entry;
use weir::journal::segment::Segment as Entries;
use weir::sink::dead_letter::DeadLetter;

use super::volumes::{LOGS, Volumes};

/// Layout 1 of all volumes, and the format before of all that is in them.
pub(crate) fn rewrite(data: &Path) {
    for name in LOGS {
        let log = data.join(name);
        let mut volumes = Volumes::read(&log);
        let mut previous = [0; 32];
        for segment in volumes.segments.values_mut() {
            *segment = match name {
                "queue" => queued(segment),
                "journal" => journalled(segment, &mut previous),
                "dead-letters" => dead(segment),
                _ => panic!("of {name} there is no format before"),
            };
        }
        if name == "queue" {
            let progress = volumes.states.get_mut("progress").expect("it has got somewhere");
            *progress = offsets(progress);
        }
        if name == "dead-letters" {
            volumes.states.remove("shelf").expect("they were a shelf");
        }
        volumes.write(&log, 1);
    }
}

/// Format 1 has no parked records.
fn queued(segment: &[u8]) -> Vec<u8> {
    let segment = Segment::decode(segment).unwrap();
    let mut before = vec![1];
    let mut out = Writer(&mut before);
    out.varint(segment.first);
    out.varint(segment.records.len() as u64);
    for (broker, record) in &segment.records {
        out.u128(broker.0);
        out.bytes(record);
    }
    out.varint(segment.marks.len() as u64);
    for mark in &segment.marks {
        let Mark::Ended(ended) = mark else { panic!("{mark:?}") };
        out.varint(ended.offset);
        out.u128(ended.trigger.0);
    }
    before
}

/// In format 6 entries have no headings: each has all of its names.
fn journalled(segment: &[u8], previous: &mut [u8; 32]) -> Vec<u8> {
    let segment = Entries::decode(segment).unwrap();
    let mut before = vec![6];
    before.extend_from_slice(previous);
    let mut out = Writer(&mut before);
    out.varint(segment.link.totals.entries);
    out.varint(segment.link.totals.wall_ns);
    out.varint(segment.entries.len() as u64);
    segment.entries.iter().for_each(|entry| attempt(entry, &mut before));
    *previous = *blake3::hash(&before).as_bytes();
    before.extend_from_slice(previous);
    before
}

fn attempt(entry: &Entry<'_>, before: &mut Vec<u8>) {
    let mut out = Writer(before);
    out.u128(entry.delivery.0);
    out.u128(entry.position.source.0);
    out.varint(entry.position.partition.into());
    out.varint(entry.position.offset);
    for name in [entry.trigger, entry.function, entry.tenant] {
        out.str(name);
    }
    out.varint(entry.attempt.into());
    out.u8(entry.outcome.code());
    out.u8(entry.reason.code());
    for number in [entry.ended, entry.wall_ns, entry.init_ns.unwrap_or(0), entry.bytes_in, entry.bytes_out] {
        out.varint(number);
    }
    for text in [entry.event_id, entry.event_source, entry.event_type] {
        out.str(text);
    }
    out.varint(entry.replies.len() as u64);
    for reply in &entry.replies {
        out.str(&reply.id);
        out.str(reply.ty);
    }
    for number in [entry.fuel, entry.memory, entry.price] {
        out.varint(number);
    }
    out.u64(entry.version);
    out.varint(entry.replay.into());
    out.varint(entry.memory_limit);
    out.u8(match (entry.fenced, entry.dead_letter) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 0,
    });
}

/// A shelf's segment; in format 1 letters stood together without ids, a version of their own, and a number of a replay.
fn dead(segment: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(segment);
    reader.version(2).unwrap();
    reader.varint().unwrap();
    let count = reader.varint().unwrap();
    let mut before = vec![1];
    Writer(&mut before).varint(count);
    for _ in 0..count {
        reader.varint().unwrap();
        let letter = reader.bytes().unwrap();
        assert_eq!(DeadLetter::decode(letter).unwrap().replay, 0);
        before.extend_from_slice(&letter[1..letter.len() - 1]);
    }
    reader.finish().unwrap();
    before
}

/// Format 1: a count of runs, then distance and length of each.
fn offsets(map: &[u8]) -> Vec<u8> {
    let progress = Progress::decode(map).unwrap();
    assert!(!progress.runs.is_empty(), "nothing is done beyond what is not");
    let mut before = vec![1];
    let mut out = Writer(&mut before);
    out.varint(progress.watermark);
    out.varint(progress.runs.len() as u64);
    let mut end = progress.watermark;
    for (first, count) in progress.runs {
        out.varint(first - end);
        out.varint(count);
        end = first + count;
    }
    before
}
