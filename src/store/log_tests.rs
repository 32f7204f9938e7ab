//! Tests of the log, on sled and on the simulated disk.

use std::fs;

use super::simulated::{Fault, SimulatedDisk};
use super::*;

fn small() -> Limits {
    Limits { volume_bytes: 100 }
}

#[test]
fn segments_and_state_survive_reopening_and_rolling() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    log.set_state("watermark", b"7".to_vec());
    for n in 0..10u8 {
        assert_eq!(log.append(vec![n; 40]), u64::from(n));
        log.flush().unwrap();
    }
    log.flush().unwrap();
    assert_eq!(log.flushed(), 10);
    drop(log);
    let log = Log::open(directory.path(), small()).unwrap();
    assert_eq!((log.append(b"next".to_vec()), log.get(10).unwrap()), (10, None));
    assert_eq!(log.get(9).unwrap().unwrap(), [9; 40]);
    assert_eq!(log.get(11).unwrap(), None);
    assert_eq!(log.state("watermark").unwrap().unwrap(), b"7");
    log.flush().unwrap();
    assert_eq!(log.get(10).unwrap().unwrap(), b"next");
}

#[test]
fn dropping_gives_whole_volumes_back_and_never_the_one_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    for n in 0..9 {
        assert_eq!(log.append(vec![0; 40]), n);
        log.flush().unwrap();
    }
    // Volumes begin at 0, 3 and 6.
    assert_eq!(log.drop_below(5).unwrap(), 1);
    assert_eq!((log.first(), log.get(2).unwrap()), (3, None));
    assert_eq!(log.drop_below(100).unwrap(), 1);
    assert_eq!(log.first(), 6);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_full_log_can_be_emptied_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    log.set_state("watermark", b"7".to_vec());
    (0..3).for_each(|n| assert_eq!(log.append(vec![0; 40]), n));
    log.flush().unwrap();
    log.roll().unwrap();
    log.roll().unwrap();
    assert_eq!((log.drop_below(3).unwrap(), log.bytes(), log.first()), (1, 0, 3));
    drop(log);
    let log = Log::open(directory.path(), small()).unwrap();
    assert_eq!((log.first(), log.flushed(), log.append(b"next".to_vec())), (3, 3, 3));
    assert_eq!(log.state("watermark").unwrap().unwrap(), b"7");
}

/// However long a log is. Opened, the oldest would have files again.
#[test]
fn for_a_state_that_was_never_set_the_newest_volumes_are_asked_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    for _ in 0..12 {
        log.append(vec![0; 40]);
        log.flush().unwrap();
    }
    log.set_state("watermark", b"7".to_vec());
    log.flush().unwrap();
    drop(log);
    let oldest = directory.path().join(format!("volume-2-{:016x}", 0));
    fs::remove_dir_all(&oldest).unwrap();
    fs::create_dir(&oldest).unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    assert_eq!(
        (log.state("never").unwrap(), log.state("watermark").unwrap().unwrap()),
        (None, b"7".to_vec())
    );
    assert_eq!(fs::read_dir(&oldest).unwrap().count(), 0);
}

/// What happens after sled has failed: it is opened anew, and what was pending is still there.
#[test]
fn what_is_pending_survives_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    log.append(b"before".to_vec());
    log.flush().unwrap();
    log.append(b"pending".to_vec());
    log.set_state("watermark", b"1".to_vec());
    log.pending().failed = true;
    log.flush().unwrap();
    assert_eq!(log.get(0).unwrap().unwrap(), b"before");
    assert_eq!(log.get(1).unwrap().unwrap(), b"pending");
    assert_eq!(log.state("watermark").unwrap().unwrap(), b"1");
}

#[test]
fn volumes_that_nobody_reads_are_closed() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), small()).unwrap();
    for n in 0..30u8 {
        log.append(vec![n; 40]);
        log.flush().unwrap();
    }
    for pass in 0..2 {
        for n in 0..30 {
            assert_eq!(log.get(n).unwrap().unwrap(), [n as u8; 40], "in pass {pass}");
        }
    }
    let open = log.volumes().values().filter(|slot| slot.open.is_some()).count();
    assert!(open <= OPEN + 1, "{open} of {} are open", log.volumes().len());
}

#[test]
fn a_volume_of_another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("volume-9-0000000000000000")).unwrap();
    let error = Log::open(directory.path(), small()).unwrap_err().to_string();
    assert!(error.contains("volume-9-") && error.contains("does not read"), "{error}");
}

/// What a failed write left may be there or not: written again, it is there once.
#[test]
fn a_failed_write_is_repeated_whether_it_was_durable_or_not() {
    for durable in [false, true] {
        let disk = SimulatedDisk::new();
        let log = Log::open_on(disk.directory("queue"), small()).unwrap();
        log.append(b"first".to_vec());
        log.flush().unwrap();
        log.append(b"second".to_vec());
        disk.fail(Fault { after: 0, durable, lasting: false });
        log.flush().unwrap_err();
        assert_eq!(log.flushed(), 1);
        log.append(b"third".to_vec());
        log.flush().unwrap();
        let read = [0, 1, 2].map(|n| log.get(n).unwrap().unwrap());
        assert_eq!(read, [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
        assert_eq!((log.bytes(), disk.bytes()), (16, 16));
    }
}

#[test]
fn a_crash_leaves_what_was_flushed_and_nothing_else() {
    let disk = SimulatedDisk::new();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    log.append(b"kept".to_vec());
    log.flush().unwrap();
    log.append(b"lost".to_vec());
    disk.crash();
    assert!(log.flush().is_err(), "the process is gone");
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    assert_eq!((log.flushed(), log.get(0).unwrap().unwrap()), (1, b"kept".to_vec()));
}

/// The crash comes between a new volume and its states. A state that is not set again must not go with the old volume.
#[test]
fn states_outlive_a_crash_at_the_beginning_of_a_volume() {
    let disk = SimulatedDisk::new();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    log.set_state("watermark", b"7".to_vec());
    log.set_state("seen", b"3".to_vec());
    log.append(vec![0; 100]);
    log.flush().unwrap();
    disk.fail(Fault { after: 0, durable: false, lasting: true });
    log.roll().unwrap_err();
    for name in ["watermark", "other"] {
        disk.crash();
        let log = Log::open_on(disk.directory("queue"), small()).unwrap();
        assert_eq!(log.state("seen").unwrap().unwrap(), b"3");
        log.set_state(name, b"8".to_vec());
        log.flush().unwrap();
    }
    disk.crash();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    log.append(b"next".to_vec());
    log.flush().unwrap();
    assert_eq!(log.drop_below(1).unwrap(), 1);
    let states = ["watermark", "other", "seen"].map(|name| log.state(name).unwrap().unwrap());
    assert_eq!(states, [b"8", b"8", b"3"]);
}

#[test]
fn a_full_disk_takes_again_once_there_is_room() {
    let disk = SimulatedDisk::new();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    disk.set_capacity(Some(10));
    log.append(vec![1; 11]);
    log.flush().unwrap_err();
    disk.set_capacity(Some(11));
    log.flush().unwrap();
    assert_eq!(log.get(0).unwrap().unwrap(), [1; 11]);
}

#[test]
fn a_drop_that_failed_is_made_up_for_and_never_leaves_a_gap() {
    let disk = SimulatedDisk::new();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    for n in 0..9 {
        assert_eq!(log.append(vec![0; 40]), n);
        log.flush().unwrap();
    }
    disk.fail(Fault { after: 0, durable: false, lasting: false });
    log.drop_below(3).unwrap_err();
    assert_eq!((log.first(), disk.bytes()), (3, 360));
    disk.fail(Fault { after: 0, durable: false, lasting: true });
    log.drop_below(6).unwrap_err();
    disk.crash();
    let log = Log::open_on(disk.directory("queue"), small()).unwrap();
    assert_eq!(log.first(), 0, "the oldest is there again, and so is all that follows");
    assert_eq!(log.drop_below(6).unwrap(), 2);
    assert_eq!(disk.bytes(), 120);
}
