//! What an attempt leaves behind: its journal entry, its replies or its failure; and what of that is written once the
//! core has said whether the delivery has ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Attempt, Buried, Made, Now};
use super::deployment::Deployment;
use super::executor::{HOPS, Job, Measured};
use super::price;
use crate::config::DeadLetterTo;
use crate::dispatch::{End, Fate, Key, Outcome, Parked, Reason};
use crate::event::segment::Ended;
use crate::event::{Envelope, Event, Position, Uid, Value, record};
use crate::function::Failure;
use crate::journal::{Entry, Reply};
use crate::sink::dead_letter::DeadLetter;
use crate::source::direct;
use crate::telemetry::Shown;
use crate::telemetry::limit::Limit;
use crate::telemetry::metrics::Attempted;
use crate::telemetry::trace::{About, Traced};
use crate::time::{Moment, unix_nanos};

#[derive(Debug)]
pub struct Report {
    position: Position,
    made: Made,
    /// Set if the attempt did not succeed; what a dead letter is made of.
    failure: Option<Box<Failed>>,
    ended: u64,
    measured: Attempted,
    traced: Option<Box<Traced>>,
}

/// Why an attempt failed, and what a server said of it.
#[derive(Clone, Debug)]
pub struct Refused {
    pub failure: Failure,
    pub said: Option<Box<Said>>,
}

/// What an HTTP subscriber said that did not take an event.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    /// As much as Knative keeps of it.
    pub body: Bytes,
    /// For the dead letter.
    pub extensions: Vec<(String, String)>,
    pub retry_after: Option<Duration>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused { failure, said: None }
    }
}

/// As much of an error's words as Knative keeps.
pub const LONGEST_SAID: usize = 1024;

/// An attempt that failed, and under which deployment.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    said: Option<Box<Said>>,
    job: Job,
    delivery: Uid,
    deployment: Arc<Deployment>,
}

/// A delivery whose trigger is gone, as it is left.
#[derive(Debug)]
pub struct Left {
    pub trigger: Uid,
    pub attempts: u32,
    pub replay: u32,
    pub record: Option<u64>,
    pub envelope: Envelope,
    pub broker: Uid,
}

/// How many times an event may come round as a reply; Knative's brokers use the same number.
const FIRST_HOPS: i32 = 255;

pub(super) fn report(
    deployment: &Arc<Deployment>,
    job: &Job,
    delivery: Uid,
    measured: &Measured,
    bytes_in: usize,
    result: Result<Vec<Event<'_>>, Refused>,
) -> Report {
    let trigger = &deployment.triggers[job.trigger as usize];
    let event = job.envelope.event();
    let ended = unix_nanos();
    let mark = Ended { offset: job.envelope.position.offset, trigger: trigger.uid };
    let wall_ns = measured.wall.as_nanos() as u64;
    let (replies, failure, said) = match result {
        Ok(replies) => (replies, None, None),
        Err(Refused { failure, said }) => (Vec::new(), Some(failure), said),
    };
    let entry = Entry {
        delivery,
        position: job.envelope.position,
        trigger: &trigger.name,
        function: deployment.subscriber(trigger),
        tenant: deployment.tenant(trigger),
        attempt: job.attempt,
        outcome: failure.as_ref().map_or(Outcome::Succeeded, |f| f.outcome),
        reason: failure.as_ref().map_or(Reason::None, |f| f.reason),
        ended,
        wall_ns,
        init_ns: measured.init.map(|init| init.as_nanos() as u64),
        fuel: measured.fuel,
        memory: measured.memory,
        price: price::of_attempt(&deployment.price(trigger), wall_ns, measured.memory, measured.fuel),
        bytes_in: bytes_in as u64,
        bytes_out: measured.bytes_out as u64,
        event_id: &event.id,
        event_source: &event.source,
        event_type: &event.ty,
        replies: replies.iter().map(|reply| Reply { id: &reply.id, ty: &reply.ty }).collect(),
        fenced: false,
    };
    let attempted = Attempted {
        trigger: trigger.place,
        function: trigger.called,
        outcome: entry.outcome,
        reason: entry.reason,
        wall_ns,
        init_ns: entry.init_ns,
        fuel: entry.fuel,
        bytes_in: entry.bytes_in,
        bytes_out: entry.bytes_out,
    };
    let mut bytes = Vec::with_capacity(320);
    entry.encode(&mut bytes);
    let hops = hops(&event) - 1;
    let mut made = Made { entry: bytes, wall_ns, mark, replies: Vec::new(), looping: Vec::new() };
    let context = deployment
        .sampling
        .map(|sampling| sampling.context(&event, job.envelope.position, delivery, job.attempt));
    for mut reply in replies {
        if let Some(context) = &context {
            context.mark(&mut reply);
        }
        reply.set_extension(HOPS, Value::Integer(hops.max(0)));
        let mut record = Vec::with_capacity(512);
        record::encode(&reply, &mut record);
        if hops > 0 {
            made.replies.push((job.broker, record));
        } else {
            let failure = looping();
            let letter = DeadLetter { record: &record, ..letter(deployment, job, delivery, &failure, ended) };
            let mut bytes = Vec::new();
            letter.encode(&mut bytes);
            made.looping.push(bytes);
        }
    }
    let traced = context.filter(|context| context.is_sampled).map(|context| {
        let about = About::new(&event, delivery, &trigger.name, deployment.subscriber(trigger));
        Box::new(Traced::new(context, about, job.attempt, ended, &attempted))
    });
    let failure = failure.map(|failure| {
        let job = Job { envelope: job.envelope.clone(), ..*job };
        Box::new(Failed { failure, said, job, delivery, deployment: Arc::clone(deployment) })
    });
    Report { position: job.envelope.position, made, failure, ended, measured: attempted, traced }
}

impl Report {
    /// The attempt in numbers.
    pub(super) fn measured(&self) -> &Attempted {
        &self.measured
    }

    /// What its spans are made of.
    pub(super) fn traced(&self) -> Option<&Traced> {
        self.traced.as_deref()
    }

    /// When it ended, in nanoseconds since 1970.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Why the attempt did not succeed.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().map(|failed| &failed.failure)
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// Its sender waits and has the event still: what is written is what the attempt cost. The replies, as records, or why
    /// there are none.
    pub fn return_to_sender(self, delivery: Key) -> (Attempt, Result<Vec<Vec<u8>>, direct::Failed>) {
        let Report { made, failure, .. } = self;
        let attempt = Attempt {
            delivery: Some(delivery),
            entry: made.entry,
            wall_ns: made.wall_ns,
            dead_letters: made.looping,
            ..Attempt::default()
        };
        let result = match failure {
            None => Ok(made.replies.into_iter().map(|(_, record)| record).collect()),
            Some(failed) => {
                let Failed { failure, said, job, deployment, .. } = *failed;
                let retry_after = said.and_then(|said| said.retry_after);
                let trigger = deployment.triggers[job.trigger as usize].name.clone();
                let Failure { outcome, reason, message } = failure;
                Err(direct::Failed { trigger, outcome, reason, message, retry_after })
            }
        };
        (attempt, result)
    }

    /// When an HTTP subscriber wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.as_ref()?.said.as_ref()?.retry_after
    }

    /// What is to be written, now that the core has said what becomes of the delivery.
    pub fn settle(self, delivery: Key, fate: Fate, now: Moment) -> Attempt {
        let Report { made, failure, ended, .. } = self;
        Attempt::settled(made, delivery, fate, wall(now), |end| {
            let failed = *failure.expect("only a failure ends as a dead letter");
            if end == End::GivenUp { failed.give_up(ended) } else { failed.bury(ended) }
        })
    }
}

/// A delivery that is parked without having been attempted.
pub fn aside(delivery: Key, parked: &Parked, now: Moment) -> Attempt {
    Attempt::aside(delivery, parked, wall(now))
}

/// A delivery whose trigger is gone.
pub fn given_up(deployment: &Deployment, delivery: Key, left: &Left) -> Attempt {
    let Left { trigger, attempts, replay, record, envelope, broker } = left;
    let position = envelope.position;
    let names = deployment.gone(*trigger);
    let letter = DeadLetter {
        delivery: Uid::of_delivery(position, *trigger, *replay),
        position,
        broker: *broker,
        trigger: &names.trigger,
        function: &names.function,
        attempts: *attempts,
        replay: *replay,
        outcome: Outcome::Permanent,
        reason: Reason::TriggerGone,
        message: GONE,
        ended: unix_nanos(),
        record: envelope.record(),
    };
    let mut bytes = Vec::with_capacity(envelope.record().len() + 256);
    letter.encode(&mut bytes);
    Attempt::given_up(delivery, bytes, Ended { offset: position.offset, trigger: *trigger }, *record)
}

pub(super) const GONE: &str = "its trigger is not configured any more";

/// Each event can cause one.
static BURIED: Limit = Limit::new("dead letter", 20);

/// Tells of lines that were left out of the log, where no other line did.
pub(super) fn tell_suppressed() {
    BURIED.tell();
}

fn wall(moment: Moment) -> Now {
    Now { moment, wall: unix_nanos() }
}

impl Failed {
    fn bury(self, ended: u64) -> Buried {
        let Failed { failure, said, job, deployment, .. } = &self;
        let trigger = &deployment.triggers[job.trigger as usize];
        let event = job.envelope.event();
        if BURIED.admits() {
            tracing::warn!(
                event = %Shown(&event.id),
                source = %Shown(&event.source),
                trigger = %trigger.name,
                attempts = job.attempt,
                reason = failure.reason.as_str(),
                failure = %Shown(&failure.message),
                "dead letter"
            );
        }
        match trigger.dead_letter {
            DeadLetterTo::Broker(broker) | DeadLetterTo::Forward(broker) if hops(&event) > 1 => {
                Buried::Sent(broker, as_event(deployment, job, failure, said.as_deref()))
            }
            // Also what has gone round too often between dead-letter brokers.
            _ => self.keep(ended),
        }
    }

    /// Where its dead letters went is as little in force as the trigger: the worker's own store has them.
    fn give_up(mut self, ended: u64) -> Buried {
        let Failure { reason, message, .. } = &self.failure;
        self.failure = Failure {
            outcome: Outcome::Permanent,
            reason: Reason::TriggerGone,
            message: format!("{GONE}; its last attempt failed ({reason}): {message}"),
        };
        self.keep(ended)
    }

    fn keep(&self, ended: u64) -> Buried {
        let mut bytes = Vec::new();
        letter(&self.deployment, &self.job, self.delivery, &self.failure, ended).encode(&mut bytes);
        Buried::Kept(bytes)
    }
}

fn letter<'a>(
    deployment: &'a Deployment,
    job: &'a Job,
    delivery: Uid,
    failure: &'a Failure,
    ended: u64,
) -> DeadLetter<'a> {
    let trigger = &deployment.triggers[job.trigger as usize];
    DeadLetter {
        delivery,
        position: job.envelope.position,
        broker: job.broker,
        trigger: &trigger.name,
        function: deployment.subscriber(trigger),
        attempts: job.attempt,
        replay: job.replay,
        outcome: failure.outcome,
        reason: failure.reason,
        message: &failure.message,
        ended,
        record: job.envelope.record(),
    }
}

/// The event as it goes to a dead-letter broker: unchanged, with Knative's extensions that say what it failed of.
fn as_event(deployment: &Deployment, job: &Job, failure: &Failure, said: Option<&Said>) -> Vec<u8> {
    use base64::Engine;
    let trigger = &deployment.triggers[job.trigger as usize];
    // Who could not be reached said nothing.
    let (code, data) = match said {
        Some(said) => (Some(said.status.to_string()), &said.body[..]),
        None if trigger.remote().is_some() => (None, &b""[..]),
        None => (Some(failure.reason.as_str().to_owned()), failure.message.as_bytes()),
    };
    let data = base64::engine::general_purpose::STANDARD.encode(&data[..data.len().min(LONGEST_SAID)]);
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
    event.set_extension(HOPS, Value::Integer(hops));
    let mut record = Vec::with_capacity(job.envelope.record().len() + 128);
    record::encode(&event, &mut record);
    record
}

/// Triggers that feed each other have done it often enough.
pub(super) fn looping() -> Failure {
    Failure {
        outcome: Outcome::Permanent,
        reason: Reason::Hops,
        message: format!("replies to replies went round {FIRST_HOPS} times: a loop of triggers"),
    }
}

/// How often an event may still come round. What a publisher says is taken only where it is no more than we give.
pub(super) fn hops(event: &Event<'_>) -> i32 {
    let said = match event.extension(HOPS) {
        Some(Value::Integer(hops)) => *hops,
        Some(Value::String(text)) => text.parse().unwrap_or(FIRST_HOPS),
        _ => FIRST_HOPS,
    };
    said.clamp(0, FIRST_HOPS)
}
