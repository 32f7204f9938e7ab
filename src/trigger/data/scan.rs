//! One pass over a payload: it is checked to be JSON, and what stands at the places that are looked for is noted. No tree is
//! built, and nothing is allocated but for names with escapes.

use std::borrow::Cow;

use super::found::{Found, Slot};
use super::number;
use super::places::{Places, ROOT};
use crate::event::structured::MAX_DEPTH;

/// Fills `found`. False: `text` is no JSON, or nested deeper than any event's data may be; then nothing is to be believed.
pub(super) fn scan(text: &str, places: &Places, found: &mut Found) -> bool {
    found.clear(places);
    let mut scan = Scan { text, at: 0, depth: 0, places, found };
    scan.value(Some(ROOT)).is_some() && scan.next().is_none()
}

struct Scan<'t, 's> {
    text: &'t str,
    at: usize,
    depth: usize,
    places: &'s Places,
    found: &'s mut Found,
}

/// `None` is the end of it: this is no JSON.
impl<'t> Scan<'t, '_> {
    /// The next byte that is no white space, which stays there.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// A value, at a place that is looked for or elsewhere.
    fn value(&mut self, mut place: Option<u32>) -> Option<()> {
        let first = self.next()?;
        let start = self.at;
        let slot = match first {
            b'{' => Slot::Object,
            b'[' => Slot::Array,
            b'"' => {
                let escaped = self.string()?;
                match place {
                    Some(_) if escaped => self.found.decode(&self.text[start..self.at]),
                    _ => Slot::Text(start + 1, self.at - 1),
                }
            }
            b't' => self.word("true", Slot::Boolean(true))?,
            b'f' => self.word("false", Slot::Boolean(false))?,
            b'n' => self.word("null", Slot::Null)?,
            _ => {
                self.at += number::length(&self.text.as_bytes()[start..])?;
                Slot::Number(start, self.at)
            }
        };
        place = place.filter(|&place| self.found.fill(place, slot, self.places));
        match slot {
            Slot::Object | Slot::Array => self.within(slot, place),
            _ => Some(()),
        }
    }

    fn word(&mut self, word: &str, slot: Slot) -> Option<Slot> {
        self.at += self.text[self.at..].starts_with(word).then_some(word.len())?;
        Some(slot)
    }

    /// What stands in an object or array.
    fn within(&mut self, slot: Slot, place: Option<u32>) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.at += 1;
        let end = if slot == Slot::Object { b'}' } else { b']' };
        let place = place.filter(|&place| !self.places.at(place).is_end());
        let mut index = 0;
        if self.next()? != end {
            loop {
                let below = match slot {
                    Slot::Object => self.name(place)?,
                    _ => place.and_then(|place| self.element(place, index)),
                };
                index += 1;
                self.value(below)?;
                match self.next()? {
                    b',' => self.at += 1,
                    other if other == end => break,
                    _ => return None,
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Some(())
    }

    /// The place of the member whose name stands here, and the colon behind it.
    fn name(&mut self, place: Option<u32>) -> Option<Option<u32>> {
        if self.next()? != b'"' {
            return None;
        }
        let start = self.at;
        let escaped = self.string()?;
        let below = place.and_then(|place| {
            let name = match escaped {
                false => Cow::Borrowed(&self.text[start + 1..self.at - 1]),
                // One with half a surrogate pair is no name that a pointer has.
                true => Cow::Owned(serde_json::from_str(&self.text[start..self.at]).ok()?),
            };
            self.places.at(place).member(&name)
        });
        if self.next()? != b':' {
            return None;
        }
        self.at += 1;
        Some(below)
    }

    fn element(&self, place: u32, index: usize) -> Option<u32> {
        let elements = self.places.at(place).elements();
        // Past the last one there is nothing to look for.
        elements.last().filter(|(last, _)| *last >= index)?;
        let at = elements.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(elements[at].1)
    }

    /// A string to behind its closing quote, and whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (self.at + 1, false);
        loop {
            match *bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += match bytes.get(at + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return None,
                    };
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some(escaped)
    }
}
