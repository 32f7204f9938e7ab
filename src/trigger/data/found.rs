//! What stands at the places of a payload.

use super::places::Places;

/// What one scan found, by place. It is used again for the next payload: nothing is allocated then.
#[derive(Debug, Default)]
pub struct Found {
    all: Vec<Slot>,
    /// Those that are not [`Slot::Nothing`].
    filled: Vec<u32>,
    /// Texts that had escapes: read once, whoever asks for them.
    decoded: String,
}

/// Texts and numbers by where they stand in the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Slot {
    #[default]
    Nothing,
    /// Which of them is meant can't be told.
    Twice,
    Null,
    Boolean(bool),
    Number(usize, usize),
    /// Without its quotes.
    Text(usize, usize),
    /// A text that had escapes.
    Decoded(usize, usize),
    /// Half a surrogate pair is in it.
    Broken,
    Object,
    Array,
}

/// A value of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'t> {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(&'t str),
    Text(&'t str),
    Object,
    Array,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    Twice,
    /// A text that is none: half a surrogate pair is in it.
    Broken,
}

impl Found {
    /// Room for what stands at `places`; all of it empty.
    pub(super) fn clear(&mut self, places: &Places) {
        for place in self.filled.drain(..) {
            self.all[place as usize] = Slot::Nothing;
        }
        self.all.resize(places.len(), Slot::Nothing);
        self.decoded.clear();
    }

    /// A text with escapes, in its quotes.
    pub(super) fn decode(&mut self, quoted: &str) -> Slot {
        let Ok(text) = serde_json::from_str::<String>(quoted) else { return Slot::Broken };
        let start = self.decoded.len();
        self.decoded.push_str(&text);
        Slot::Decoded(start, self.decoded.len())
    }

    /// Whether it was empty; if not, nothing there and below can be told any more.
    pub(super) fn fill(&mut self, place: u32, slot: Slot, places: &Places) -> bool {
        let current = &mut self.all[place as usize];
        if *current == Slot::Nothing {
            *current = slot;
            self.filled.push(place);
            return true;
        }
        self.spoil(place, places);
        false
    }

    /// At most once for each place, whatever the payload. Not deeper than pointers are.
    fn spoil(&mut self, place: u32, places: &Places) {
        let current = &mut self.all[place as usize];
        if *current == Slot::Twice {
            return;
        }
        if *current == Slot::Nothing {
            self.filled.push(place);
        }
        *current = Slot::Twice;
        for below in places.at(place).below() {
            self.spoil(below, places);
        }
    }

    /// `text`: the payload that was scanned.
    pub(super) fn value<'t>(&'t self, place: u32, text: &'t str) -> Result<Value<'t>, Missing> {
        Ok(match self.all[place as usize] {
            Slot::Nothing => return Err(Missing::Nothing),
            Slot::Twice => return Err(Missing::Twice),
            Slot::Null => Value::Null,
            Slot::Boolean(flag) => Value::Boolean(flag),
            Slot::Number(start, end) => Value::Number(&text[start..end]),
            Slot::Text(start, end) => Value::Text(&text[start..end]),
            Slot::Decoded(start, end) => Value::Text(&self.decoded[start..end]),
            Slot::Broken => return Err(Missing::Broken),
            Slot::Object => Value::Object,
            Slot::Array => Value::Array,
        })
    }

    pub(super) fn is_there(&self, place: u32) -> Option<bool> {
        match self.all[place as usize] {
            Slot::Nothing => Some(false),
            Slot::Twice => None,
            _ => Some(true),
        }
    }
}
