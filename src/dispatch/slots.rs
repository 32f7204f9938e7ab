//! Things by key, in reused slots. A key's serial keeps whoever comes late from meeting another thing in the same slot.

use std::marker::PhantomData;

/// Names a thing of the kind `K` while it is there, and nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key<K> {
    slot: u32,
    serial: u32,
    kind: PhantomData<K>,
}

#[derive(Debug)]
pub(super) struct Slots<K, T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
    kind: PhantomData<K>,
}

impl<K, T> Default for Slots<K, T> {
    fn default() -> Slots<K, T> {
        Slots { slots: Vec::new(), free: Vec::new(), len: 0, kind: PhantomData }
    }
}

impl<K: Copy, T> Slots<K, T> {
    pub(super) fn insert(&mut self, thing: T) -> Key<K> {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            let (serial, place) = &mut self.slots[slot as usize];
            *serial = serial.wrapping_add(1);
            *place = Some(thing);
            return Key { slot, serial: *serial, kind: PhantomData };
        }
        let slot = u32::try_from(self.slots.len()).expect("what is in flight is bounded far below u32");
        self.slots.push((0, Some(thing)));
        Key { slot, serial: 0, kind: PhantomData }
    }

    pub(super) fn get(&self, key: Key<K>) -> Option<&T> {
        let (serial, thing) = self.slots.get(key.slot as usize)?;
        thing.as_ref().filter(|_| *serial == key.serial)
    }

    pub(super) fn get_mut(&mut self, key: Key<K>) -> Option<&mut T> {
        let (serial, thing) = self.slots.get_mut(key.slot as usize)?;
        thing.as_mut().filter(|_| *serial == key.serial)
    }

    pub(super) fn remove(&mut self, key: Key<K>) -> Option<T> {
        self.get(key)?;
        self.free.push(key.slot);
        self.len -= 1;
        self.slots[key.slot as usize].1.take()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|(_, thing)| thing.as_ref())
    }

    /// The keys of all that `wanted` picks, in the order of their slots.
    pub(super) fn keys(&self, wanted: impl Fn(&T) -> bool) -> Vec<Key<K>> {
        let picked = |(slot, (serial, thing)): (u32, &(u32, Option<T>))| {
            let serial = *serial;
            thing.as_ref().filter(|thing| wanted(thing)).map(|_| Key { slot, serial, kind: PhantomData })
        };
        (0..).zip(&self.slots).filter_map(picked).collect()
    }
}

impl<K: Copy, T> std::ops::Index<Key<K>> for Slots<K, T> {
    type Output = T;

    /// # Panics
    /// If it is gone: whoever indexes knows that it is there.
    fn index(&self, key: Key<K>) -> &T {
        self.get(key).expect("it is still there")
    }
}

impl<K: Copy, T> std::ops::IndexMut<Key<K>> for Slots<K, T> {
    fn index_mut(&mut self, key: Key<K>) -> &mut T {
        self.get_mut(key).expect("it is still there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_key_meets_nothing_in_a_reused_slot() {
        let mut slots: Slots<u8, &str> = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!((slots.remove(first), slots.get(first), slots[second]), (None, None, "second"));
        assert_eq!((slots.len(), slots.keys(|_| true)), (1, vec![second]));
    }
}
