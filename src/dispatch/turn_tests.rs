//! What may happen to a world at any moment, as property tests draw it, and the order that has to come of it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::core_tests::World;
use super::*;

#[derive(Clone, Debug)]
pub(super) enum Turn {
    Arrive(Option<u8>),
    Finish(usize, Outcome),
    Write,
    Read,
    PassTime,
}

pub(super) fn turn() -> impl Strategy<Value = Turn> {
    let outcome = prop::sample::select(Outcome::ALL);
    prop_oneof![
        3 => prop::option::of(0u8..3).prop_map(Turn::Arrive),
        3 => (any::<usize>(), outcome).prop_map(|(pick, outcome)| Turn::Finish(pick, outcome)),
        2 => Just(Turn::Write),
        1 => Just(Turn::Read),
        1 => Just(Turn::PassTime),
    ]
}

pub(super) fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(&[Order::Ordered, Order::Key, Order::Unordered][..])
}

impl World {
    pub(super) fn take(&mut self, turn: &Turn) {
        match *turn {
            Turn::Arrive(key) => self.arrive(key),
            Turn::Finish(pick, outcome) => self.finish(pick, outcome),
            Turn::Write => self.write(),
            Turn::Read => self.read(),
            Turn::PassTime => self.pass_time(),
        }
    }

    /// Of the events that arrived since then, those of one lane of the trigger ended one after the other.
    pub(super) fn assert_in_order(&self, trigger: u32, order: Order, since: u64) {
        let mut last: HashMap<Option<u8>, u64> = HashMap::new();
        for (_, offset) in self.ended.iter().filter(|(of, offset)| *of == trigger && *offset >= since) {
            let lane = match order {
                Order::Ordered => Some(0),
                Order::Key => self.keys[*offset as usize],
                Order::Unordered => None,
            };
            if lane.is_some() {
                let before = last.insert(lane, *offset);
                assert!(before.is_none_or(|before| before < *offset), "{offset} ended after {before:?}");
            }
        }
    }
}
