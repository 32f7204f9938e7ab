//! One case on its way: what the core says is done at once, and answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::Rehearsal;
use super::history::{self, DeadLetter, History, Occurred, Reply, Stopped};
use crate::config::test::Case;
use crate::dispatch::{Core, Effect, End, Fate, Input, Key, Limits, Outcome, Progress, Reason};
use crate::event::segment::Mark;
use crate::event::{Envelope, Epoch, Event, Position, Uid, record};
use crate::function::Pool;
use crate::sink::dead_letter;
use crate::sink::parking::ParkedRecord;
use crate::time::Moment;
use crate::worker::attempt::Attempt;
use crate::worker::chatter::Chatter;
use crate::worker::executor::{Attempted, Executor, HOPS, Job, Measured};
use crate::worker::report::{self, Report};

/// Of one case. Triggers that feed each other end at the hop limit by themselves, unless they multiply.
const EVENTS: usize = 10_000;
const ATTEMPTS: usize = 100_000;
/// Of its events together.
const BYTES: usize = 64 << 20;
/// Events that the core is handed at once.
const ARRIVALS: usize = 64;

const EPOCH: Epoch = Epoch(1);

pub(super) struct Play<'r> {
    rehearsal: &'r Rehearsal,
    core: Core,
    executor: Executor,
    queue: Uid,
    now: Moment,
    /// Events that have not arrived yet, each with its broker. The number of the next is that of all before it.
    coming: VecDeque<(Uid, Vec<u8>)>,
    bytes: usize,
    inputs: Vec<Input<Report>>,
    effects: Vec<Effect<Report>>,
    jobs: Vec<Job>,
    /// What was handed to the executor and is not settled.
    running: HashMap<Key, Run>,
    /// What stands aside, by its number.
    parked: BTreeMap<u64, Vec<u8>>,
    next_parked: u64,
    history: History,
}

struct Run {
    trigger: u32,
    attempt: u32,
    replay: u32,
    envelope: Envelope,
}

impl<'r> Play<'r> {
    pub(super) fn new(rehearsal: &'r Rehearsal) -> Play<'r> {
        let Rehearsal { engine, deployment, table, .. } = rehearsal;
        let pool = Pool::new(engine, deployment.pooled());
        let queue = Uid::of_document("weir", "Queue", "embedded");
        let assigned = Input::Assigned {
            source: queue,
            partition: 0,
            epoch: EPOCH,
            progress: Progress::default(),
            ended: Vec::new(),
            parked: Vec::new(),
        };
        let (mut core, mut effects) =
            (Core::new(Arc::clone(table), Limits { executors: 1, ..Limits::default() }), Vec::new());
        core.step([assigned], Moment(0), &mut effects);
        Play {
            rehearsal,
            core,
            executor: Executor::new(pool, Arc::clone(deployment), Chatter::default()),
            queue,
            now: Moment(0),
            coming: VecDeque::new(),
            bytes: 0,
            inputs: Vec::new(),
            effects,
            jobs: Vec::new(),
            running: HashMap::new(),
            parked: BTreeMap::new(),
            next_parked: 0,
            history: History::default(),
        }
    }

    pub(super) fn run(mut self, case: &Case) -> History {
        for event in &case.given {
            let mut bytes = Vec::new();
            record::encode(event, &mut bytes);
            self.come(case.broker, bytes);
        }
        let mut room = Vec::new();
        while self.history.stopped.is_none() {
            self.arrive();
            self.core.step(self.inputs.drain(..), self.now, &mut self.effects);
            self.carry_out();
            let jobs = std::mem::take(&mut self.jobs);
            if !jobs.is_empty() {
                let attempted = self.executor.attempts(jobs, &mut room);
                self.inputs.extend(attempted.into_iter().map(Attempted::into_input));
            } else if self.inputs.is_empty() && (self.coming.is_empty() || !self.takes()) {
                if self.core.is_idle() && self.core.parked() == 0 {
                    break;
                }
                // Nothing is left to do now: it is later.
                match self.core.next_due() {
                    Some(due) => self.now = self.now.max(due),
                    None => self.history.stopped = Some(Stopped::Stuck),
                }
            }
        }
        self.history
    }

    /// An event is on its way to a broker.
    fn come(&mut self, broker: Uid, record: Vec<u8>) {
        // A dead letter whose sink is no broker has come where it was to go.
        if self.rehearsal.forwards.contains(&broker) {
            return;
        }
        self.bytes += record.len();
        self.coming.push_back((broker, record));
        if self.history.events.len() + self.coming.len() > EVENTS {
            self.history.stopped = Some(Stopped::Events(EVENTS));
        } else if self.bytes > BYTES {
            self.history.stopped = Some(Stopped::Bytes(BYTES));
        }
    }

    fn takes(&self) -> bool {
        self.core.takes(self.queue, 0)
    }

    fn arrive(&mut self) {
        if !self.takes() {
            return;
        }
        for (broker, record) in self.coming.drain(..self.coming.len().min(ARRIVALS)) {
            let offset = self.history.events.len() as u64;
            let position = Position { source: self.queue, partition: 0, offset };
            let envelope = Envelope::new(position, EPOCH, Bytes::from(record)).expect("we encoded it");
            let event = envelope.event();
            let (id, ty) = (event.id.to_string(), event.ty.to_string());
            self.history.events.push(Occurred { id, ty, met: false });
            self.inputs.push(Input::Arrived { envelope, broker });
        }
    }

    fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, broker } => {
                    self.history.events[envelope.position.offset as usize].met = true;
                    let run = Run { trigger, attempt, replay, envelope: envelope.clone() };
                    self.running.insert(delivery, run);
                    let job = Job { delivery, trigger, attempt, replay, follows, envelope, broker };
                    let deployment = &self.rehearsal.deployment;
                    let of = &deployment.triggers[trigger as usize];
                    if of.remote().is_none() {
                        self.jobs.push(job);
                        continue;
                    }
                    // Nobody is called: it is as if it had been answered with a 202.
                    let id = Uid::of_delivery(job.envelope.position, of.uid, job.replay);
                    let report =
                        report::report(deployment, &job, id, &Measured::default(), 0, Ok(Vec::new()));
                    self.inputs.push(Attempted::Over(delivery, Outcome::Succeeded, report).into_input());
                }
                Effect::Journal { delivery, report, fate } => self.settle(delivery, report, fate),
                Effect::Park { delivery, parked } => {
                    self.write(report::aside(delivery, &parked, self.now));
                }
                Effect::GiveUp { .. } => unreachable!("no trigger goes while a case is played"),
                Effect::Refuse { .. } | Effect::Answer { .. } => {
                    unreachable!("what is played comes from a queue: nobody waits")
                }
                Effect::Fetch { stub, id, .. } => {
                    let parked = ParkedRecord::decode(&self.parked[&id]).expect("we encoded it");
                    let record = Bytes::copy_from_slice(parked.record);
                    let envelope = Envelope::new(parked.position, EPOCH, record).expect("we encoded it");
                    self.inputs.push(Input::Fetched { stub, envelope, broker: parked.broker });
                }
            }
        }
        self.effects = effects;
    }

    /// An attempt was made, and it is known what becomes of its delivery.
    fn settle(&mut self, delivery: Key, report: Report, fate: Fate) {
        let run = self.running.remove(&delivery).expect("what is journaled was invoked");
        let deployment = &self.rehearsal.deployment;
        let trigger = &deployment.triggers[run.trigger as usize];
        let failure = report.failure().cloned();
        let buried = matches!(fate, Fate::Ended { end: End::DeadLettered, .. });
        let spent = report.price();
        let attempt = report.settle(delivery, fate, spent, self.now);
        let (outcome, reason, message) = match failure {
            None => (Outcome::Succeeded, Reason::None, String::new()),
            Some(failure) => (failure.outcome, failure.reason, failure.message),
        };
        let mut replies = Vec::new();
        if buried && attempt.dead_letters.is_empty() {
            // It goes to a broker, and is a dead letter all the same.
            self.history.dead_letters.push(DeadLetter {
                trigger: trigger.name.clone(),
                outcome,
                reason,
                message: message.clone(),
                attempts: run.attempt,
                event: plain(run.envelope.record()),
            });
        } else if !buried {
            let id = format!("{}-", Uid::of_delivery(run.envelope.position, trigger.uid, run.replay));
            let short = trigger.function().map_or("", |function| &deployment.functions[function].short);
            let source = format!("/functions/{short}");
            for (_, record) in &attempt.events {
                let event = plain(record);
                replies.push((event.ty.to_string(), event.id.to_string()));
                let (id_is_ours, source_is_ours) = (event.id.starts_with(&id), event.source == source);
                self.history.replies.push(Reply { event, id_is_ours, source_is_ours });
            }
        }
        for letter in &attempt.dead_letters {
            let letter = dead_letter::DeadLetter::decode(letter).expect("we encoded it");
            self.history.dead_letters.push(DeadLetter {
                trigger: letter.trigger.to_owned(),
                outcome: letter.outcome,
                reason: letter.reason,
                message: letter.message.to_owned(),
                attempts: letter.attempts,
                event: plain(letter.record),
            });
        }
        self.history.attempts.push(history::Attempt {
            event: run.envelope.position.offset as usize,
            trigger: trigger.name.clone(),
            attempt: run.attempt,
            at: Moment(0).until(self.now),
            outcome,
            reason,
            message,
            replies,
        });
        if self.history.attempts.len() >= ATTEMPTS {
            self.history.stopped = Some(Stopped::Attempts(ATTEMPTS));
        }
        self.write(attempt);
    }

    /// What a worker has on disk; it is there at once.
    fn write(&mut self, attempt: Attempt) {
        for (broker, record) in attempt.events {
            self.come(broker, record);
        }
        for mark in &attempt.marks {
            if let Mark::Unparked(id) = mark {
                self.parked.remove(id);
            }
        }
        let parked = attempt.parked.map(|aside| {
            aside.was.map(|was| self.parked.remove(&was));
            let id = self.next_parked;
            self.next_parked += 1;
            self.parked.insert(id, aside.record);
            id
        });
        self.inputs.extend(attempt.delivery.map(|delivery| Input::Journaled { delivery, parked }));
    }
}

/// The event of a record, as a function sees it: without the count of its hops.
fn plain(record: &[u8]) -> Event<'static> {
    let mut event = record::decode(record).expect("we encoded it").into_owned();
    event.extensions.retain(|(name, _)| name != HOPS);
    event
}
