//! An executor: a thread that owns one warm instance per function and runs deliveries in them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select_biased};

use super::backlog::Work;
use super::chatter::{About, Chatter};
use super::deployment::Deployment;
use super::desk::{Desk, Seat};
use super::permit::Permit;
use super::report::{Refused, Report, report};
use super::spares::Spares;
use crate::dispatch::{Input, Key, Outcome, Reason};
use crate::event::{Envelope, Event, Uid, structured};
use crate::function::{Answer, BadOutput, Called, Failure, FunctionIndex, Pool, answer};
use crate::telemetry::metrics::Busy;

/// A delivery to run.
#[derive(Debug)]
pub struct Job {
    pub delivery: Key,
    pub trigger: u32,
    pub attempt: u32,
    pub replay: u32,
    /// It stands behind the one before it in their lane: it runs only if that succeeded.
    pub follows: bool,
    pub envelope: Envelope,
    pub broker: Uid,
}

/// Results, in the order in which they were run.
#[derive(Debug)]
pub struct Done {
    pub executor: usize,
    pub attempts: Vec<Attempted>,
    /// Not needed any more.
    pub permit: Option<Permit>,
}

/// Nearly all of them are over: a box would be an allocation for each.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Attempted {
    Over(Key, Outcome, Report),
    /// Not attempted: what it follows failed.
    Skipped(Key),
}

impl Attempted {
    pub fn into_input(self) -> Input<Report> {
        match self {
            Attempted::Over(delivery, outcome, report) => {
                Input::Attempted { delivery, outcome, retry_after: report.retry_after(), report }
            }
            Attempted::Skipped(delivery) => Input::Skipped { delivery },
        }
    }
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub wall: Duration,
    /// How long the instance took to make, if one had to be.
    pub init: Option<Duration>,
    pub fuel: u64,
    pub memory: u64,
    pub bytes_out: usize,
}

impl Measured {
    fn of(called: &Called<'_>) -> Measured {
        Measured {
            wall: called.wall,
            init: called.cold.then_some(called.init),
            fuel: called.fuel,
            memory: called.memory,
            bytes_out: called.result.as_ref().map_or(0, |output| output.len()),
        }
    }
}

/// The extension that counts a reply's hops down; functions never see it.
pub const HOPS: &str = "knativebrokerttl";

/// Results whose calls took so long are handed in before the rest of the work is done.
const HANDED_IN: Duration = Duration::from_millis(5);

pub struct Executor {
    pool: Pool,
    deployment: Arc<Deployment>,
    chatter: Chatter,
    busy: Busy,
    /// Of how many executors it is which: they share what instances are to be there before the first event.
    share: Option<(usize, usize)>,
    desk: Rc<Desk>,
    /// The time of calls whose results are not handed in.
    kept: Duration,
}

impl Executor {
    pub fn new(pool: Pool, deployment: Arc<Deployment>, chatter: Chatter) -> Executor {
        let busy = Busy::default();
        Executor { pool, deployment, chatter, busy, share: None, desk: Rc::default(), kept: Duration::ZERO }
    }

    /// One of so many, each with a share of the instances that are there beforehand.
    pub fn sharing(self, number: usize, of: usize) -> Executor {
        Executor { share: Some((number, of)), ..self }
    }

    /// Says what it runs there.
    pub fn counted(self, busy: Busy) -> Executor {
        Executor { busy, ..self }
    }

    /// Gives it a desk, and those who take its seat when a call takes long.
    pub fn at(&mut self, desk: Rc<Desk>, spares: Arc<Spares>) {
        self.desk = Rc::clone(&desk);
        self.pool.on_long_calls(move || desk.lend(|loan| spares.lend(loan)));
    }

    /// Makes the instances of its share.
    pub fn prewarm(&mut self) -> Result<(), Failure> {
        self.share.map_or(Ok(()), |(number, of)| self.pool.prewarm_as(number, of))
    }

    /// Works until no more jobs can come, or its seat is not its any more. `work` is what is there already.
    pub fn sit(&mut self, mut work: Option<Work>) {
        let mut input = Vec::new();
        let Seat { jobs, .. } = self.desk.seat();
        loop {
            if let Some(work) = work.take()
                && !self.work(work, &mut input)
            {
                return;
            }
            let desk = Rc::clone(&self.desk);
            work = match self.next(&jobs, desk.recalled().as_ref()) {
                Some(work) => Some(work),
                None => return,
            };
        }
    }

    /// `None`: it shall go.
    fn next(&mut self, jobs: &Receiver<Work>, recalled: Option<&Receiver<()>>) -> Option<Work> {
        if recalled.is_none()
            && let Ok(work) = jobs.try_recv()
        {
            return Some(work);
        }
        let nobody = never();
        let recalled = recalled.unwrap_or(&nobody);
        loop {
            // Nothing to do: time to look after the instances.
            let due = self.pool.shrink(Instant::now()).map_or(never(), at);
            select_biased! {
                recv(recalled) -> _ => return None,
                recv(jobs) -> work => return work.ok(),
                recv(due) -> _ => {}
            }
        }
    }

    /// False: its seat is not its any more, or there is nobody to work for.
    fn work(&mut self, work: Work, input: &mut Vec<u8>) -> bool {
        self.take_over(Arc::clone(&work.deployment));
        self.desk.put(work);
        let mut succeeded = true;
        while let Some(job) = self.desk.next() {
            let attempted = self.attempted(job, &mut succeeded, input);
            self.desk.note(attempted);
            if self.kept > HANDED_IN {
                self.kept = Duration::ZERO;
                self.desk.hand_in();
            }
        }
        self.kept = Duration::ZERO;
        self.desk.hand_in() && self.desk.resume()
    }

    /// Runs a batch, in order. `input` is room that is used again.
    pub(super) fn attempts(&mut self, batch: Vec<Job>, input: &mut Vec<u8>) -> Vec<Attempted> {
        let mut succeeded = true;
        batch.into_iter().map(|job| self.attempted(job, &mut succeeded, input)).collect()
    }

    /// `succeeded`: did the one before it? And afterwards: did this one?
    fn attempted(&mut self, job: Job, succeeded: &mut bool, input: &mut Vec<u8>) -> Attempted {
        if job.follows && !*succeeded {
            return Attempted::Skipped(job.delivery);
        }
        let (key, outcome, report) = self.attempt(job, input);
        *succeeded = outcome == Outcome::Succeeded;
        Attempted::Over(key, outcome, report)
    }

    /// After a reload: instances of what stays are kept, those of what is new are made now.
    fn take_over(&mut self, deployment: Arc<Deployment>) {
        if Arc::ptr_eq(&self.deployment, &deployment) {
            return;
        }
        self.pool.replace(deployment.pooled());
        self.deployment = deployment;
        if let Err(failure) = self.prewarm() {
            // The first call makes it then, or that attempt fails.
            tracing::warn!(%failure, "a function's instance could not be made beforehand");
        }
    }

    fn attempt(&mut self, job: Job, input: &mut Vec<u8>) -> (Key, Outcome, Report) {
        let deployment = Arc::clone(&self.deployment);
        let trigger = &deployment.triggers[job.trigger as usize];
        let delivery = Uid::of_delivery(job.envelope.position, trigger.uid, job.replay);
        let envelope = job.envelope.clone();
        let mut event = envelope.event();
        event.extensions.retain(|(name, _)| name != HOPS);
        input.clear();
        structured::encode(&event, input);
        let index = trigger.function().expect("what is for others does not come to executors");
        let function = FunctionIndex(index as u32);
        let function_name = &deployment.functions[index].short;
        // A defect of ours in one attempt must not take the other deliveries with it: it counts as failed.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let of = &deployment.functions[index];
            self.busy.begin(of.place);
            let called = self.pool.call(function, input);
            self.busy.end();
            let about = About { event: &event.id, source: &event.source, trigger: &trigger.name };
            self.chatter.say(index, of, &about, &called.log);
            let measured = Measured::of(&called);
            self.kept += measured.wall + measured.init.unwrap_or_default();
            let result = result(called, function_name, delivery);
            let outcome = result.as_ref().map_or_else(|failure| failure.outcome, |_| Outcome::Succeeded);
            (
                outcome,
                report(&deployment, &job, delivery, &measured, input.len(), result.map_err(Refused::from)),
            )
        }));
        let (outcome, report) = ran.unwrap_or_else(|_| {
            let failure = Failure {
                outcome: Outcome::Retryable,
                reason: Reason::Vanished,
                message: "the attempt ended without an outcome: a defect of the worker".to_owned(),
            };
            let measured = Measured::default();
            (
                failure.outcome,
                report(&deployment, &job, delivery, &measured, input.len(), Err(failure.into())),
            )
        });
        (job.delivery, outcome, report)
    }
}

/// The replies, or why there are none.
fn result<'o>(called: Called<'o>, function: &str, delivery: Uid) -> Result<Vec<Event<'o>>, Failure> {
    match answer::read(called.result?, function, delivery) {
        Ok(Answer::Done) => Ok(Vec::new()),
        Ok(Answer::Replies(replies)) => Ok(replies),
        Ok(Answer::Failed { retry, code, message }) => Err(Failure {
            outcome: if retry { Outcome::Retryable } else { Outcome::Permanent },
            reason: Reason::Guest,
            message: if code.is_empty() { message } else { format!("{code}: {message}") },
        }),
        Err(BadOutput(message)) => {
            Err(Failure { outcome: Outcome::Permanent, reason: Reason::BadOutput, message })
        }
    }
}
