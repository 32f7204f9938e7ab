//! Identities that are the same on every worker and after every restart: digests of what they identify.

use std::fmt;

use super::Position;

/// A 128-bit digest. What it is of is told by where it stands: a source, a trigger, a delivery, a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u128);

impl Uid {
    /// The uid of a document: of its namespace, kind and name.
    pub fn of_document(namespace: &str, kind: &str, name: &str) -> Uid {
        digest("document", &[namespace.as_bytes(), kind.as_bytes(), name.as_bytes()])
    }

    /// The delivery id: the duty to run one trigger for the event at one position. A replay is a delivery of its own.
    pub fn of_delivery(position: Position, trigger: Uid, replay: u32) -> Uid {
        digest(
            "delivery",
            &[
                &position.source.0.to_be_bytes(),
                &position.partition.to_be_bytes(),
                &position.offset.to_be_bytes(),
                &trigger.0.to_be_bytes(),
                &replay.to_be_bytes(),
            ],
        )
    }

    /// The charge id: what billing counts once, whoever makes or repeats the attempt.
    pub fn of_charge(delivery: Uid, attempt: u32) -> Uid {
        digest("charge", &[&delivery.0.to_be_bytes(), &attempt.to_be_bytes()])
    }
}

/// Each part is preceded by its length, so that no two lists of parts read the same.
fn digest(domain: &str, parts: &[&[u8]]) -> Uid {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Uid(u128::from_be_bytes(first))
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

    /// These digests are in journals and bills: they never change.
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
            "6bc7a9064b595fcfab9fecf7b4402319",
            "6d9187e4bb5fca2540c91bb9feb3027b",
        ];
        assert_eq!(shown, fixed);
        assert_eq!(charge.to_string().parse(), Ok(charge));
    }
}
