//! Why Kafka did not take a record, and whether it is worth sending again.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::sink::receipt::{Kind, Refusal};

impl Refusal {
    pub(super) fn of(error: &KafkaError) -> Refusal {
        let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        Refusal { kind: error.rdkafka_error_code().map_or(Kind::Again, kind), why }
    }
}

/// What is not known to be for good is tried again: that may take for ever, and loses nothing.
fn kind(code: Code) -> Kind {
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition => Kind::NoTopic,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Kind::TooLarge,
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InvalidTopic
        | Code::PolicyViolation => Kind::Never,
        Code::InvalidTimestamp | Code::InvalidRecord | Code::InvalidDifferentRecord => Kind::Invalid,
        _ => Kind::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_good_is_told_apart_from_what_passes() {
        let of = |code| Refusal::of(&KafkaError::MessageProduction(code)).kind;
        for code in [Code::UnknownTopic, Code::UnknownTopicOrPartition] {
            assert_eq!(of(code), Kind::NoTopic);
        }
        assert_eq!(of(Code::MessageSizeTooLarge), Kind::TooLarge);
        assert_eq!(of(Code::InvalidRecord), Kind::Invalid);
        for code in [Code::TopicAuthorizationFailed, Code::PolicyViolation] {
            assert_eq!(of(code), Kind::Never, "{code}");
        }
        for code in [
            Code::MessageTimedOut,
            Code::BrokerTransportFailure,
            Code::NotEnoughReplicas,
            Code::NotLeaderForPartition,
            Code::Fatal,
            Code::PurgeInflight,
            Code::PurgeQueue,
            Code::SaslAuthenticationFailed,
        ] {
            assert_eq!(of(code), Kind::Again, "{code}");
        }
    }
}
