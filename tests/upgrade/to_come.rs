//! A data directory with something of a format that is still to come: it is refused by its number, and nothing in it is changed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use weir::event::segment::{Builder, Segment};
use weir::event::wire::Reader;

use super::directory::Left;
use super::volumes::{LOGS, Volumes};
use super::worker::{Connection, Home, Running, eventually};

/// Who meets it.
enum Met {
    /// A worker does not start.
    AtStart,
    /// It is so where the documents have a mistake and the last good ones are asked for.
    WithLastGood,
    /// A worker starts, and reads no further in its queue.
    Reading,
    /// Whoever asks for dead letters is told.
    Asking,
}

struct Case {
    /// The format's own file, as UPGRADE.md's table names it.
    source: &'static str,
    makes: fn(&Path),
    says: &'static str,
    met: Met,
}

fn case(source: &'static str, says: &'static str, met: Met, makes: fn(&Path)) -> Case {
    Case { source, makes, says, met }
}

fn cases() -> Vec<Case> {
    use Met::*;
    vec![
        case("src/store/volume.rs", "volume-3-0000000000000000 has a format", AtStart, |data| {
            Volumes::read(&data.join("parking")).write(&data.join("parking"), 3);
        }),
        case("src/event/segment.rs", "version 3 and this weir reads 2", AtStart, |data| {
            last(data, "queue", |segment| segment[0] = 3);
        }),
        case("src/event/record.rs", "version 2 and this weir reads 1", Reading, |data| {
            last(data, "queue", record)
        }),
        case("src/dispatch/progress.rs", "version 3 and this weir reads 2", AtStart, |data| {
            state(data, "queue", "progress", 3);
        }),
        case("src/worker/beside.rs", "version 2 and this weir reads 1", AtStart, |data| {
            state(data, "queue", "beside", 2)
        }),
        case("src/worker/queue_uid.rs", "version 2 and this weir reads 1", AtStart, |data| {
            state(data, "queue", "uid", 2)
        }),
        case("src/journal/segment.rs", "version 8 and this weir reads 7", AtStart, |data| {
            last(data, "journal", entries)
        }),
        case("src/journal/day.rs", "version 2 and this weir reads 1", AtStart, |data| {
            state(data, "journal", "day", 2)
        }),
        case("src/store/shelved.rs", "version 3 and this weir reads 2", AtStart, |data| {
            last(data, "dead-letters", |segment| segment[0] = 3);
        }),
        case("src/store/shelf.rs", "version 2 and this weir reads 1", AtStart, |data| {
            state(data, "parking", "shelf", 2)
        }),
        case("src/sink/dead_letter.rs", "version 3 and this weir reads 2", Asking, |data| {
            last(data, "dead-letters", |segment| shelved(segment, 3));
        }),
        case("src/sink/parking.rs", "version 2 and this weir reads 1", AtStart, |data| {
            state(data, "parking", "seen", 2)
        }),
        case("src/event/parked.rs", "version 2 and this weir reads 1", AtStart, |data| {
            last(data, "parking", |segment| shelved(segment, 2));
        }),
        case("src/journal/cursor.rs", "this version does not read format 2", AtStart, |data| {
            std::fs::write(data.join("shipments/default.usage.json"), r#"{"version": 2}"#).unwrap();
        }),
        case("src/worker/shipment/windows.rs", "this version does not read format 2", AtStart, |data| {
            std::fs::write(data.join("shipments/default.usage.rollups"), r#"{"version": 2}"#).unwrap();
        }),
        case("src/worker/last_good.rs", "its format is 2, and this version reads 1", WithLastGood, |data| {
            let path = data.join("last-good/set.json");
            let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            index["format"] = 2.into();
            std::fs::write(&path, index.to_string()).unwrap();
        }),
    ]
}

/// Changes the last segment of a log.
fn last(data: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let log = data.join(name);
    let mut volumes = Volumes::read(&log);
    change(volumes.segments.values_mut().next_back().unwrap());
    volumes.write(&log, 2);
}

fn state(data: &Path, name: &str, state: &str, version: u8) {
    let log = data.join(name);
    let mut volumes = Volumes::read(&log);
    volumes.states.entry(state.to_owned()).or_insert_with(|| vec![0])[0] = version;
    volumes.write(&log, 2);
}

/// The first record of what a shelf has there.
fn shelved(segment: &mut [u8], version: u8) {
    let mut reader = Reader::new(segment);
    reader.version(2).unwrap();
    for _ in ["with", "count", "id"] {
        reader.varint().unwrap();
    }
    let record = reader.bytes().unwrap();
    let at = segment.len() - reader.remaining() - record.len();
    segment[at] = version;
}

/// An event that stands behind the others, with what the segment had.
fn record(segment: &mut Vec<u8>) {
    let old = Segment::decode(segment).unwrap();
    let mut new = Builder::default();
    old.records.iter().for_each(|(broker, record)| new.push(*broker, record));
    new.push(weir::event::Uid(1), &[2]);
    old.marks.iter().for_each(|mark| new.mark(*mark));
    let bytes = new.encode(old.first);
    *segment = bytes;
}

fn entries(segment: &mut Vec<u8>) {
    segment.truncate(segment.len() - 32);
    segment[0] = 8;
    let digest = *blake3::hash(segment).as_bytes();
    segment.extend_from_slice(&digest);
}

/// All that is kept: of the logs what is in them, of the rest the files.
fn kept(data: &Path) -> (BTreeMap<&str, Volumes>, BTreeMap<String, Vec<u8>>) {
    let logs = LOGS.map(|name| (name, Volumes::read(&data.join(name)))).into();
    let mut files = BTreeMap::new();
    for folder in ["shipments", "last-good"] {
        for entry in std::fs::read_dir(data.join(folder)).unwrap().map(Result::unwrap) {
            files.insert(entry.path().display().to_string(), std::fs::read(entry.path()).unwrap());
        }
    }
    (logs, files)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn replace(data: &Path, with: &Path) {
    std::fs::remove_dir_all(data).unwrap();
    copy(with, data);
}

fn refused(home: &Home, options: &[&str], says: &str) {
    let ended = Running::try_start(home, options).expect_err(says);
    assert!(ended.code.is_some_and(|code| code != 0) && ended.log.contains(says), "{says}: {}", ended.log);
}

#[test]
fn a_format_that_is_still_to_come_is_refused_by_its_number_and_left_as_it_is() {
    let left = Left::billed();
    left.work(1, 3);
    let (home, data) = (&left.home, left.home.data());
    let whole = home.path().join("whole");
    copy(&data, &whole);
    let documents = std::fs::read(home.documents()).unwrap();
    for Case { source, makes, says, met } in cases() {
        replace(&data, &whole);
        makes(&data);
        let before = kept(&data);
        match met {
            Met::AtStart => refused(home, &[], says),
            Met::WithLastGood => {
                home.write("documents.yaml", b"kind: Tigger\n");
                refused(home, &["--last-good"], says);
                home.write("documents.yaml", &documents);
            }
            Met::Reading => {
                let running = Running::start(home, &[]);
                eventually(says, || running.log().contains(says).then_some(()));
                let probe = || Connection::open(running.admin()).unwrap().get("/readyz").unwrap().status;
                eventually("it is not ready", || (probe() == 503).then_some(()));
                running.kill();
                let after = kept(&data).0.remove("queue").unwrap();
                assert_eq!(after.segments, before.0["queue"].segments, "{source}");
                continue;
            }
            Met::Asking => {
                let asked = home.weir(&["dlq", "list"]);
                let said = String::from_utf8(asked.stderr).unwrap();
                assert!(asked.status.code() == Some(1) && said.contains(says), "{said}");
            }
        }
        assert!(kept(&data) == before, "{source}: something is changed");
    }
    // And as it was it is gone on with.
    replace(&data, &whole);
    Running::start(home, &[]).kill();
}

#[test]
fn every_format_of_a_data_directory_is_met() {
    let met: Vec<&str> = cases().iter().map(|case| case.source).collect();
    for row in super::rows() {
        // What workers tell each other is on no disk.
        let is_kept = row.source != "src/source/nats/partitioned.rs";
        assert_eq!(met.contains(&row.source.as_str()), is_kept, "{}", row.source);
    }
}
