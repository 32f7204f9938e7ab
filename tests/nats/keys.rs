//! Events that have keys in turns, and whether each key's came in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// `of` keys in turns: key and id.
pub fn events(ids: Range<usize>, of: usize) -> Vec<(String, String)> {
    ids.map(|n| (format!("k{}", n % of), format!("{n:05}"))).collect()
}

/// Of each key the first delivery of each event came after those of all events before it.
#[track_caller]
pub fn in_order(got: &[String], of: usize) {
    let mut last: BTreeMap<usize, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for id in got.iter().filter(|id| seen.insert(id.as_str())) {
        let key = id.parse::<usize>().unwrap() % of;
        if let Some(before) = last.insert(key, id) {
            assert!(before < id.as_str(), "key {key}: {id} came after {before}");
        }
    }
}
