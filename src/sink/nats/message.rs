//! A parcel as a message of NATS: its headers and its payload.

use std::fmt::Write as _;

use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;

use crate::event::{Event, binary, mode, record, structured};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::parcel::{Contents, Instead, Parcel, Plain};
use crate::sink::receipt::Refusal;

/// By which a stream knows what it has already.
const ID: &str = "Nats-Msg-Id";
/// Any other refuses it.
const STREAM: &str = "Nats-Expected-Stream";

#[derive(Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

impl Message {
    pub(super) fn of(parcel: &Parcel) -> Result<Message, Refusal> {
        let mut message = Message::in_any_stream(parcel)?;
        if let Some(stream) = &parcel.outlet.stream {
            set(&mut message.headers, STREAM, stream)?;
        }
        Ok(message)
    }

    fn in_any_stream(parcel: &Parcel) -> Result<Message, Refusal> {
        let mut message = Message::anywhere(parcel)?;
        if let Some(partition) = parcel.partition {
            let _ = write!(message.subject, ".{partition}");
            // A record that is written again is the same record; one that says otherwise when it is due is another.
            if parcel.instead == Instead::Parked {
                let id = blake3::hash(&message.payload).to_hex()[..32].to_owned();
                set(&mut message.headers, ID, &id)?;
            }
        }
        message.subject.insert_str(0, &parcel.outlet.topic);
        Ok(message)
    }

    /// Its subject is what is to be added to the outlet's.
    fn anywhere(parcel: &Parcel) -> Result<Message, Refusal> {
        match &parcel.contents {
            Contents::Plain(plain) => Message::plain(plain),
            Contents::Event(bytes) => {
                let event = record::decode(bytes)
                    .map_err(|corrupt| Refusal::never(format!("its record can't be read: {corrupt}")))?;
                let mut message =
                    Message::event(&event, &id_of(parcel, &event, bytes), parcel.outlet.is_structured)?;
                if let Some(partitions) = parcel.outlet.partitions {
                    let key = event.partition_key();
                    let partition = partition_of(key.as_deref().unwrap_or(&event.id), partitions);
                    let _ = write!(message.subject, ".{partition}");
                }
                Ok(message)
            }
        }
    }

    fn plain(plain: &Plain) -> Result<Message, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in &plain.headers {
            let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
            set(&mut headers, name, &value)?;
        }
        Ok(Message {
            subject: String::new(),
            headers,
            payload: Bytes::from(plain.value.clone().unwrap_or_default()),
        })
    }

    fn event(event: &Event<'_>, id: &str, is_structured: bool) -> Result<Message, Refusal> {
        let mut headers = HeaderMap::new();
        set(&mut headers, ID, id)?;
        if is_structured {
            set(&mut headers, "Content-Type", mode::STRUCTURED)?;
            let mut json = Vec::with_capacity(512);
            structured::encode(event, &mut json);
            return Ok(Message { subject: String::new(), headers, payload: json.into() });
        }
        let message = binary::encode_nats(event);
        for (name, value) in &message.headers {
            set(&mut headers, name, value)?;
        }
        let payload = message.body.map(|body| Bytes::from(body.into_owned())).unwrap_or_default();
        Ok(Message { subject: String::new(), headers, payload })
    }
}

/// As the server's `partition()` does it: FNV-1a of 32 bits over the words that it is told, here the key.
pub fn partition_of(key: &str, partitions: u32) -> u32 {
    let hash =
        key.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % partitions.max(1)
}

/// What is written again, as after a kill, is the same: a dead letter by the attempt that it is of, usage by its charge, any other
/// event by all of it. (By source and id alone, what a careless function says twice of different things would be lost.)
fn id_of(parcel: &Parcel, event: &Event<'_>, bytes: &[u8]) -> String {
    match &parcel.instead {
        Instead::Letter(letter) => {
            let letter = DeadLetter::decode(letter).expect("the worker encoded it");
            format!("{}/{}", letter.delivery, letter.attempts)
        }
        Instead::Shipped => event.id.to_string(),
        Instead::Reply(_) | Instead::Parked | Instead::Told => blake3::hash(bytes).to_hex()[..32].to_owned(),
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Refusal> {
    let value: HeaderValue =
        value.parse().map_err(|_| Refusal::never(format!("its header {name} holds what no header can")))?;
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::event::arbitrary;
    use crate::sink::parcel::{Cluster, Outlet};
    use crate::sink::receipt::Kind;

    fn parcel(event: &Event<'_>, is_structured: bool) -> Parcel {
        let outlet = Outlet {
            name: "NatsSink default/out".into(),
            cluster: Arc::new(Cluster::of_nats(Default::default())),
            topic: "out".into(),
            is_structured,
            create: None,
            stream: None,
            partitions: None,
        };
        let mut bytes = Vec::new();
        record::encode(event, &mut bytes);
        Parcel::of_event(Arc::new(outlet), bytes, Instead::Told)
    }

    fn read(message: &Message) -> Event<'_> {
        let headers = message.headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str().as_bytes()))
        });
        binary::decode_nats(headers, &message.payload).unwrap()
    }

    proptest! {
        #[test]
        fn any_event_is_read_back_in_either_mode(event in arbitrary::event()) {
            let apart = Message::of(&parcel(&event, false)).unwrap();
            let mut found = read(&apart);
            let mut expected = arbitrary::with_string_values(event.clone());
            // Headers come in no order.
            for event in [&mut found, &mut expected] {
                event.extensions.sort_by(|one, other| one.0.cmp(&other.0));
            }
            prop_assert_eq!(&found, &expected);
            let whole = Message::of(&parcel(&event, true)).unwrap();
            prop_assert_eq!(&read(&whole), &event);
            prop_assert_eq!(apart.headers.get(ID), whole.headers.get(ID), "it is the same event");
        }
    }

    /// Of an attempt that another worker made again the first counts, whatever it took.
    #[test]
    fn usage_is_known_by_its_charge_and_other_events_by_all_they_say() {
        let ids = |instead: Instead| {
            ["1", "2"].map(|data| {
                let text = format!(
                    r#"{{"specversion":"1.0","type":"t","source":"/s","id":"charge","data":{data}}}"#
                );
                let event = structured::decode(text.as_bytes()).unwrap();
                let parcel = Parcel { instead: instead.clone(), ..parcel(&event, false) };
                Message::of(&parcel).unwrap().headers.get(ID).unwrap().to_string()
            })
        };
        assert_eq!(ids(Instead::Shipped), ["charge", "charge"]);
        let [one, other] = ids(Instead::Told);
        assert_ne!(one, other);
    }

    #[test]
    fn the_last_word_of_the_subject_is_the_partition_where_there_are_any() {
        assert_eq!((partition_of("", u32::MAX), partition_of("a", u32::MAX)), (0x811c_9dc5, 0xe40c_292c));
        let text = r#"{"specversion":"1.0","type":"t","source":"/s","id":"7","partitionkey":"a"}"#;
        let event = structured::decode(text.as_bytes()).unwrap();
        let whole = parcel(&event, false);
        assert_eq!(Message::of(&whole).unwrap().subject, "out");
        let outlet = Arc::new(Outlet { partitions: Some(6), ..(*whole.outlet).clone() });
        let cut = Parcel { outlet, ..whole.clone() };
        assert_eq!(Message::of(&cut).unwrap().subject, format!("out.{}", 0xe40c_292c_u32 % 6));

        let contents = Contents::Plain(Plain { value: Some(b"record".to_vec()), ..Plain::default() });
        let parked = Parcel { partition: Some(3), contents, instead: Instead::Parked, ..whole };
        let message = Message::of(&parked).unwrap();
        assert_eq!((message.subject.as_str(), message.headers.get(ID).is_some()), ("out.3", true));
    }

    #[test]
    fn a_plain_message_goes_as_it_stands_or_not_at_all() {
        let plain = |value: &[u8]| Plain {
            key: None,
            headers: vec![(ID.to_owned(), Some(value.to_vec()))],
            value: Some(vec![0xff]),
        };
        let message = Message::plain(&plain(b"7/1")).unwrap();
        assert_eq!(message.headers.get(ID).unwrap().as_str(), "7/1");
        assert_eq!(&message.payload[..], [0xff]);
        assert_eq!(Message::plain(&plain(b"7\r\n1")).unwrap_err().kind, Kind::Never);
    }
}
