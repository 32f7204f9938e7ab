//! Tokens that have been verified, by their digests: verifying one takes a hundred times as long as finding it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use blake3::Hash;

use super::Identity;

/// Twice as many are kept at the most.
const TOKENS: usize = 1024;

/// What was found twice in a row stays: when the younger half is full it becomes the older one, which goes.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    younger: HashMap<Hash, Entry>,
    older: HashMap<Hash, Entry>,
    /// The keys that they were verified with.
    generation: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    identity: Identity,
    /// In seconds of Unix time.
    until: u64,
}

impl Verified {
    /// `generation`: of the keys. A token that others verified is verified again.
    pub(super) fn find(&self, token: &Hash, generation: u64, now: u64) -> Option<Identity> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.generation != generation {
            *halves = Halves { generation, ..Halves::default() };
        }
        if let Some(entry) = halves.younger.get(token) {
            return (now < entry.until).then(|| entry.identity.clone());
        }
        let entry = halves.older.remove(token).filter(|entry| now < entry.until)?;
        let identity = entry.identity.clone();
        halves.add(*token, entry);
        Some(identity)
    }

    pub(super) fn keep(&self, token: Hash, identity: Identity, generation: u64, until: u64) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.generation == generation {
            halves.add(token, Entry { identity, until });
        }
    }
}

impl Halves {
    fn add(&mut self, token: Hash, entry: Entry) {
        if self.younger.len() >= TOKENS {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(token, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str) -> Identity {
        Identity { kind: "unknown", id: id.into() }
    }

    #[test]
    fn bounded_however_many_there_are_and_the_used_ones_stay() {
        let verified = Verified::default();
        let token = |n: u32| blake3::hash(&n.to_le_bytes());
        assert_eq!(verified.find(&token(0), 1, 0), None);
        for n in 0..10_000 {
            verified.keep(token(n), identity("a"), 1, 10);
            assert!(verified.find(&token(0), 1, 0).is_some(), "{n}");
        }
        let halves = verified.0.lock().unwrap();
        assert!(halves.younger.len() + halves.older.len() <= 2 * TOKENS);
    }

    #[test]
    fn an_expired_token_and_other_keys_find_nothing() {
        let verified = Verified::default();
        let token = blake3::hash(b"token");
        assert_eq!(verified.find(&token, 1, 0), None);
        verified.keep(token, identity("a"), 1, 10);
        assert_eq!(verified.find(&token, 1, 9), Some(identity("a")));
        assert_eq!(verified.find(&token, 1, 10), None);
        assert_eq!(verified.find(&token, 2, 9), None);
        // Verified with keys that are gone by now.
        verified.keep(token, identity("a"), 1, 10);
        assert_eq!(verified.find(&token, 2, 9), None);
    }
}
