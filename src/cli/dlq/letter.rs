//! A record in a topic of dead letters, or a message in their stream, as the dead letter that it is.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::KeyType;
use crate::dispatch::{Outcome, Reason};
use crate::event::{Event, Position, Uid, record};
use crate::sink::dead_letter::DeadLetter;
use crate::source::kafka::{Reading, Record};
use crate::worker::queue_uid::SHARED;

/// What says what the event failed of, and is no part of it.
const OF_FAILURE: [&str; 11] = [
    "knativeerrordest",
    "knativeerrorcode",
    "knativeerrordata",
    "weirattempts",
    "weirtrigger",
    "weirdigest",
    "weirposition",
    "weircost",
    "weiroutcome",
    "weirreason",
    "weirreplay",
];

/// How the records of a topic are read.
#[derive(Debug)]
pub(super) struct Reader {
    reading: Reading,
    /// What positions in it have as their source.
    topic: Uid,
}

impl Reader {
    pub(super) fn new(sink: Uid, topic: &str) -> Reader {
        let reading = Reading::new("default", topic, KeyType::String, Vec::new());
        Reader { reading, topic: Uid::of_topic(sink, topic) }
    }

    /// As `DeadLetter::encode` has it. Others' dead letters may lack most of what ours say.
    pub(super) fn read(&self, record: &Record<'_>) -> Vec<u8> {
        let event = self.reading.event(record);
        let event = event.unwrap_or_else(|why| self.reading.undecodable(record, &why));
        let here = Position {
            source: self.topic,
            partition: record.partition.cast_unsigned(),
            offset: record.offset.cast_unsigned(),
        };
        let written = record.timestamp.unwrap_or(0).cast_unsigned().saturating_mul(1_000_000);
        encoded(event, here, written)
    }
}

/// An event that says what it failed of, which stands here since then, as `DeadLetter::encode` has it.
pub(super) fn encoded(mut event: Event<'_>, here: Position, written: u64) -> Vec<u8> {
    let said = |name: &str| event.attribute(name).map(Cow::into_owned).unwrap_or_default();
    let (trigger, function, code) = (said("weirtrigger"), said("knativeerrordest"), said("knativeerrorcode"));
    let message = STANDARD.decode(said("knativeerrordata")).unwrap_or_default();
    // Queues of earlier versions were all called so, each with the same numbers.
    let position =
        position(&said("weirposition")).filter(|position| position.source != SHARED).unwrap_or(here);
    let reason = said("weirreason");
    let replay = said("weirreplay").parse().unwrap_or(0);
    let attempts = said("weirattempts").parse().unwrap_or(1);
    let outcome = said("weiroutcome");
    let outcome = Outcome::ALL.iter().copied().find(|known| known.as_str() == outcome);
    let bytes = event_alone(&mut event);
    let mut letter = DeadLetter {
        delivery: Uid::default(),
        position,
        broker: Uid::default(),
        trigger: &trigger,
        function: &function,
        attempts,
        replay,
        outcome: outcome.unwrap_or(Outcome::Permanent),
        reason: reason_of(&reason).or_else(|| reason_of(&code)).unwrap_or(Reason::Status),
        message: &String::from_utf8_lossy(&message),
        ended: written,
        record: &bytes,
    };
    let uid = letter.trigger_uid().unwrap_or_default();
    letter.delivery = Uid::of_delivery(position, uid, replay);
    let mut encoded = Vec::with_capacity(bytes.len() + 256);
    letter.encode(&mut encoded);
    encoded
}

fn event_alone(event: &mut Event<'_>) -> Vec<u8> {
    event.extensions.retain(|(name, _)| !OF_FAILURE.contains(&&**name));
    let mut bytes = Vec::with_capacity(256);
    record::encode(event, &mut bytes);
    bytes
}

fn position(text: &str) -> Option<Position> {
    let mut parts = text.splitn(3, '/');
    let source = parts.next()?.parse().ok()?;
    Some(Position { source, partition: parts.next()?.parse().ok()?, offset: parts.next()?.parse().ok()? })
}

fn reason_of(text: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|known| known.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> (Vec<u8>, Uid) {
        let sink = Uid(7);
        let all = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/s"), ("ce_type", "t")];
        let headers =
            all.iter().chain(headers).map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        let (timestamp, key, value) = (Some(1_700_000_000_123), None, Some(&b"data"[..]));
        let record = Record { topic: "letters", partition: 2, offset: 9, timestamp, key, value, headers };
        (Reader::new(sink, "letters").read(&record), Uid::of_topic(sink, "letters"))
    }

    #[test]
    fn it_says_what_the_event_failed_of_and_the_event_is_as_it_was() {
        let source = Uid(99);
        let (bytes, _) = read(&[
            ("ce_region", "eu"),
            ("ce_knativeerrordest", "default/payment"),
            ("ce_knativeerrorcode", "unreachable"),
            ("ce_knativeerrordata", "bm90IHNv"),
            ("ce_weirattempts", "3"),
            ("ce_weirtrigger", "shop/orders"),
            ("ce_weirdigest", "abc"),
            ("ce_weirposition", &format!("{source}/4/17")),
            ("ce_weircost", "1.5"),
            ("ce_weiroutcome", "trapped"),
            ("ce_weirreason", "unreachable"),
            ("ce_weirreplay", "2"),
        ]);
        let letter = DeadLetter::decode(&bytes).unwrap();
        assert_eq!(
            (letter.trigger, letter.function, letter.message),
            ("shop/orders", "default/payment", "not so")
        );
        assert_eq!((letter.attempts, letter.replay, letter.ended), (3, 2, 1_700_000_000_123_000_000));
        assert_eq!((letter.outcome, letter.reason), (Outcome::Trapped, Reason::Unreachable));
        assert_eq!(letter.position, Position { source, partition: 4, offset: 17 });
        let event = record::decode(letter.record).unwrap();
        let extensions: Vec<_> = event.extensions.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(extensions, ["region"]);
    }

    #[test]
    fn what_others_wrote_and_what_has_no_position_of_its_own_stands_where_its_record_does() {
        for position in ["", "x/y/z", &format!("{SHARED}/0/17")] {
            let (bytes, source) = read(&[("ce_knativeerrorcode", "503"), ("ce_weirposition", position)]);
            let letter = DeadLetter::decode(&bytes).unwrap();
            assert_eq!(letter.position, Position { source, partition: 2, offset: 9 });
            assert_eq!((letter.trigger, letter.reason, letter.attempts), ("", Reason::Status, 1));
        }
    }
}
