//! What is kept here of a parcel that Kafka refuses for good: a dead letter for the worker's own store.

use crate::dispatch::{Outcome, Reason};
use crate::journal::Entry;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::parcel::{Contents, Instead, Parcel};
use crate::sink::receipt::{Kind, Refusal};

/// Encoded. `None`: there is no other end for it than to be taken. `entry` is that of the attempt that it comes from.
pub(super) fn instead(parcel: &Parcel, entry: &[u8], refusal: &Refusal) -> Option<Vec<u8>> {
    let name = &parcel.outlet.name;
    let mut bytes = Vec::new();
    match &parcel.instead {
        Instead::Parked | Instead::Told | Instead::Shipped => return None,
        Instead::Letter(letter) => {
            let letter = DeadLetter::decode(letter).expect("the worker encoded it");
            let message = format!("{} ({name} refused its dead letter: {})", letter.message, refusal.why);
            DeadLetter { message: &message, ..letter }.encode(&mut bytes);
        }
        Instead::Reply(broker) => {
            let Contents::Event(record) = &parcel.contents else { return None };
            let entry =
                Entry::of_bytes(entry).expect("a reply is of an attempt, whose entry the worker encoded");
            let reason = if refusal.kind == Kind::TooLarge { Reason::Oversized } else { Reason::Refused };
            let message = format!("{name} refused the reply: {}", refusal.why);
            let letter = DeadLetter {
                delivery: entry.delivery,
                position: entry.position,
                broker: *broker,
                trigger: entry.trigger,
                function: entry.function,
                attempts: entry.attempt,
                replay: 0,
                outcome: Outcome::Permanent,
                reason,
                message: &message,
                ended: entry.ended,
                record,
            };
            letter.encode(&mut bytes);
        }
    }
    Some(bytes)
}
