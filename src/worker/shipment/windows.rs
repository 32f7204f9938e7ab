//! Roll-ups: what is sent in the place of usage events where a BillingSink wants sums. The entries of a window are summed up when
//! it is over, and the sums are kept in a file, durably, before the first of them goes: from then on they are what they are, whatever
//! is killed, and go under the same ids until all of them are acknowledged. Then the cursor moves past the entries, and the file goes.

use std::collections::{HashSet, VecDeque};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::way::{Usage, Way};
use crate::event::Uid;
use crate::journal::Entry;
use crate::journal::cursor::{Cursor, of_version};
use crate::journal::rollup::Rollup;
use crate::time::unix_nanos;

/// A window that has been over for so long is closed though nothing came after it.
const GRACE: u64 = 1_000_000_000;
/// So many entries are summed up together at most, and so many sums are made: a long window has several of each.
const MOST: u64 = 100_000;
const MOST_SUMS: usize = 10_000;
/// Charges that are known: what a kill repeats follows soon.
pub(super) const KNOWN: usize = 65_536;

const VERSION: u32 = 1;
/// Beside the cursor: the ending of the file's name.
const SEALED: &str = "rollups";

#[derive(Debug)]
pub(super) struct Windows {
    path: PathBuf,
    rollup: Rollup,
    length: u64,
    /// Where what is summed up begins. `None`: nothing is.
    begin: Option<Begin>,
    entries: u64,
    known: HashSet<Uid>,
    order: VecDeque<Uid>,
}

#[derive(Debug)]
struct Begin {
    window: u64,
    /// By the chain of the journal: no other run has it.
    name: String,
}

/// Sums that are about to go.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    version: u32,
    segment: u64,
    index: u64,
    digest: [String; 2],
    /// Each with how many entries it sums up.
    rollups: Vec<(String, u64, String)>,
}

/// What an entry means to the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Within,
    /// The window is over before it.
    Beyond,
}

impl Windows {
    /// `path`: the cursor's.
    pub(super) fn new(path: &Path, length: Duration) -> Windows {
        let length = length.as_nanos() as u64;
        let (known, order) = (HashSet::new(), VecDeque::new());
        let path = path.with_extension(SEALED);
        Windows { path, rollup: Rollup::new(length), length, begin: None, entries: 0, known, order }
    }

    /// Was the charge of an entry summed up already? Also for what was before the cursor.
    pub(super) fn meet(&mut self, entry: &Entry<'_>) -> bool {
        if entry.fenced {
            return false;
        }
        let charge = entry.charge();
        if !self.known.insert(charge) {
            return true;
        }
        self.order.push_back(charge);
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }

    /// Where an entry stands. `segment`: what the chain calls the segment that it is in.
    pub(super) fn place(&self, entry: &Entry<'_>) -> Place {
        match &self.begin {
            Some(begin) if self.rollup.window(entry.ended) > begin.window || self.is_full() => Place::Beyond,
            _ => Place::Within,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry<'_>, at: Cursor, segment: &[u8; 32]) {
        let window = self.rollup.window(entry.ended);
        self.begin.get_or_insert_with(|| Begin {
            window,
            name: format!(
                "{}/{}",
                Uid(u128::from_be_bytes(*segment.first_chunk().expect("16 bytes"))),
                at.index
            ),
        });
        self.entries += 1;
        // What came too late costs nothing; and of a charge the first counts.
        if !self.meet(entry) && !entry.fenced {
            self.rollup.add(entry);
        }
    }

    fn is_full(&self) -> bool {
        self.entries >= MOST || self.rollup.sums.len() >= MOST_SUMS
    }

    /// Is what is summed up over by the clock?
    pub(super) fn is_over(&self) -> bool {
        let begin = self.begin.as_ref();
        begin.is_some_and(|begin| unix_nanos() >= begin.window.saturating_add(self.length + GRACE))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begin.is_none()
    }

    /// Keeps the sums, for good, and returns what is to be sent, with how many entries were summed up. The cursor, which stands at
    /// `start`, is at `end` once all of it has gone.
    pub(super) fn seal(
        &mut self,
        (start, end): (Cursor, Cursor),
        subject: impl Fn(&str) -> Option<String>,
        way: &Way,
    ) -> Result<(Vec<(Cursor, Usage)>, u64), String> {
        let Some(begin) = self.begin.as_ref() else { return Ok((Vec::new(), 0)) };
        let mut rollups: Vec<_> = self
            .rollup
            .events(&begin.name, subject)
            .map(|(event, attempts)| {
                let mut bytes = Vec::with_capacity(1024);
                way.put(&event, &mut bytes);
                (event.id.to_string(), attempts, String::from_utf8(bytes).expect("JSON is text"))
            })
            .collect();
        // Those without a price go with the last.
        let counted: u64 = rollups.iter().map(|(_, attempts, _)| attempts).sum();
        if let Some((_, attempts, _)) = rollups.last_mut() {
            *attempts += self.entries - counted;
        }
        let (segment, index, digest) = (end.segment, end.index, end.digest_in_text());
        let sealed = Sealed { version: VERSION, segment, index, digest, rollups };
        self.keep(&sealed).map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.rollup.sums.clear();
        self.begin = None;
        Ok((sealed.usage(start, end), std::mem::take(&mut self.entries)))
    }

    fn keep(&self, sealed: &Sealed) -> std::io::Result<()> {
        let new = self.path.with_extension("rollups-new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(sealed)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        // The name, too.
        self.path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    }
}

/// Where the cursor is at their end, and those that lead there.
type Left = (Cursor, Vec<(Cursor, Usage)>);

/// What was sealed and has not all gone, as the cursor says, which is kept at `path`: it goes first, whatever is wanted by now. And
/// where the cursor is then.
pub(super) fn left(path: &Path, cursor: Cursor) -> Result<Option<Left>, String> {
    let path = path.with_extension(SEALED);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let wrong = |why: String| format!("{}: {why}", path.display());
    of_version(&text, VERSION).map_err(wrong)?;
    let sealed: Sealed = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let end = Cursor::of_text(sealed.segment, sealed.index, &sealed.digest).map_err(wrong)?;
    let is_ahead = (end.segment, end.index) > (cursor.segment, cursor.index);
    Ok(is_ahead.then(|| (end, sealed.usage(cursor, end))))
}

impl Sealed {
    /// The cursor moves when the last of them has gone.
    fn usage(&self, start: Cursor, end: Cursor) -> Vec<(Cursor, Usage)> {
        let last = self.rollups.len();
        let usage = (1..).zip(&self.rollups).map(|(n, (charge, entries, event))| {
            let usage =
                Usage { bytes: event.clone().into_bytes(), charge: charge.clone(), entries: *entries };
            (if n == last { end } else { start }, usage)
        });
        usage.collect()
    }
}
