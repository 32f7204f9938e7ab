//! What becomes of what is sent to a broker: it has it, or refuses it.

/// What has become of a record.
#[derive(Debug)]
pub struct Receipt {
    pub token: usize,
    /// The offset in Kafka, the sequence in NATS.
    pub result: Result<u64, Refusal>,
}

/// Why a record could not even be begun with.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The producer holds as much as it may.
    Full,
    Refused(Refusal),
}

/// Why a broker did not take a record, and whether it is worth sending again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// In the client's words.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something is down, or will be otherwise.
    Again,
    /// The topic is not there. It may be made.
    NoTopic,
    /// Larger than the client, the topic or the broker takes: this one, or the batch that it was in.
    TooLarge,
    /// The topic takes none like it: like this one, or another of the batch that it was in.
    Invalid,
    /// It will be no other the next time.
    Never,
}

impl Refusal {
    pub(super) fn never(why: String) -> Refusal {
        Refusal { kind: Kind::Never, why }
    }
}
