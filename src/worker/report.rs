//! What an attempt leaves behind: its journal entry, its replies or its failure; and what of that is written once the
//! core has said whether the delivery has ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Attempt, Buried, Made, Now};
use super::dead_event::{self, Last};
use super::deployment::Deployment;
use super::executor::{self, HOPS, Job, Measured};
use super::price;
use crate::config::DeadLetterTo;
use crate::dispatch::{End, Fate, Input, Key, Outcome, Parked, Reason};
use crate::event::segment::Ended;
use crate::event::{Envelope, Event, Position, Uid, Value, record};
use crate::function::Failure;
use crate::journal::{Entry, Reply};
use crate::sink::dead_letter::DeadLetter;
use crate::sink::parcel::{Contents, Instead, Parcel};
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
    /// In trillionths.
    price: u64,
    /// Its replies say what they cost, and which attempt it was.
    tells_cost: Option<u32>,
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
    let tenant = deployment.tenant(trigger, &event);
    let (version, memory_limit) = deployment.version(trigger);
    let entry = Entry {
        delivery,
        position: job.envelope.position,
        trigger: &trigger.name,
        function: deployment.subscriber(trigger),
        tenant: &tenant,
        version,
        replay: job.replay,
        attempt: job.attempt,
        outcome: failure.as_ref().map_or(Outcome::Succeeded, |f| f.outcome),
        reason: failure.as_ref().map_or(Reason::None, |f| f.reason),
        ended,
        wall_ns,
        init_ns: measured.init.map(|init| init.as_nanos() as u64),
        fuel: measured.fuel,
        memory: measured.memory,
        memory_limit,
        price: price::of_attempt(
            &deployment.price(trigger, &tenant, ended),
            wall_ns,
            measured.memory,
            measured.fuel,
        ),
        bytes_in: bytes_in as u64,
        bytes_out: measured.bytes_out as u64,
        event_id: &event.id,
        event_source: &event.source,
        event_type: &event.ty,
        replies: replies.iter().map(|reply| Reply { id: Cow::Borrowed(&reply.id), ty: &reply.ty }).collect(),
        fenced: false,
        dead_letter: false,
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
    let price = entry.price;
    let hops = hops(&event) - 1;
    let mut made =
        Made { entry: bytes, wall_ns, mark, replies: Vec::new(), parcels: Vec::new(), looping: Vec::new() };
    // What leaves the worker says that it is not traced, too: others heed that.
    let leaves = !replies.is_empty() && deployment.outlets.get(job.broker).is_some();
    let sampling = deployment.sampling.filter(|s| leaves || s.follows(&event, job.envelope.position));
    let context =
        sampling.map(|sampling| sampling.context(&event, job.envelope.position, delivery, job.attempt));
    let replies = replies.into_iter().filter(|_| !trigger.drops_replies);
    for mut reply in replies {
        if let Some(context) = &context {
            context.mark(&mut reply);
        }
        reply.set_extension(HOPS, Value::Integer(hops.max(0)));
        let mut record = Vec::with_capacity(512);
        record::encode(&reply, &mut record);
        if hops > 0 {
            match deployment.outlets.get(job.broker) {
                None => made.replies.push((job.broker, record)),
                Some(outlet) => {
                    let instead = Instead::Reply(job.broker);
                    made.parcels.push(Parcel::of_event(Arc::clone(outlet), record, instead));
                }
            }
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
    let tells_cost = trigger.cost_on_replies.then_some(job.attempt);
    let (position, measured) = (job.envelope.position, attempted);
    Report { position, made, failure, ended, measured, price, tells_cost, traced }
}

/// What its trigger may take today is used up, and it is not to wait for tomorrow.
pub(super) fn over_budget(deployment: &Arc<Deployment>, job: Job) -> Input<Report> {
    let trigger = &deployment.triggers[job.trigger as usize];
    let delivery = Uid::of_delivery(job.envelope.position, trigger.uid, job.replay);
    let limit = trigger.budget.as_ref().map(|budgeted| budgeted.budget.limit.to_string()).unwrap_or_default();
    let message = format!("the budget of {}, {limit}/day, is used up for today", trigger.name);
    // No attempt is made, and none is counted.
    let job = Job { attempt: job.attempt - 1, ..job };
    let failure = Failure { outcome: Outcome::Permanent, reason: Reason::Budget, message };
    let mut report = report(deployment, &job, delivery, &Measured::default(), 0, Err(failure.into()));
    // There is nothing to bill.
    report.made.entry.clear();
    report.price = 0;
    executor::Attempted::Over(job.delivery, Outcome::Permanent, report).into_input()
}

/// What can't be handed to anyone: it has said itself why.
pub(super) fn for_nobody(deployment: &Arc<Deployment>, job: Job, reason: Reason) -> Input<Report> {
    let trigger = &deployment.triggers[job.trigger as usize];
    let delivery = Uid::of_delivery(job.envelope.position, trigger.uid, job.replay);
    let message = match reason {
        Reason::Unrouted => "it met no trigger".to_owned(),
        _ => job.envelope.event().attribute("weirerror").unwrap_or_default().into_owned(),
    };
    let failure = Failure { outcome: Outcome::Permanent, reason, message };
    let report = report(deployment, &job, delivery, &Measured::default(), 0, Err(failure.into()));
    executor::Attempted::Over(job.delivery, Outcome::Permanent, report).into_input()
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
        let spent = self.price;
        let Report { made, failure, .. } = self.told(spent);
        let attempt = Attempt {
            delivery: Some(delivery),
            entry: made.entry,
            wall_ns: made.wall_ns,
            dead_letters: made.looping,
            ..Attempt::default()
        };
        let result = match failure {
            None => {
                let shipped = made.parcels.into_iter().filter_map(Parcel::into_record);
                Ok(made.replies.into_iter().map(|(_, record)| record).chain(shipped).collect())
            }
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

    /// Of which trigger it was.
    pub(super) fn trigger(&self) -> Uid {
        self.made.mark.trigger
    }

    /// What the attempt costs, in trillionths.
    pub(super) fn price(&self) -> u64 {
        self.price
    }

    /// Its replies say what the delivery's attempts have cost, if that is wanted.
    fn told(mut self, spent: u64) -> Report {
        if let Some(attempt) = self.tells_cost {
            let events = self.made.replies.iter_mut().map(|(_, record)| record);
            let shipped = self.made.parcels.iter_mut().filter_map(|parcel| match &mut parcel.contents {
                Contents::Event(record) => Some(record),
                Contents::Plain(_) => None,
            });
            events.chain(shipped).for_each(|record| *record = dead_event::with_cost(record, attempt, spent));
        }
        self
    }

    /// What is to be written, now that the core has said what becomes of the delivery. `spent`: what its attempts have cost.
    pub fn settle(self, delivery: Key, fate: Fate, spent: u64, now: Moment) -> Attempt {
        let Report { made, failure, ended, .. } = self.told(spent);
        Attempt::settled(made, delivery, fate, wall(now), |end| {
            let failed = *failure.expect("only a failure ends as a dead letter");
            if end == End::GivenUp { failed.give_up(ended) } else { failed.bury(ended, spent) }
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
    fn bury(self, ended: u64, spent: u64) -> Buried {
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
            DeadLetterTo::Broker(to) | DeadLetterTo::Forward(to) | DeadLetterTo::Sink(to)
                if hops(&event) > 1 =>
            {
                let said = said.as_deref();
                let record = dead_event::record(deployment, &Last { job, failure, said, spent });
                match deployment.outlets.get(to) {
                    None => Buried::Sent(to, record),
                    Some(outlet) => {
                        let instead = Instead::Letter(self.encoded(ended));
                        Buried::Shipped(Parcel::of_event(Arc::clone(outlet), record, instead))
                    }
                }
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
        Buried::Kept(self.encoded(ended))
    }

    fn encoded(&self, ended: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        letter(&self.deployment, &self.job, self.delivery, &self.failure, ended).encode(&mut bytes);
        bytes
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
