//! The cells of what has a name in the documents: each trigger and each function its own, up to a limit. What comes later
//! shares the cells of `other`, so that no set of documents, nor any number of reloads, makes this grow for ever.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// So many names have cells of their own. With each of them in use /metrics is about a megabyte.
pub const NAMES: usize = 250;
/// The label of what came too late.
pub const OTHER: &str = "other";

/// Where something's cells are: found once for a deployment, so that an event costs no search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(u16);

impl Place {
    pub(super) fn number(self) -> u32 {
        self.0.into()
    }
}

#[derive(Debug)]
pub struct Series<T> {
    known: Mutex<HashMap<String, Place>>,
    /// The first is `other`'s. One that is there stays for good: a counter never goes back, whatever is reloaded.
    cells: Box<[OnceLock<(String, T)>]>,
    make: fn() -> T,
}

impl<T> Series<T> {
    pub fn new(make: fn() -> T) -> Series<T> {
        let cells: Box<[_]> = (0..=NAMES).map(|_| OnceLock::new()).collect();
        let _ = cells[0].set((OTHER.to_owned(), make()));
        Series { known: Mutex::default(), cells, make }
    }

    /// The same place for the same name, for the life of the worker.
    pub fn place(&self, name: &str) -> Place {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&place) = known.get(name) {
            return place;
        }
        let next = known.len() + 1;
        let Some(cell) = self.cells.get(next) else { return Place::default() };
        let _ = cell.set((name.to_owned(), (self.make)()));
        let place = Place(u16::try_from(next).expect("there are fewer names"));
        known.insert(name.to_owned(), place);
        place
    }

    pub fn at(&self, place: Place) -> &T {
        &self.cells[place.0 as usize].get().expect("a place is given out with its cells").1
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.cells.iter().map_while(OnceLock::get).map(|(name, cells)| (name.as_str(), cells))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    #[test]
    fn a_name_keeps_its_cells_and_those_beyond_the_limit_share_some() {
        let series = Series::new(Cell::default);
        let names: Vec<String> = (0..NAMES + 100).map(|n| format!("default/{n}")).collect();
        for _ in 0..3 {
            names.iter().for_each(|name| series.at(series.place(name)).add(1));
        }
        let counts: Vec<_> = series.iter().map(|(name, cell)| (name.to_owned(), cell.get())).collect();
        assert_eq!(counts.len(), NAMES + 1);
        assert_eq!(counts[0], (OTHER.to_owned(), 300));
        assert!(counts[1..].iter().all(|(_, count)| *count == 3));
    }
}
