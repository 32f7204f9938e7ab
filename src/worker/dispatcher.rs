//! The loop: the one thread that owns the core. It hands the core what has happened and carries out what the core says.
//! It never blocks on a send, so whatever waits for it is always served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never};
use tokio::sync::mpsc;

use super::backlog::{Backlog, Work};
use super::deployment::Deployment;
use super::direct::Requests;
use super::executor::{Attempted, Done, Job};
use super::meter::Meter;
use super::report::{self, Left, Report};
use super::scribe::{Batch, Settled};
use crate::dispatch::{Core, Counts, Effect, Input, Keys, Progress, Stub, Table, Traffic};
use crate::event::segment::Ended;
use crate::event::{Epoch, Uid};
use crate::sink::parking::Label;
use crate::source::direct::Asked;
use crate::source::queue::Arrivals;
use crate::time::{Clock, unix_nanos};

/// Jobs that one executor may have in hand: enough to keep it busy, few enough to share the work fairly.
pub const WINDOW: usize = 256;
/// Requests whose senders wait that are taken in together.
const ASKED: usize = 64;
const JOBS_PER_MESSAGE: usize = 64;
/// While this many attempts wait for the scribe, no more results are taken in.
const UNWRITTEN: usize = 8192;
/// What has settled since the last commit is known after a kill from the queue's own segments; the commit saves looking.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// What other parts want of the loop.
#[derive(Debug)]
pub enum Request {
    /// Take nothing new in; end when everything in flight has settled, or at the deadline.
    Drain {
        deadline: Duration,
    },
    Status {
        answer: Sender<Status>,
    },
    /// Go on with this; no answer: the worker stops.
    Reload {
        deployment: Arc<Deployment>,
        table: Arc<Table>,
        answer: Sender<()>,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Status {
    pub counts: Counts,
    pub events: usize,
    pub deliveries: usize,
    /// In memory, waiting for a retry or behind one.
    pub held: usize,
    pub parked: usize,
    /// Of the triggers with limits, by "namespace/name".
    pub traffic: Vec<(String, Traffic)>,
    pub draining: bool,
}

/// How far the queue was done when the worker started.
#[derive(Debug, Default)]
pub struct Begun {
    pub progress: Progress,
    /// Deliveries beyond it that have ended.
    pub ended: Vec<Ended>,
    pub parked: Vec<Label>,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    AllSettled,
    /// So many events were still in flight at the deadline. They are in the queue and will run again.
    Unsettled(usize),
}

/// The loop's ends of all channels.
#[derive(Debug)]
pub struct Channels {
    pub arrivals: Receiver<Arrivals>,
    pub executors: Vec<Sender<Work>>,
    /// Spare executors go when it is dropped.
    pub spares: Sender<()>,
    pub done: Receiver<Done>,
    /// To the courier.
    pub errands: mpsc::UnboundedSender<Work>,
    pub delivered: Receiver<Attempted>,
    pub scribe: Sender<Batch>,
    pub settled: Receiver<Settled>,
    pub requests: Receiver<Request>,
    /// Events whose senders wait.
    pub asked: Receiver<Asked>,
}

#[derive(Debug)]
pub struct Dispatcher {
    core: Core,
    deployment: Arc<Deployment>,
    clock: Clock,
    keys: Keys,
    queue: Uid,
    channels: Channels,
    inputs: Vec<Input<Report>>,
    effects: Vec<Effect<Report>>,
    jobs: Backlog,
    in_hand: Vec<usize>,
    /// Runs for the courier.
    errands: Vec<Work>,
    unwritten: Batch,
    direct: Requests,
    committed: Progress,
    /// How many events had settled by then.
    committed_events: u64,
    commit_due: Instant,
    draining: Option<Draining>,
    meter: Meter,
}

#[derive(Debug)]
struct Draining {
    deadline: Instant,
    report_due: Instant,
}

impl Dispatcher {
    /// `queue` is the embedded queue's uid as a source; `begun` is how far an earlier worker got with it.
    pub fn new(
        core: Core,
        deployment: Arc<Deployment>,
        queue: Uid,
        begun: Begun,
        channels: Channels,
        meter: Meter,
    ) -> Dispatcher {
        let mut dispatcher = Dispatcher {
            keys: core.keys(),
            core,
            deployment,
            clock: Clock::new(),
            queue,
            in_hand: vec![0; channels.executors.len()],
            channels,
            inputs: Vec::new(),
            effects: Vec::new(),
            jobs: Backlog::default(),
            errands: Vec::new(),
            unwritten: Batch::default(),
            direct: Requests::new(),
            committed: begun.progress.clone(),
            committed_events: 0,
            commit_due: Instant::now(),
            draining: None,
            meter,
        };
        let Begun { progress, ended, parked } = begun;
        let parked = stubs(parked, &dispatcher.keys, dispatcher.clock);
        // The one assignment of the queue there is: no other worker has it.
        let assigned =
            Input::Assigned { source: queue, partition: 0, epoch: Epoch(1), progress, ended, parked };
        dispatcher.inputs.extend([assigned, dispatcher.direct.opened()]);
        dispatcher
    }

    pub fn run(mut self) -> Drained {
        loop {
            self.step();
            self.hand_over();
            self.commit();
            self.write();
            self.meter.look(&self.core);
            if let Some(drained) = self.drained() {
                return drained;
            }
            self.wait();
        }
    }

    /// Sleeps until there is something to do, and takes in all there is of it.
    fn wait(&mut self) {
        let nothing_new = never();
        let no_results = never();
        let takes_new = self.draining.is_none() && self.core.takes(self.queue, 0);
        let arrivals = if takes_new { self.channels.arrivals.clone() } else { nothing_new };
        let (direct, partition) = self.direct.source();
        let takes_asked = self.draining.is_none() && self.core.takes(direct, partition);
        let asked = if takes_asked { self.channels.asked.clone() } else { never() };
        let writable = self.unwritten.attempts.len() < UNWRITTEN;
        let done = if writable { self.channels.done.clone() } else { no_results };
        let delivered = if writable { self.channels.delivered.clone() } else { never() };

        let mut select = Select::new();
        select.recv(&self.channels.settled);
        select.recv(&self.channels.requests);
        select.recv(&done);
        select.recv(&delivered);
        select.recv(&arrivals);
        select.recv(&asked);
        if !self.unwritten.is_empty() {
            select.send(&self.channels.scribe);
        }
        if select.ready_deadline(self.wake()).is_err() {
            return;
        }

        for settled in self.channels.settled.try_iter() {
            take_settled(settled, self.queue, &self.keys, self.clock, &mut self.inputs);
        }
        for batch in done.try_iter().take(64) {
            self.in_hand[batch.executor] -= batch.attempts.len();
            self.inputs.extend(batch.attempts.into_iter().map(Attempted::into_input));
        }
        self.inputs.extend(delivered.try_iter().take(UNWRITTEN / 8).map(Attempted::into_input));
        match arrivals.try_recv() {
            Ok(batch) => self
                .inputs
                .extend(batch.into_iter().map(|a| Input::Arrived { envelope: a.envelope, broker: a.broker })),
            Err(TryRecvError::Empty) => {}
            // The queue could not be read on (its thread has said why): finish what is in flight.
            Err(TryRecvError::Disconnected) => self.channels.arrivals = never(),
        }
        for _ in 0..ASKED {
            match asked.try_recv() {
                Ok(asked) => self.direct.take(asked, &mut self.inputs),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.channels.asked = never();
                    break;
                }
            }
        }
        loop {
            match self.channels.requests.try_recv() {
                Ok(request) => self.answer(request),
                Err(TryRecvError::Empty) => break,
                // A closed channel is always ready: waiting on it would never sleep.
                Err(TryRecvError::Disconnected) => {
                    self.channels.requests = never();
                    break;
                }
            }
        }
    }

    fn wake(&self) -> Instant {
        if !self.inputs.is_empty() {
            return Instant::now();
        }
        let mut wake = if self.is_behind() { self.commit_due } else { Instant::now() + IDLE };
        if let Some(due) = self.core.next_due() {
            wake = wake.min(Instant::now() + self.clock.now().until(due));
        }
        if let Some(draining) = &self.draining {
            wake = wake.min(draining.deadline).min(draining.report_due);
        }
        wake
    }

    fn step(&mut self) {
        let now = self.clock.now();
        self.core.step(self.inputs.drain(..), now, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, broker } => {
                    let job = Job { delivery, trigger, attempt, replay, follows, envelope, broker };
                    if self.deployment.triggers[trigger as usize].remote().is_some() {
                        push_errand(&mut self.errands, &self.deployment, job);
                    } else {
                        self.jobs.push(&self.deployment, job);
                    }
                }
                Effect::Journal { delivery, report, fate } if self.direct.has(report.position()) => {
                    self.meter.attempted(&report, &fate);
                    self.unwritten.attempts.push(self.direct.attempted(delivery, report));
                }
                Effect::Journal { delivery, report, fate } => {
                    self.meter.attempted(&report, &fate);
                    self.unwritten.attempts.push(report.settle(delivery, fate, now));
                }
                Effect::Park { delivery, parked } => {
                    self.unwritten.attempts.push(report::aside(delivery, &parked, now));
                }
                Effect::GiveUp { delivery, envelope, .. } if self.direct.has(envelope.position) => {
                    self.direct.refuse(envelope.position, report::GONE.to_owned(), Duration::ZERO);
                    self.inputs.push(Input::Journaled { delivery, parked: None });
                }
                Effect::Refuse { position, trigger, until } => {
                    let trigger = self.deployment.name_of(trigger);
                    let why = format!("{trigger} pauses, for it failed many times in a row");
                    self.direct.refuse(position, why, now.until(until));
                }
                Effect::Answer { position } => self.direct.settled(position),
                Effect::GiveUp { delivery, trigger, attempts, replay, record, envelope, broker } => {
                    let left = Left { trigger, attempts, replay, record, envelope, broker };
                    let given_up = report::given_up(&self.deployment, delivery, &left);
                    self.unwritten.attempts.push(given_up);
                }
                Effect::Fetch { stub, id, .. } => self.unwritten.fetches.push((stub, id)),
            }
        }
    }

    /// Gives jobs to the executors that have the fewest in hand, and errands to the courier.
    fn hand_over(&mut self) {
        for errand in self.errands.drain(..) {
            // A courier that is gone has gone with the runtime: the worker ends.
            let _ = self.channels.errands.send(errand);
        }
        // Shared out evenly, so that a handful of jobs runs side by side. The share is of what is there now: shares of
        // what is left each time would end in ever smaller messages.
        let share = self.jobs.len().div_ceil(self.in_hand.len());
        while !self.jobs.is_empty() {
            let (executor, &in_hand) =
                self.in_hand.iter().enumerate().min_by_key(|(_, n)| **n).expect("there are executors");
            let room = WINDOW.saturating_sub(in_hand);
            if room == 0 {
                return;
            }
            let Some(work) = self.jobs.take(share.min(room).min(JOBS_PER_MESSAGE)) else { return };
            self.in_hand[executor] += work.jobs.len();
            // The channel holds as many messages as the window holds jobs; an executor lives as long as the loop.
            self.channels.executors[executor].try_send(work).expect("an executor takes what fits its window");
        }
    }

    /// On the interval, if anything has settled: tells the scribe how far.
    fn commit(&mut self) {
        let now = Instant::now();
        if self.is_behind() && now >= self.commit_due {
            self.commit_due = now + COMMIT_INTERVAL;
            self.note_progress();
        }
    }

    /// Has anything settled since the last commit?
    fn is_behind(&self) -> bool {
        self.core.counts().settled != self.committed_events
    }

    fn note_progress(&mut self) {
        let progress = self.core.progress(self.queue, 0).expect("the queue is assigned at the start");
        self.committed_events = self.core.counts().settled;
        if progress != self.committed {
            self.committed = progress.clone();
            self.meter.committed();
            self.unwritten.progress = Some(progress);
        }
    }

    fn write(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.unwritten);
        if let Err(error) = self.channels.scribe.try_send(batch) {
            self.unwritten = error.into_inner();
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Drain { deadline } => {
                let now = Instant::now();
                self.draining =
                    Some(Draining { deadline: now + deadline, report_due: now + REPORT_INTERVAL });
                self.inputs.push(Input::Drain);
            }
            // The next start is under it.
            Request::Reload { .. } if self.draining.is_some() => {}
            Request::Reload { deployment, table, answer } => {
                // What the core says next is of the new table: it hands over when it has taken all inputs in.
                self.deployment = deployment;
                self.inputs.push(Input::Reloaded { table });
                let _ = answer.try_send(());
            }
            Request::Status { answer } => {
                let status = Status {
                    counts: self.core.counts(),
                    events: self.core.events_in_flight(),
                    deliveries: self.core.deliveries_in_flight(),
                    held: self.core.held(),
                    parked: self.core.parked(),
                    traffic: self.traffic(),
                    draining: self.draining.is_some(),
                };
                // Who asked may have gone.
                let _ = answer.try_send(status);
            }
        }
    }

    fn traffic(&self) -> Vec<(String, Traffic)> {
        let named = |traffic: Traffic| {
            let trigger = self.deployment.triggers.get(traffic.trigger as usize)?;
            Some((trigger.name.clone(), traffic))
        };
        self.core.traffic().filter_map(named).collect()
    }

    fn drained(&mut self) -> Option<Drained> {
        let now = Instant::now();
        let draining = self.draining.as_mut()?;
        let events = self.core.events_in_flight();
        let over = now >= draining.deadline;
        if events > 0 && !over {
            if now >= draining.report_due {
                draining.report_due = now + REPORT_INTERVAL;
                tracing::info!(
                    events,
                    waiting_for_retry = self.core.held(),
                    running = self.core.running() + self.core.running_remote(),
                    seconds_left = draining.deadline.duration_since(now).as_secs(),
                    "draining: waiting for events to settle"
                );
            }
            return None;
        }
        self.note_progress();
        let last = std::mem::take(&mut self.unwritten);
        // The last word to the scribe may wait: nothing else is left to do. A scribe that is gone has said why.
        let _ = self.channels.scribe.send(last);
        Some(if events == 0 { Drained::AllSettled } else { Drained::Unsettled(events) })
    }
}

/// What the scribe has written and read, as the core is told.
fn take_settled(settled: Settled, queue: Uid, keys: &Keys, clock: Clock, inputs: &mut Vec<Input<Report>>) {
    let Settled { answers, fetched, unparked, evict_below } = settled;
    inputs.extend(answers.into_iter().map(|(delivery, parked)| Input::Journaled { delivery, parked }));
    let (source, partition) = (queue, 0);
    inputs.extend(fetched.into_iter().map(|fetched| {
        let (stub, envelope, broker) = fetched;
        Input::Fetched { stub, envelope, broker }
    }));
    if !unparked.is_empty() {
        inputs.push(Input::Unparked { source, partition, parked: stubs(unparked, keys, clock) });
    }
    inputs.extend(evict_below.map(|below| Input::Evicted { source, partition, below }));
}

/// One run each: what follows another goes with it.
fn push_errand(errands: &mut Vec<Work>, deployment: &Arc<Deployment>, job: Job) {
    match errands.last_mut() {
        Some(last) if job.follows => last.jobs.push(job),
        _ => errands.push(Work { deployment: Arc::clone(deployment), jobs: vec![job], permit: None }),
    }
}

fn stubs(labels: Vec<Label>, keys: &Keys, clock: Clock) -> Vec<Stub> {
    let (wall, now) = (unix_nanos(), clock.now());
    labels.into_iter().map(|label| label.into_stub(keys, now, wall)).collect()
}
