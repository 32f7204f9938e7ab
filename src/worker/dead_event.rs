//! A dead letter as the event that goes to a dead-letter sink: unchanged, but for extensions that say what it failed of, those
//! of Knative and ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::deployment::Deployment;
use super::executor::{HOPS, Job};
use super::report::{LONGEST_SAID, Said, hops};
use crate::event::{Event, Value, record};
use crate::function::Failure;
use crate::money::Money;

/// An attempt that was the last.
pub(super) struct Last<'f> {
    pub(super) job: &'f Job,
    pub(super) failure: &'f Failure,
    pub(super) said: Option<&'f Said>,
    /// What this attempt and those before it have cost, in trillionths.
    pub(super) spent: u64,
}

pub(super) fn record(deployment: &Deployment, last: &Last<'_>) -> Vec<u8> {
    let Last { job, failure, said, spent } = last;
    let trigger = &deployment.triggers[job.trigger as usize];
    // Who could not be reached said nothing.
    let (code, data) = match said {
        Some(said) => (Some(said.status.to_string()), &said.body[..]),
        None if trigger.remote().is_some() => (None, &b""[..]),
        None => (Some(failure.reason.as_str().to_owned()), failure.message.as_bytes()),
    };
    let data = STANDARD.encode(&data[..data.len().min(LONGEST_SAID)]);
    let mut event = job.envelope.event();
    let hops = hops(&event) - 1;
    for (name, value) in said.map_or(&[][..], |said| &said.extensions) {
        event.set_extension(name, Value::String(value.as_str().into()));
    }
    event.set_extension("knativeerrordest", Value::String(deployment.subscriber(trigger).into()));
    if let Some(code) = code {
        event.set_extension("knativeerrorcode", Value::String(code.into()));
        event.set_extension("knativeerrordata", Value::String(data.into()));
    }
    set_cost(&mut event, job.attempt, *spent);
    event.set_extension("weiroutcome", Value::String(failure.outcome.as_str().into()));
    event.set_extension("weirreason", Value::String(failure.reason.as_str().into()));
    if job.replay > 0 {
        event.set_extension("weirreplay", Value::String(job.replay.to_string().into()));
    }
    event.set_extension("weirtrigger", Value::String(trigger.name.as_str().into()));
    if let Some(function) = trigger.function() {
        let digest = blake3::Hash::from_bytes(*deployment.functions[function].pooled.module.digest());
        event.set_extension("weirdigest", Value::String(digest.to_hex().to_string().into()));
    }
    let position = job.envelope.position;
    let position = format!("{}/{}/{}", position.source, position.partition, position.offset);
    event.set_extension("weirposition", Value::String(position.into()));
    event.set_extension(HOPS, Value::Integer(hops));
    let mut bytes = Vec::with_capacity(job.envelope.record().len() + 256);
    record::encode(&event, &mut bytes);
    bytes
}

/// A reply, as a record, that says what the delivery which made it has cost.
pub(super) fn with_cost(reply: &[u8], attempt: u32, spent: u64) -> Vec<u8> {
    let mut event = record::decode(reply).expect("it was encoded here");
    set_cost(&mut event, attempt, spent);
    let mut bytes = Vec::with_capacity(reply.len() + 64);
    record::encode(&event, &mut bytes);
    bytes
}

fn set_cost(event: &mut Event<'_>, attempt: u32, spent: u64) {
    event.set_extension("weirattempts", Value::Integer(i32::try_from(attempt).unwrap_or(i32::MAX)));
    event.set_extension("weircost", Value::String(Money(spent.into()).to_string().into()));
}
