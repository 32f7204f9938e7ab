//! The workers that share the partitions of a source, as they hear of each other: who has which. It decides who asks for a
//! partition; that only one has it, its pin sees to. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many are remembered.
const MOST: usize = 1024;

#[derive(Debug)]
pub(super) struct Peers {
    own: String,
    others: BTreeMap<String, Other>,
    patience: Duration,
}

#[derive(Debug)]
struct Other {
    /// Until when it counts though nothing more is heard of it.
    until: Instant,
    /// The partitions that it says it has.
    has: Vec<u32>,
    /// It stops: it takes no more of them.
    has_left: bool,
}

/// What a partition is to this worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) is_own: bool,
    /// And nobody else says that they have it.
    pub(super) is_free: bool,
}

impl Peers {
    pub(super) fn new(own: String, patience: Duration) -> Peers {
        Peers { own, others: BTreeMap::new(), patience }
    }

    /// True: it was not known.
    pub(super) fn heard(&mut self, name: &str, has: Vec<u32>, now: Instant) -> bool {
        if name == self.own || self.others.len() >= MOST && !self.others.contains_key(name) {
            return false;
        }
        let other = Other { until: now + self.patience, has, has_left: false };
        self.others.insert(name.to_owned(), other).is_none()
    }

    /// It takes no more; what it has it may have for a while.
    pub(super) fn left(&mut self, name: &str, has: Vec<u32>, now: Instant) {
        if has.is_empty() {
            self.others.remove(name);
        } else if let Some(other) = self.others.get_mut(name) {
            *other = Other { until: now + self.patience, has, has_left: true };
        }
    }

    /// For a while nobody could be heard.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.others.values_mut().for_each(|other| other.until = now + self.patience);
    }

    /// Forgets those of whom nothing was heard for too long.
    pub(super) fn look(&mut self, now: Instant) {
        self.others.retain(|_, other| other.until > now);
    }

    pub(super) fn count(&self) -> usize {
        self.others.values().filter(|other| !other.has_left).count() + 1
    }

    /// Is it this worker's? In the order of their names they have one partition after the other.
    pub(super) fn has(&self, partition: u32) -> bool {
        let before = self.others.range(..self.own.clone());
        let rank = before.filter(|(_, other)| !other.has_left).count();
        partition as usize % self.count() == rank
    }

    pub(super) fn is_had(&self, partition: u32) -> bool {
        self.others.values().any(|other| other.has.contains(&partition))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_is_silent_or_has_left_has_nothing() {
        let (now, patience) = (Instant::now(), Duration::from_secs(4));
        let mut peers = Peers::new("b".to_owned(), patience);
        assert!(
            !peers.heard("b", Vec::new(), now)
                && peers.heard("a", Vec::new(), now)
                && !peers.heard("a", Vec::new(), now)
        );
        assert!(peers.heard("c", Vec::new(), now + patience / 2));
        let own = |peers: &Peers| (0..4).filter(|n| peers.has(*n)).collect::<Vec<_>>();
        assert_eq!(own(&peers), [1]);
        peers.heard("a", vec![3], now);
        assert!(peers.is_had(3) && !peers.is_had(1));
        peers.look(now + patience);
        assert!(!peers.is_had(3));
        assert_eq!(own(&peers), [0, 2], "a is silent");
        peers.left("c", vec![1], now);
        assert!(peers.is_had(1) && peers.count() == 1, "it ends what it has begun");
        peers.left("c", Vec::new(), now);
        assert!(!peers.is_had(1));
        assert_eq!(own(&peers), [0, 1, 2, 3]);
        peers.heard("a", Vec::new(), now);
        peers.excuse(now + patience);
        peers.look(now + patience);
        assert_eq!(peers.count(), 2);
    }

    proptest! {
        /// Workers that have heard of each other agree, and none has more than its part.
        #[test]
        fn each_partition_is_one_s(names in prop::collection::btree_set("[a-f]{1,3}", 1..9), partitions in 1u32..40) {
            let now = Instant::now();
            let all: Vec<Peers> = names.iter().map(|own| {
                let mut peers = Peers::new(own.clone(), Duration::from_secs(1));
                for name in &names {
                    peers.heard(name, Vec::new(), now);
                }
                peers
            }).collect();
            for partition in 0..partitions {
                prop_assert_eq!(all.iter().filter(|peers| peers.has(partition)).count(), 1);
            }
            let most = (partitions as usize).div_ceil(names.len());
            for peers in &all {
                prop_assert!((0..partitions).filter(|n| peers.has(*n)).count() <= most);
            }
        }
    }
}
