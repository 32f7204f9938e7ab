//! An executor: a thread that owns one warm instance per function and runs deliveries in them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::backlog::Work;
use super::chatter::Chatter;
use super::deployment::Deployment;
use super::report::{Report, report};
use crate::dispatch::{Key, Outcome, Reason};
use crate::event::{Envelope, Event, Uid, structured};
use crate::function::{Answer, BadOutput, Called, Failure, FunctionIndex, Pool, answer};

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
}

#[derive(Debug)]
pub enum Attempted {
    Over(Key, Outcome, Report),
    /// Not attempted: what it follows failed.
    Skipped(Key),
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

pub struct Executor {
    pub number: usize,
    pub pool: Pool,
    pub deployment: Arc<Deployment>,
    pub chatter: Chatter,
}

impl Executor {
    /// Runs until no more jobs can come.
    pub fn run(mut self, jobs: &Receiver<Work>, done: &Sender<Done>) {
        let mut input = Vec::new();
        while let Ok(work) = jobs.recv() {
            self.take_over(work.deployment);
            let attempts = self.attempts(work.jobs, &mut input);
            if done.send(Done { executor: self.number, attempts }).is_err() {
                return;
            }
        }
    }

    /// Runs a batch, in order. `input` is room that is used again.
    pub(super) fn attempts(&mut self, batch: Vec<Job>, input: &mut Vec<u8>) -> Vec<Attempted> {
        let mut succeeded = true;
        let attempts = batch.into_iter().map(|job| {
            if job.follows && !succeeded {
                return Attempted::Skipped(job.delivery);
            }
            let (key, outcome, report) = self.attempt(job, input);
            succeeded = outcome == Outcome::Succeeded;
            Attempted::Over(key, outcome, report)
        });
        attempts.collect()
    }

    /// After a reload: instances of what stays are kept, those of what is new are made now.
    fn take_over(&mut self, deployment: Arc<Deployment>) {
        if Arc::ptr_eq(&self.deployment, &deployment) {
            return;
        }
        self.pool.replace(deployment.modules());
        self.deployment = deployment;
        if let Err(failure) = self.pool.prewarm() {
            // The first call makes it then, or that attempt fails.
            tracing::warn!(%failure, executor = self.number, "a function's instance could not be made beforehand");
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
        let function = FunctionIndex(trigger.function as u32);
        let function_name = &deployment.functions[trigger.function].short;
        // A defect of ours in one attempt must not take the other deliveries with it: it counts as failed.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let called = self.pool.call(function, input);
            let name = &deployment.functions[trigger.function].name;
            self.chatter.say(trigger.function, name, &event.id, &called.log);
            let measured = Measured::of(&called);
            let result = result(called, function_name, delivery);
            let outcome = result.as_ref().map_or_else(|failure| failure.outcome, |_| Outcome::Succeeded);
            (outcome, report(&deployment, &job, delivery, &measured, input.len(), result))
        }));
        let (outcome, report) = ran.unwrap_or_else(|_| {
            let failure = Failure {
                outcome: Outcome::Retryable,
                reason: Reason::Vanished,
                message: "the attempt ended without an outcome: a defect of the worker".to_owned(),
            };
            let measured = Measured::default();
            (failure.outcome, report(&deployment, &job, delivery, &measured, input.len(), Err(failure)))
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
