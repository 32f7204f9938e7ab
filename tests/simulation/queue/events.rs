//! The events of this world: those of publishers, and those that deliveries make.

use bytes::Bytes;
use weir::event::{Event, Value, record};

use super::super::dice::dice_of;
use super::super::plan::TYPES;

/// The queue, as a source.
pub(crate) use weir::worker::queue_uid::SHARED as QUEUE;
/// The extension that counts down how often an event may come round as a reply.
const HOPS: &str = "knativebrokerttl";

#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What its fate follows from.
    pub(crate) number: u64,
    pub(crate) key: Option<u64>,
    pub(crate) hops: i32,
    pub(crate) record: Bytes,
    /// Its publisher was told, or the delivery that made it is durably over: it is in the queue.
    pub(crate) promised: bool,
    /// The delivery that made it runs again: this one is not in the queue.
    pub(crate) void: bool,
    pub(crate) offset: Option<u64>,
}

impl Known {
    pub(crate) fn new(seed: u64, id: &str, keys: u64, hops: i32) -> Known {
        let number = number_of(id);
        let mut dice = dice_of(seed, &[21, number]);
        let key = dice.chance(75).then(|| dice.within(0..keys));
        let ty = dice.within(0..TYPES.len() as u64 * 3) as usize;
        let ty = if ty < 8 { ty % 2 } else { 2 };
        let record = encode(id, ty, key, hops, dice.within(0..100) as usize);
        Known { number, key, hops, record, promised: false, void: false, offset: None }
    }
}

/// The same for the same id.
fn number_of(id: &str) -> u64 {
    id.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn encode(id: &str, ty: usize, key: Option<u64>, hops: i32, length: usize) -> Bytes {
    let mut event = Event {
        id: id.into(),
        source: "/shop".into(),
        ty: TYPES[ty].into(),
        subject: Some("x".repeat(length).into()),
        time: None,
        dataschema: None,
        datacontenttype: None,
        extensions: vec![],
        data: None,
    };
    event.set_extension(HOPS, Value::Integer(hops));
    if let Some(key) = key {
        event.set_extension("partitionkey", Value::String(key.to_string().into()));
    }
    if ty < 2 {
        event.set_extension("xwanted", Value::String("yes".into()));
    }
    let mut bytes = Vec::new();
    record::encode(&event, &mut bytes);
    bytes.into()
}
