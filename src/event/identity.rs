//! Identities that are the same on every worker and after every restart: digests of what they identify.

use std::fmt;

use super::Position;

/// A 128-bit digest. What it is of is told by where it stands: a source, a trigger, a delivery, a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u128);

impl Uid {
    /// The uid of a document: of its namespace, kind and name.
    pub fn of_document(namespace: &str, kind: &str, name: &str) -> Uid {
        digest("document", &[namespace, kind, name])
    }

    /// Of a topic that a source reads: what positions in it have as their source, whichever other topics it reads.
    pub fn of_topic(source: Uid, topic: &str) -> Uid {
        digest("topic", &[&source.to_string(), topic])
    }

    /// The delivery id: the duty to run one trigger for the event at one position. A replay is a delivery of its own.
    pub fn of_delivery(position: Position, trigger: Uid, replay: u32) -> Uid {
        Block::new(DELIVERY)
            .with(position.source.0.to_be_bytes())
            .with(position.partition.to_be_bytes())
            .with(position.offset.to_be_bytes())
            .with(trigger.0.to_be_bytes())
            .with(replay.to_be_bytes())
            .digest()
    }

    /// The trace of an event that brings none along.
    pub fn of_trace(position: Position) -> Uid {
        Block::new(TRACE)
            .with(position.source.0.to_be_bytes())
            .with(position.partition.to_be_bytes())
            .with(position.offset.to_be_bytes())
            .digest()
    }

    /// The charge id: what billing counts once, whoever makes or repeats the attempt.
    pub fn of_charge(delivery: Uid, attempt: u32) -> Uid {
        Block::new(CHARGE).with(delivery.0.to_be_bytes()).with(attempt.to_be_bytes()).digest()
    }
}

/// What a block is of. No two read the same: what follows has the same widths each time. 0 is how a digest of texts
/// begins, with the length of its domain.
const DELIVERY: u8 = 1;
const CHARGE: u8 = 2;
const TRACE: u8 = 3;

/// Fields of fixed width, and no more than fit one block of the hash: one turn of it for what is made for each event.
struct Block {
    bytes: [u8; 64],
    length: usize,
}

impl Block {
    fn new(domain: u8) -> Block {
        let mut bytes = [0; 64];
        bytes[0] = domain;
        Block { bytes, length: 1 }
    }

    fn with<const N: usize>(mut self, field: [u8; N]) -> Block {
        self.bytes[self.length..self.length + N].copy_from_slice(&field);
        self.length += N;
        self
    }

    fn digest(&self) -> Uid {
        first_half(blake3::hash(&self.bytes[..self.length]))
    }
}

/// Each text is preceded by its length, so that no two lists of texts read the same.
fn digest(domain: &str, texts: &[&str]) -> Uid {
    let mut hasher = blake3::Hasher::new();
    for text in std::iter::once(domain).chain(texts.iter().copied()) {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    first_half(hasher.finalize())
}

fn first_half(hash: blake3::Hash) -> Uid {
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    Uid(u128::from_be_bytes(*first))
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for Uid {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Uid, Self::Err> {
        u128::from_str_radix(text, 16).map(Uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Uid::of_document("a", "bc", "d"), Uid::of_document("ab", "c", "d"));
    }

    /// The widths are fixed, so a field can't be read as part of the next; the domain tells the two kinds apart.
    #[test]
    fn every_field_counts() {
        let position = Position { source: Uid(1), partition: 2, offset: 3 };
        let other = Position { source: Uid(2), ..position };
        let uids = [
            Uid::of_delivery(position, Uid(4), 0),
            Uid::of_delivery(other, Uid(4), 0),
            Uid::of_delivery(Position { partition: 3, ..position }, Uid(4), 0),
            Uid::of_delivery(Position { offset: 2, ..position }, Uid(4), 0),
            Uid::of_delivery(position, Uid(5), 0),
            Uid::of_delivery(position, Uid(4), 1),
            Uid::of_charge(Uid(4), 1),
            Uid::of_charge(Uid(4), 2),
            Uid::of_charge(Uid(5), 1),
        ];
        let different: std::collections::BTreeSet<_> = uids.iter().collect();
        assert_eq!(different.len(), uids.len());
    }

    /// These digests are in journals and bills: from here on they never change.
    #[test]
    fn digests_are_fixed_for_ever() {
        let source = Uid::of_document("default", "Broker", "default");
        let trigger = Uid::of_document("default", "Trigger", "process-payments");
        let delivery = Uid::of_delivery(Position { source, partition: 3, offset: 42 }, trigger, 0);
        let charge = Uid::of_charge(delivery, 1);
        let shown = [source, trigger, delivery, charge].map(|uid| uid.to_string());
        let fixed = [
            "3398316d1786defb8f52da7498e1daff",
            "12a7fa063fdb314adef9da612cc38e21",
            "0100b255a64de7a6ff5569487c1f715d",
            "6135eee2b66d0a9990a778a5f5d4e562",
        ];
        assert_eq!(shown, fixed);
        assert_eq!(charge.to_string().parse(), Ok(charge));
    }
}
