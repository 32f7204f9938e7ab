//! A log's volumes as sled has them, read and written past the worker's own store: all that is in them, and in the layout that is
//! asked for.

use std::collections::BTreeMap;
use std::path::Path;

const SEGMENT: &[u8] = b"segment/";
const STATES: &str = "states";
const STATE_BEFORE: &[u8] = b"state/";

/// The logs of a data directory.
pub(crate) const LOGS: [&str; 4] = ["queue", "journal", "dead-letters", "parking"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Volumes {
    pub(crate) segments: BTreeMap<u64, Vec<u8>>,
    pub(crate) states: BTreeMap<String, Vec<u8>>,
}

fn open(path: &Path) -> sled::Db {
    sled::Config::new().path(path).flush_every_ms(None).open().unwrap()
}

impl Volumes {
    /// Of a log that nobody has open.
    pub(crate) fn read(log: &Path) -> Volumes {
        let mut read = Volumes::default();
        for entry in std::fs::read_dir(log).unwrap().map(Result::unwrap) {
            let volume = open(&entry.path());
            for segment in volume.scan_prefix(SEGMENT).map(Result::unwrap) {
                let number = segment.0[SEGMENT.len()..].try_into().unwrap();
                read.segments.insert(u64::from_be_bytes(number), segment.1.to_vec());
            }
            let beside = volume.open_tree(STATES).unwrap();
            let states = beside.iter().chain(volume.scan_prefix(STATE_BEFORE)).map(Result::unwrap);
            for (name, value) in states {
                let name = name.strip_prefix(STATE_BEFORE).unwrap_or(&name).to_vec();
                read.states.insert(String::from_utf8(name).unwrap(), value.to_vec());
            }
        }
        read
    }

    /// In the place of what is there, as one volume of that layout.
    pub(crate) fn write(&self, log: &Path, layout: u8) {
        std::fs::remove_dir_all(log).unwrap();
        std::fs::create_dir(log).unwrap();
        let first = self.segments.keys().next().copied().unwrap_or(0);
        let volume = open(&log.join(format!("volume-{layout}-{first:016x}")));
        for (number, segment) in &self.segments {
            volume.insert([SEGMENT, &number.to_be_bytes()].concat(), segment.as_slice()).unwrap();
        }
        for (name, value) in &self.states {
            match layout {
                1 => drop(volume.insert([STATE_BEFORE, name.as_bytes()].concat(), value.as_slice()).unwrap()),
                _ => drop(volume.open_tree(STATES).unwrap().insert(name, value.as_slice()).unwrap()),
            }
        }
        volume.flush().unwrap();
    }

    /// The first byte of each segment: its format.
    pub(crate) fn formats(&self) -> Vec<u8> {
        let mut formats: Vec<u8> = self.segments.values().map(|segment| segment[0]).collect();
        formats.dedup();
        formats
    }
}
