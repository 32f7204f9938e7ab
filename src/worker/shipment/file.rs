//! Appends usage to a file: a CloudEvent a line in JSON, or a line of FOCUS's columns where its name ends in `.csv`. It is
//! opened for each batch, so whoever takes it away finds whole lines, and the next batch begins another.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::way::{Sent, Usage};
use crate::journal::{Entry, usage};

#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    is_csv: bool,
    /// Whether the file ends with a whole line.
    is_whole: bool,
}

impl Lines {
    pub(super) fn new(path: PathBuf) -> Lines {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        Lines { path, is_csv, is_whole: false }
    }

    pub(super) fn encode(&self, entry: &Entry<'_>, subject: &str, out: &mut Vec<u8>) {
        if self.is_csv {
            usage::line(entry, subject, out);
        } else {
            super::in_json(entry, subject, out);
            out.push(b'\n');
        }
    }

    /// On disk when it returns.
    pub(super) fn send(&mut self, usage: &[Usage]) -> Sent {
        match self.append(usage) {
            Ok(()) => {
                self.is_whole = true;
                Sent::Acknowledged
            }
            Err(error) => {
                self.is_whole = false;
                Sent::Again(format!("{}: {error}", self.path.display()), None)
            }
        }
    }

    fn append(&mut self, usage: &[Usage]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        if !self.is_whole {
            self.cut(&mut file)?;
        }
        let mut bytes = Vec::new();
        if self.is_csv && file.metadata()?.len() == 0 {
            bytes.extend_from_slice(usage::COLUMNS.as_bytes());
        }
        usage.iter().for_each(|one| bytes.extend_from_slice(&one.bytes));
        file.write_all(&bytes)?;
        file.sync_data()
    }

    /// What a crash left of a line goes: all of its batch comes again.
    fn cut(&self, file: &mut File) -> std::io::Result<()> {
        let length = file.metadata()?.len();
        let mut end = length;
        let mut piece = vec![0; 4096];
        while end > 0 {
            let begin = end.saturating_sub(piece.len() as u64);
            let piece = &mut piece[..(end - begin) as usize];
            file.seek(SeekFrom::Start(begin))?;
            file.read_exact(piece)?;
            if let Some(at) = piece.iter().rposition(|&byte| byte == b'\n') {
                end = begin + at as u64 + 1;
                break;
            }
            end = begin;
        }
        if end < length {
            tracing::warn!(
                file = %self.path.display(),
                bytes = length - end,
                "a file of usage ended in the middle of a line: that was cut off, and comes again"
            );
            file.set_len(end)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Usage {
        Usage { bytes: format!("{text}\n").into_bytes(), charge: String::new(), entries: 1 }
    }

    #[test]
    fn half_a_line_is_cut_off_before_more_is_written() {
        let home = tempfile::tempdir().unwrap();
        for (before, after) in [
            ("", "one\ntwo\n"),
            ("zero\n", "zero\none\ntwo\n"),
            ("zero\nha", "zero\none\ntwo\n"),
            ("half", "one\ntwo\n"),
        ] {
            let path = home.path().join("usage.jsonl");
            std::fs::write(&path, before).unwrap();
            let mut lines = Lines::new(path.clone());
            assert_eq!(lines.send(&[usage("one")]), Sent::Acknowledged);
            assert_eq!(lines.send(&[usage("two")]), Sent::Acknowledged);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        let path = home.path().join("long.jsonl");
        std::fs::write(&path, format!("zero\n{}", "x".repeat(10_000))).unwrap();
        Lines::new(path.clone()).send(&[usage("one")]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "zero\none\n");
    }

    #[test]
    fn a_new_file_of_columns_says_which_they_are() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("usage.csv");
        let mut lines = Lines::new(path.clone());
        for _ in 0..2 {
            assert_eq!(lines.send(&[usage("1,2")]), Sent::Acknowledged);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}1,2\n1,2\n", super::usage::COLUMNS));
        std::fs::rename(&path, home.path().join("taken.csv")).unwrap();
        lines.send(&[usage("3")]);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("\n3\n"));
        let nowhere = Lines::new(home.path().join("no/such/folder.csv")).send(&[usage("1")]);
        assert!(matches!(nowhere, Sent::Again(..)));
    }
}
