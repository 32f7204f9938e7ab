//! What a function wrote while it was called: lines for the worker's log, as many as a call may write.

use std::mem;

/// As `weir.log` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    /// Without control characters.
    pub text: String,
}

/// What one call wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub lines: Vec<Line>,
    /// Lines over the limit.
    pub dropped: u64,
    /// What there is room for.
    room: usize,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    /// What is beyond the last level is of the last level.
    pub(super) fn of(number: u32) -> Level {
        match number {
            0 => Level::Error,
            1 => Level::Warn,
            2 => Level::Info,
            3 => Level::Debug,
            _ => Level::Trace,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::within(Log::BYTES)
    }
}

impl Log {
    /// Of one call.
    pub(super) const LINES: usize = 256;
    /// Of one line; a longer one is broken.
    pub(super) const LINE: usize = 8 << 10;
    pub(super) const BYTES: u32 = 64 << 10;

    /// One of so many bytes at most.
    pub(super) fn within(bytes: u32) -> Log {
        Log { lines: Vec::new(), dropped: 0, room: bytes as usize }
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.room
    }

    /// Each line of a text is one of the log: nobody writes a line that looks like the worker's own.
    pub(super) fn write(&mut self, level: Level, text: &[u8]) {
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n') {
            let (first, more) = line.split_at(line.len().min(Log::LINE));
            self.line(level, first);
            more.chunks(Log::LINE).for_each(|piece| self.line(level, piece));
        }
    }

    fn line(&mut self, level: Level, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.lines.len() == Log::LINES || !self.has_room(line.len()) {
            self.dropped += 1;
            return;
        }
        self.room -= line.len();
        self.lines.push(Line { level, text: printable(line) });
    }
}

/// As text, each control character but the tab as the sign for what can't be shown.
pub(super) fn printable(text: &[u8]) -> String {
    let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(text).chars().map(shown).collect()
}

/// What a program prints, put together to lines.
#[derive(Debug, Default)]
pub(super) struct Printed {
    unfinished: Vec<u8>,
    tail: Vec<u8>,
}

impl Printed {
    /// What is kept of the end, whatever the log has.
    pub(super) const TAIL: usize = 1 << 10;

    pub(super) fn print(&mut self, bytes: &[u8], log: &mut Log) {
        self.keep(bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = &rest[..rest.len().min(Log::LINE - self.unfinished.len())];
            let end = room.iter().position(|byte| *byte == b'\n');
            self.unfinished.extend_from_slice(&room[..end.unwrap_or(room.len())]);
            rest = &rest[end.map_or(room.len(), |end| end + 1)..];
            if end.is_some() || self.unfinished.len() == Log::LINE {
                log.line(Level::Info, &self.unfinished);
                self.unfinished.clear();
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(Printed::TAIL)..]);
        let over = self.tail.len().saturating_sub(Printed::TAIL);
        self.tail.drain(..over);
    }

    /// The last line need not end.
    pub(super) fn finish(&mut self, log: &mut Log) {
        if !self.unfinished.is_empty() {
            log.line(Level::Info, &mem::take(&mut self.unfinished));
        }
    }

    /// The last line that says something, or as much of its end as is kept.
    pub(super) fn last_line(&self) -> String {
        let lines = self.tail.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.rev().find(|line| !line.is_empty()).map(printable).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.unfinished.clear();
        self.tail.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(log: &Log) -> Vec<&str> {
        log.lines.iter().map(|line| &*line.text).collect()
    }

    #[test]
    fn a_text_of_several_lines_is_several_lines() {
        let mut log = Log::default();
        log.write(Level::Warn, b"one\r\ntwo\x1b[31m\n");
        log.write(Level::of(9), b"");
        assert_eq!(texts(&log), ["one", "two\u{fffd}[31m", ""]);
        assert_eq!(
            log.lines.iter().map(|line| line.level).collect::<Vec<_>>(),
            [Level::Warn, Level::Warn, Level::Trace]
        );
    }

    #[test]
    fn lines_over_the_limit_are_dropped_and_counted() {
        let mut log = Log::default();
        log.write(Level::Info, &b"\n".repeat(Log::LINES + 3));
        assert_eq!((log.lines.len(), log.dropped), (Log::LINES, 3));
        let mut log = Log::default();
        log.write(Level::Info, &vec![b'x'; Log::BYTES as usize - 1]);
        log.write(Level::Info, b"yy");
        log.write(Level::Info, b"z");
        assert_eq!((log.lines.len(), log.dropped), (Log::BYTES as usize / Log::LINE + 1, 1));
        assert!(log.lines[..8].iter().all(|line| line.text.len() <= Log::LINE) && log.lines[8].text == "z");
    }

    #[test]
    fn a_long_line_is_broken_and_its_end_is_kept() {
        let (mut log, mut printed) = (Log::default(), Printed::default());
        printed.print(&vec![b'x'; Log::LINE + 1], &mut log);
        printed.print(b"y\nend", &mut log);
        assert_eq!(log.lines.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [Log::LINE, 2]);
        printed.finish(&mut log);
        printed.finish(&mut log);
        assert_eq!((log.lines.len(), &*log.lines[2].text), (3, "end"));
        assert_eq!(printed.last_line(), "end");
        printed.print(&vec![b'z'; Printed::TAIL + 9], &mut log);
        printed.print(b"\n \n", &mut log);
        let last = printed.last_line();
        assert!(last.len() == Printed::TAIL - 3 && last.ends_with('z'), "{last}");
    }

    proptest! {
        #[test]
        fn how_a_program_cuts_what_it_prints_makes_no_difference(
            text in "[a\n]{0,300}", cuts in proptest::collection::vec(0..300_usize, 0..9),
        ) {
            let (mut log, mut printed) = (Log::default(), Printed::default());
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                printed.print(&text.as_bytes()[pair[0]..pair[1]], &mut log);
            }
            printed.finish(&mut log);
            let lines: Vec<_> = text.lines().collect();
            let kept = lines.len().min(Log::LINES);
            prop_assert_eq!(texts(&log), &lines[..kept]);
            prop_assert_eq!(log.dropped, (lines.len() - kept) as u64);
            let last = text.lines().rev().find(|line| !line.is_empty()).unwrap_or_default();
            prop_assert_eq!(printed.last_line(), last);
        }
    }
}
