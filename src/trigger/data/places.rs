//! Where in a payload the pointers of any number of filters lead: they are looked for together.

use foldhash::HashMap;

use super::pointer::Pointer;

/// A tree of names; a place is a node of it, the first one the payload as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    all: Vec<Place>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Payloads choose the names that are looked up here: the map is seeded anew in each process.
    members: HashMap<Box<str>, u32>,
    /// The same by index, in order.
    elements: Vec<(usize, u32)>,
}

/// The payload as a whole.
pub(super) const ROOT: u32 = 0;

impl Default for Places {
    fn default() -> Places {
        Places { all: vec![Place::default()] }
    }
}

impl Places {
    /// Where each pointer leads.
    pub(super) fn add_all(&mut self, pointers: &[Pointer]) -> Box<[u32]> {
        pointers.iter().map(|pointer| self.add(pointer)).collect()
    }

    fn add(&mut self, pointer: &Pointer) -> u32 {
        let mut at = ROOT;
        for name in pointer {
            let next = u32::try_from(self.all.len()).expect("filters are far smaller than u32");
            let place = &mut self.all[at as usize];
            at = match place.members.get(name) {
                Some(&known) => known,
                None => {
                    place.members.insert(name.clone(), next);
                    if let Some(index) = index(name) {
                        let before = place.elements.partition_point(|(other, _)| *other < index);
                        place.elements.insert(before, (index, next));
                    }
                    self.all.push(Place::default());
                    next
                }
            };
        }
        at
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn at(&self, place: u32) -> &Place {
        &self.all[place as usize]
    }
}

impl Place {
    pub(super) fn member(&self, name: &str) -> Option<u32> {
        self.members.get(name).copied()
    }

    /// By index, in order.
    pub(super) fn elements(&self) -> &[(usize, u32)] {
        &self.elements
    }

    pub(super) fn is_end(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn below(&self) -> impl Iterator<Item = u32> {
        self.members.values().copied()
    }
}

/// As RFC 6901 has it: without leading zeros.
pub(super) fn index(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    digits.then(|| name.parse().ok())?
}
