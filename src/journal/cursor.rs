//! How far somebody has a journal, kept in a small file of its own: written anew and renamed, so that it is whole.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::segment::{Link, Segment};
use super::{JournalError, Log};
use crate::event::Uid;

/// The next entry that is to go: the `index`th of `segment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub segment: u64,
    pub index: u64,
    /// Of the segment before it: says whether the journal is the one that this is about.
    pub digest: [u8; 32],
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    segment: u64,
    index: u64,
    digest: [String; 2],
}

/// What came of looking a cursor up in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It goes on from there.
    There(Cursor),
    /// So many segments that had not gone are not there any more; it goes on with what is.
    Lost(Cursor, u64),
    /// The journal is another one: all of it goes, under its charge ids.
    Other(Cursor),
}

/// Refuses a small file of another version by its number, whatever else is in it.
pub fn of_version(text: &str, known: u32) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    match serde_json::from_str(text) {
        Ok(Head { version }) if version == known => Ok(()),
        Ok(Head { version }) => Err(format!("this version does not read format {version}")),
        Err(error) => Err(error.to_string()),
    }
}

impl Cursor {
    /// `None`: there is none yet.
    pub fn read(path: &Path) -> Result<Option<Cursor>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let unreadable = |why: String| {
            format!("{}: {why}; move it away, and everything in the journal is shipped again", path.display())
        };
        of_version(&text, VERSION).map_err(unreadable)?;
        let stored: Stored = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        Cursor::of_text(stored.segment, stored.index, &stored.digest).map(Some).map_err(unreadable)
    }

    /// As it stands in files.
    pub fn of_text(segment: u64, index: u64, halves: &[String; 2]) -> Result<Cursor, String> {
        let mut digest = [0; 32];
        for (half, text) in digest.chunks_mut(16).zip(halves) {
            let uid: Uid = text.parse().map_err(|_| format!("'{text}' is no digest"))?;
            half.copy_from_slice(&uid.0.to_be_bytes());
        }
        Ok(Cursor { segment, index, digest })
    }

    pub fn digest_in_text(&self) -> [String; 2] {
        let half = |bytes: &[u8]| Uid(u128::from_be_bytes(bytes.try_into().expect("16 bytes"))).to_string();
        [half(&self.digest[..16]), half(&self.digest[16..])]
    }

    /// A kill leaves this one or the one before. `durably`: so does a power cut.
    pub fn write(&self, path: &Path, durably: bool) -> std::io::Result<()> {
        let digest = self.digest_in_text();
        let stored = Stored { version: VERSION, segment: self.segment, index: self.index, digest };
        let new = path.with_extension("new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(&stored)?)?;
        if durably {
            file.sync_all()?;
        }
        std::fs::rename(new, path)
    }

    /// Where it stands in this journal.
    pub fn find(self, log: &Log) -> Result<Found, JournalError> {
        let (first, end) = (log.first(), log.flushed());
        let begin = Cursor { segment: first, index: 0, digest: previous(log, first)?.unwrap_or_default() };
        if self.segment < first {
            return Ok(Found::Lost(begin, first - self.segment));
        }
        let is_same = match self.segment {
            0 => true,
            segment if segment > end => false,
            segment if segment < end => previous(log, segment)? == Some(self.digest),
            // There may be none to ask: a volume has been begun, and those before are gone.
            segment => link(log, segment - 1)?.is_none_or(|link| link.digest == self.digest),
        };
        Ok(if is_same { Found::There(self) } else { Found::Other(begin) })
    }
}

fn link(log: &Log, segment: u64) -> Result<Option<Link>, JournalError> {
    let Some(bytes) = log.get(segment)? else { return Ok(None) };
    Ok(Some(Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(segment, e))?.link))
}

/// What a segment goes on from.
fn previous(log: &Log, segment: u64) -> Result<Option<[u8; 32]>, JournalError> {
    let Some(bytes) = log.get(segment)? else { return Ok(None) };
    Ok(Some(Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(segment, e))?.previous))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::tests::write;

    #[test]
    fn it_reads_back_as_it_was_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("default.usage.json");
        assert_eq!(Cursor::read(&path), Ok(None));
        let mut digest = [7; 32];
        digest[0] = 0;
        let cursor = Cursor { segment: 9, index: 3, digest };
        cursor.write(&path, true).unwrap();
        assert_eq!(Cursor::read(&path), Ok(Some(cursor)));
        std::fs::write(&path, r#"{"version":2,"place":1}"#).unwrap();
        assert!(Cursor::read(&path).unwrap_err().contains("format 2"));
        std::fs::write(&path, "{").unwrap();
        assert!(Cursor::read(&path).is_err());
    }

    #[test]
    fn a_cursor_of_another_journal_is_known_as_such() {
        let open = || {
            let home = tempfile::tempdir().unwrap();
            let log = Arc::new(Log::open(home.path(), Default::default()).unwrap());
            (home, log)
        };
        let ((_one, log), (_two, other)) = (open(), open());
        write(&log, 0..9);
        let end = log.flushed();
        let digest = |segment: u64| link(&log, segment - 1).unwrap().unwrap().digest;
        for segment in [1, 2, end] {
            let cursor = Cursor { segment, index: 0, digest: digest(segment) };
            assert_eq!(cursor.find(&log).unwrap(), Found::There(cursor));
            let begin = Cursor::default();
            assert_eq!(cursor.find(&other).unwrap(), Found::Other(begin), "it is empty");
        }
        write(&other, 1..12);
        let cursor = Cursor { segment: 2, index: 1, digest: digest(2) };
        assert_eq!(cursor.find(&other).unwrap(), Found::Other(Cursor::default()));
        assert_eq!(Cursor::default().find(&log).unwrap(), Found::There(Cursor::default()));
    }
}
