//! The reading end: what of the journal has not gone yet, in order, with the chain looked at on the way.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::way::{Usage, Way};
use super::windows::{self, Place, Windows};
use crate::journal::JournalError;
use crate::journal::cursor::{Cursor, Found};
use crate::journal::segment::Segment;
use crate::store::Log;

#[derive(Debug)]
pub(super) struct Tail {
    log: Arc<Log>,
    /// What is read next.
    next: Cursor,
    /// What has been read, each with where the cursor stands once it has gone. More than is asked for by a segment at the
    /// most.
    waiting: VecDeque<(Cursor, Usage)>,
    /// Everything before it has gone.
    pub(super) cursor: Cursor,
    /// Since when something waits.
    pub(super) since: Option<Instant>,
    /// `None`: each entry goes by itself.
    windows: Option<Windows>,
}

impl Tail {
    /// And what is to be said of where it begins. `path`: where the cursor is kept.
    pub(super) fn open(
        log: Arc<Log>,
        path: &Path,
        rollup: Option<Duration>,
    ) -> Result<(Tail, Found), String> {
        let cursor = Cursor::read(path)?;
        let found = cursor.unwrap_or_default().find(&log).map_err(text)?;
        let found = match (cursor, found) {
            // Nobody has shipped it before: it begins where it begins.
            (None, Found::Lost(begin, _) | Found::Other(begin)) => Found::There(begin),
            (_, found) => found,
        };
        let (Found::There(cursor) | Found::Lost(cursor, _) | Found::Other(cursor)) = found;
        let windows = rollup.map(|length| Windows::new(path, length));
        let mut tail = Tail { log, next: cursor, waiting: VecDeque::new(), cursor, since: None, windows };
        let left = windows::left(path, cursor)?.filter(|_| matches!(found, Found::There(_)));
        if let Some((end, usage)) = left
            && matches!(end.find(&tail.log), Ok(Found::There(_)))
        {
            (tail.next, tail.waiting) = (end, usage.into());
        }
        tail.remember().map_err(text)?;
        Ok((tail, found))
    }

    /// The charges that stand before what is read next: what a kill made run again is not summed up again.
    fn remember(&mut self) -> Result<(), JournalError> {
        let Some(windows) = &mut self.windows else { return Ok(()) };
        let (mut first, mut count) = (self.next.segment, 0);
        while first > self.log.first() && count < windows::KNOWN {
            let Some(bytes) = self.log.get(first - 1)? else { break };
            let segment = Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(first - 1, e))?;
            count += segment.entries.len();
            first -= 1;
        }
        for number in first..=self.next.segment {
            let Some(bytes) = self.log.get(number)? else { continue };
            let segment = Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(number, e))?;
            let before = if number == self.next.segment { self.next.index as usize } else { usize::MAX };
            segment.entries.iter().take(before).for_each(|entry| {
                windows.meet(entry);
            });
        }
        Ok(())
    }

    /// Reads until so many wait, or all there are. Returns how many entries there is nothing to be said of: they have gone.
    /// `all`: what is left is summed up, too.
    pub(super) fn fill(
        &mut self,
        most: usize,
        way: &Way,
        subject: impl Fn(&str) -> Option<String>,
        all: bool,
    ) -> Result<u64, String> {
        let mut passed = 0;
        let most = if self.windows.is_some() { 1 } else { most };
        while self.waiting.len() < most && self.next.segment < self.log.flushed() {
            let number = self.next.segment;
            let bytes = self.log.get(number).map_err(|e| text(e.into()))?;
            let bytes = bytes.ok_or_else(|| text(JournalError::Missing(number)))?;
            let segment = Segment::decode(&bytes).map_err(|e| text(JournalError::Corrupt(number, e)))?;
            // Of what has been dropped nobody knows the digest any more.
            if self.next.digest != [0; 32] && segment.previous != self.next.digest {
                return Err(text(JournalError::Broken(number)));
            }
            let after = Cursor { segment: number + 1, index: 0, digest: segment.link.digest };
            match &mut self.windows {
                None => {
                    let entries = segment.entries.len() as u64;
                    for (index, entry) in (0..).zip(&segment.entries).skip(self.next.index as usize) {
                        let mut bytes = Vec::with_capacity(1024);
                        let subject = subject(entry.tenant);
                        way.encode(entry, subject.as_deref().unwrap_or(entry.tenant), &mut bytes);
                        let within = Cursor { index: index + 1, ..self.next };
                        let cursor = if index + 1 == entries { after } else { within };
                        let charge = crate::journal::usage::id(entry);
                        self.waiting.push_back((cursor, Usage { bytes, charge, entries: 1 }));
                    }
                    self.next = after;
                }
                Some(windows) => {
                    let entries = (0..).zip(&segment.entries).skip(self.next.index as usize);
                    let mut beyond = None;
                    for (index, entry) in entries {
                        let at = Cursor { index, ..self.next };
                        if windows.place(entry) == Place::Beyond {
                            beyond = Some(at);
                            break;
                        }
                        windows.add(entry, at, &segment.link.digest);
                    }
                    self.next = beyond.unwrap_or(after);
                    if beyond.is_some() {
                        passed += self.seal(&subject, way)?;
                    }
                }
            }
        }
        let is_over =
            self.windows.as_ref().is_some_and(|windows| !windows.is_empty() && (all || windows.is_over()));
        if is_over && self.waiting.is_empty() {
            passed += self.seal(&subject, way)?;
        }
        if !self.waiting.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(passed)
    }

    /// What has been read is summed up.
    fn seal(&mut self, subject: &impl Fn(&str) -> Option<String>, way: &Way) -> Result<u64, String> {
        let windows = self.windows.as_mut().expect("there are sums");
        let (usage, entries) = windows.seal((self.cursor, self.next), subject, way)?;
        if usage.is_empty() {
            self.cursor = self.next;
            return Ok(entries);
        }
        self.waiting.extend(usage);
        Ok(0)
    }

    /// Is something summed up that is not over?
    pub(super) fn is_summing(&self) -> bool {
        self.windows.as_ref().is_some_and(|windows| !windows.is_empty())
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The first of them, to be sent.
    pub(super) fn first(&mut self, most: usize) -> Vec<Usage> {
        let most = most.min(self.waiting.len());
        self.waiting.iter_mut().take(most).map(|(_, usage)| std::mem::take(usage)).collect()
    }

    /// They have not gone, but for the first so many.
    pub(super) fn put_back(&mut self, sent: Vec<Usage>, gone: usize) {
        for (place, usage) in self.waiting.iter_mut().zip(sent) {
            place.1 = usage;
        }
        self.gone(gone);
    }

    /// The first of them have gone.
    pub(super) fn gone(&mut self, count: usize) {
        if let Some((cursor, _)) = self.waiting.drain(..count).next_back() {
            self.cursor = cursor;
        }
        self.since = (!self.waiting.is_empty()).then(Instant::now);
    }

    /// How many entries have not gone.
    pub(super) fn behind(&self) -> Result<u64, JournalError> {
        let Some(last) = self.log.flushed().checked_sub(1).filter(|&last| last >= self.cursor.segment) else {
            return Ok(0);
        };
        let end = self.totals(last)?.1;
        let begin = self.totals(self.cursor.segment)?.0 + self.cursor.index;
        Ok(end.saturating_sub(begin))
    }

    /// How many entries there were before a segment, and after it.
    fn totals(&self, number: u64) -> Result<(u64, u64), JournalError> {
        let bytes = self.log.get(number)?.ok_or(JournalError::Missing(number))?;
        let segment = Segment::decode(&bytes).map_err(|e| JournalError::Corrupt(number, e))?;
        let after = segment.link.totals.entries;
        Ok((after - segment.entries.len() as u64, after))
    }
}

fn text(error: JournalError) -> String {
    error.to_string()
}
