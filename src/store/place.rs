//! Where the records of a shelf are: a few words for each segment, and for each record that was copied forward.

use std::collections::BTreeMap;

use foldhash::HashMap;

#[derive(Debug, Default)]
pub(super) struct Places {
    /// By number.
    segments: BTreeMap<u64, Place>,
    /// Segments by their first id, of the records that are still in the order in which they were put.
    firsts: BTreeMap<u64, u64>,
    /// Segments of the others.
    moved: HashMap<u64, u64>,
    /// The id after the last one known.
    end: u64,
}

#[derive(Debug)]
struct Place {
    /// The ids that stand in it, as (first, count).
    runs: Vec<(u64, u64)>,
    records: u64,
    live: u64,
    bytes: u64,
    /// The queue's segment that it goes with. `None`: its marks are durable.
    with: Option<u64>,
}

impl Place {
    fn holds(&self, id: u64) -> bool {
        let after = self.runs.partition_point(|&(first, _)| first <= id);
        after > 0 && id - self.runs[after - 1].0 < self.runs[after - 1].1
    }

    fn ids(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|&(first, count)| first..first + count)
    }
}

impl Places {
    /// The segment in which a record that is live stands last.
    pub(super) fn of(&self, id: u64) -> Option<u64> {
        if let Some(&segment) = self.moved.get(&id) {
            return Some(segment);
        }
        let (_, &segment) = self.firsts.range(..=id).next_back()?;
        self.segments[&segment].holds(id).then_some(segment)
    }

    /// A segment of `bytes`, the newest. Where a record of it stood before no longer counts.
    pub(super) fn add(
        &mut self,
        segment: u64,
        ids: impl Iterator<Item = u64>,
        (bytes, with): (u64, Option<u64>),
        is_live: impl Fn(u64) -> bool,
    ) {
        let mut place = Place { runs: Vec::new(), records: 0, live: 0, bytes, with };
        for id in ids {
            match place.runs.last_mut() {
                Some((first, count)) if *first + *count == id => *count += 1,
                _ => place.runs.push((id, 1)),
            }
            place.records += 1;
        }
        let Some(&(first, _)) = place.runs.first() else { return };
        let in_order = first >= self.end;
        let live: Vec<u64> = place.ids().filter(|&id| is_live(id)).collect();
        place.live = live.len() as u64;
        for id in live.into_iter().filter(|_| !in_order) {
            self.leave(id);
            self.moved.insert(id, segment);
        }
        if in_order {
            self.firsts.insert(first, segment);
        }
        let &(last, count) = place.runs.last().expect("there is a first");
        self.end = self.end.max(last + count);
        self.segments.insert(segment, place);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The first id in a segment.
    pub(super) fn first_of(&self, segment: u64) -> Option<u64> {
        self.segments.get(&segment).map(|place| place.runs[0].0)
    }

    /// The record is removed, or stands elsewhere.
    pub(super) fn leave(&mut self, id: u64) {
        if let Some(segment) = self.of(id) {
            self.segments.get_mut(&segment).expect("it was found").live -= 1;
            self.moved.remove(&id);
        }
    }

    /// The live records that stand in the segments of `numbers`, segment by segment.
    pub(super) fn standing(&self, numbers: std::ops::Range<u64>) -> impl Iterator<Item = (u64, Vec<u64>)> {
        self.segments
            .range(numbers)
            .filter(|(_, place)| place.live > 0)
            .map(|(&number, place)| (number, place.ids().filter(|&id| self.of(id) == Some(number)).collect()))
    }

    /// The records of segments that go with the queue's segment `with` or a later one.
    pub(super) fn written_with(&self, with: u64) -> Vec<u64> {
        let late = self
            .segments
            .iter()
            .filter(|(_, place)| place.with.is_some_and(|own| own >= with) && place.live > 0);
        late.flat_map(|(&number, place)| place.ids().filter(move |&id| self.of(id) == Some(number))).collect()
    }

    /// The first segment with a live record.
    pub(super) fn first_needed(&self) -> Option<u64> {
        self.segments.iter().find(|(_, place)| place.live > 0).map(|(&number, _)| number)
    }

    pub(super) fn forget_below(&mut self, segment: u64) {
        let kept = self.segments.split_off(&segment);
        for (number, place) in std::mem::replace(&mut self.segments, kept) {
            let first = place.runs[0].0;
            if self.firsts.get(&first) == Some(&number) {
                self.firsts.remove(&first);
            }
        }
    }

    /// Bytes of all records, and of those that are live as far as that is known.
    pub(super) fn bytes(&self) -> (u64, u64) {
        self.segments.values().fold((0, 0), |(all, live), place| {
            (all + place.bytes, live + place.bytes * place.live / place.records)
        })
    }
}
