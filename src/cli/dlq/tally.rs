//! Dead letters as a worker counts and lists its own, from wherever they are read.

use std::collections::BTreeMap;

use crate::sink::dead_letter::DeadLetter;
use crate::sink::letter_filter::Filter;
use crate::worker::letters::{DeadLetterLine, Tally, Tallying};

/// Counts, and keeps the last of those that match, by when they ended.
pub(super) struct Counted<'f> {
    filter: &'f Filter,
    tallying: Tallying,
    most: usize,
    last: BTreeMap<(u64, u64), DeadLetterLine>,
}

impl Counted<'_> {
    pub(super) fn new(filter: &Filter, most: usize) -> Counted<'_> {
        Counted { filter, tallying: Tallying::default(), most, last: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, id: u64, letter: &DeadLetter<'_>) {
        let matches = self.filter.matches(id, letter);
        self.tallying.add(id, letter, matches);
        if matches && self.most > 0 {
            self.last.insert((letter.ended, id), DeadLetterLine::of(id, letter));
            if self.last.len() > self.most {
                self.last.pop_first();
            }
        }
    }

    /// A line each, and the tally's.
    pub(super) fn finish(self) -> Result<String, String> {
        let mut text = String::new();
        for letter in self.last.values() {
            line(&mut text, letter)?;
        }
        let tally: Tally = self.tallying.finish();
        line(&mut text, &tally)?;
        Ok(text)
    }
}

pub(super) fn whole(id: u64, letter: &DeadLetter<'_>) -> Result<String, String> {
    let mut text = String::new();
    line(&mut text, &DeadLetterLine::whole(id, letter)?)?;
    Ok(text)
}

fn line(text: &mut String, value: &impl serde::Serialize) -> Result<(), String> {
    *text += &serde_json::to_string(value).map_err(|e| e.to_string())?;
    text.push('\n');
    Ok(())
}
