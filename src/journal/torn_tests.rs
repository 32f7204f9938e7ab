//! What a power cut leaves of the last write, cut at every byte: the journal is whole up to the write before, or with it, and goes
//! on from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tests::{entry, write};
use super::*;
use crate::store::Log;

fn open(directory: &Path) -> Arc<Log> {
    Arc::new(Log::open(directory, Default::default()).unwrap())
}

/// Where sled has what it writes.
fn database(directory: &Path) -> PathBuf {
    let volume = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    volume.join("db")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_torn_tail_is_cut_at_whichever_byte() {
    let home = tempfile::tempdir().unwrap();
    let [whole, torn] = ["whole", "torn"].map(|name| home.path().join(name));
    // Segments of 1, 3 and 2 entries; then the last, of one.
    write(&open(&whole), 0..6);
    let before = fs::read(database(&whole)).unwrap();
    write(&open(&whole), 6..7);
    let after = fs::read(database(&whole)).unwrap();
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    let differs = |at: &usize| byte(&before, *at) != byte(&after, *at);
    let first = (0..after.len()).find(differs).unwrap();
    let last = (0..after.len()).rev().find(differs).unwrap();
    let mut found = [0, 0];
    for cut in first..=last + 1 {
        let _ = fs::remove_dir_all(&torn);
        copy(&whole, &torn);
        let mut bytes = after[..cut].to_vec();
        bytes.extend(before.iter().skip(cut));
        fs::write(database(&torn), bytes).unwrap();
        let log = open(&torn);
        let there = log.flushed();
        assert!((3..=4).contains(&there), "cut at {cut} of {first} to {last}: {there} segments");
        found[there as usize - 3] += 1;
        let mut n = 0;
        let totals = read(&log, |read| {
            assert_eq!(*read, entry(n));
            n += 1;
        });
        assert_eq!(totals.unwrap().entries, [6, 7][there as usize - 3], "cut at {cut}");
        // The chain goes on from what is there.
        write(&log, 6..8);
        assert_eq!(read(&log, |_| {}).unwrap().entries, [8, 9][there as usize - 3]);
    }
    assert!(found[0] > 100 && found[1] > 0, "{found:?} of {first} to {last}");
}

/// What is read is never taken for what was written: of a segment that is cut or changed anywhere the place is named.
#[test]
fn a_segment_that_is_cut_or_changed_is_named() {
    let home = tempfile::tempdir().unwrap();
    let log = open(home.path());
    write(&log, 0..2);
    let good = log.get(1).unwrap().unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        for bytes in [&good[..at], &changed] {
            let error =
                Segment::decode(bytes).map(drop).map_err(|why| JournalError::Corrupt(1, why).to_string());
            assert!(error.unwrap_err().starts_with("the journal's segment 1 can't be read: "), "{at}");
        }
    }
}
