//! The loop: the one thread that owns the core. It hands the core what has happened and carries out what the core says.
//! It never blocks on a send, so whatever waits for it is always served.

mod answers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never};
use tokio::sync::mpsc;

use super::attempt::Attempt;
use super::backlog::{self, Backlog, Work};
use super::budget::Budgets;
use super::console::BudgetAnswer;
use super::deployment::{Deployment, Subscriber};
use super::direct::Requests;
use super::executor::{Attempted, Done, Job};
use super::meter::Meter;
use super::outgoing::Outgoing;
use super::report::{self, Left, Report};
use super::room::Room;
use super::scribe::{Batch, Settled};
use super::shares::Share;
use super::spent::Spent;
use super::streams::{self, Feed, Streams};
use crate::dispatch::{Core, Counts, Effect, Input, Keys, Progress, Table, Traffic};
use crate::event::parked::AFAR;
use crate::event::segment::Ended;
use crate::event::{Epoch, Uid};
use crate::journal::day::Day;
use crate::sink::parking::Label;
use crate::source::direct::Asked;
use crate::source::kafka::news::Fetched;
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
/// How often to see whether there is room again.
const LOOK: Duration = Duration::from_millis(100);
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// What consumers get at least for their last commits, though the drain has no time left.
const FAREWELL: Duration = Duration::from_secs(2);

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
    pub budgets: Vec<BudgetAnswer>,
    pub draining: bool,
}

/// How far the queue was done when the worker started.
#[derive(Debug, Default)]
pub struct Begun {
    pub progress: Progress,
    /// Deliveries beyond it that have ended.
    pub ended: Vec<Ended>,
    pub parked: Vec<Label>,
    /// What triggers with a budget have used today.
    pub day: Day,
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
    /// For what goes to Kafka first.
    pub porter: Sender<Vec<Attempt>>,
    pub settled: Receiver<Settled>,
    pub room: Arc<Room>,
    pub requests: Receiver<Request>,
    /// Events whose senders wait.
    pub asked: Receiver<Asked>,
    /// Of the consumers.
    pub feeds: Vec<Feed>,
    pub shares: Vec<Share>,
    /// How long what has begun of a partition gets to end when it is to be given back.
    pub patience: Duration,
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
    unwritten: Outgoing,
    spent: Spent,
    budgets: Budgets,
    direct: Requests,
    streams: Streams,
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
        mut channels: Channels,
        meter: Meter,
    ) -> Dispatcher {
        let (feeds, shares) = (std::mem::take(&mut channels.feeds), std::mem::take(&mut channels.shares));
        let patience = channels.patience;
        let now = unix_nanos();
        let budgets = Budgets::new(&deployment, &begun.day, queue, now);
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
            unwritten: Outgoing::default(),
            spent: Spent::default(),
            budgets,
            direct: Requests::new(),
            streams: Streams::new(feeds, shares, patience, queue),
            committed: begun.progress.clone(),
            committed_events: 0,
            commit_due: Instant::now(),
            draining: None,
            meter,
        };
        let Begun { progress, ended, parked, .. } = begun;
        let parked = streams::stubs(parked, &dispatcher.keys, dispatcher.clock);
        // The one assignment of the queue there is: no other worker has it.
        let assigned =
            Input::Assigned { source: queue, partition: 0, epoch: Epoch(1), progress, ended, parked };
        dispatcher.inputs.extend([assigned, dispatcher.direct.opened()]);
        dispatcher.budgets.tell(dispatcher.clock, now, &mut dispatcher.inputs);
        dispatcher
    }

    pub fn run(mut self) -> Drained {
        loop {
            self.step();
            self.hand_over();
            self.commit();
            self.streams.commit(&self.core);
            self.streams.release(&self.core, &mut self.inputs);
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
        let room = &self.channels.room;
        let takes_new = self.draining.is_none() && room.takes_arrivals() && self.core.takes(self.queue, 0);
        let arrivals = if takes_new { self.channels.arrivals.clone() } else { nothing_new };
        let (direct, partition) = self.direct.source();
        let takes_asked =
            self.draining.is_none() && room.takes_arrivals() && self.core.takes(direct, partition);
        let asked = if takes_asked { self.channels.asked.clone() } else { never() };
        let writable = self.unwritten.len() < UNWRITTEN;
        let done = if writable { self.channels.done.clone() } else { no_results };
        let delivered = if writable { self.channels.delivered.clone() } else { never() };

        let mut select = Select::new();
        select.recv(&self.channels.settled);
        select.recv(&self.channels.requests);
        select.recv(&done);
        select.recv(&delivered);
        select.recv(&arrivals);
        select.recv(&asked);
        let takes_reads = self.draining.is_none() && room.takes_reads() && self.core.has_room();
        self.streams.select(&mut select, takes_reads);
        self.unwritten.select(&mut select, &self.channels.scribe, &self.channels.porter);
        if select.ready_deadline(self.wake()).is_err() {
            return;
        }

        for mut settled in self.channels.settled.try_iter() {
            self.streams.over(std::mem::take(&mut settled.over));
            streams::take_settled(settled, self.queue, (&self.keys, self.clock), &mut self.inputs);
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
        self.take_streams(takes_reads);
        for _ in 0..ASKED {
            match asked.try_recv() {
                Ok(asked) => {
                    self.meter.asked(&asked);
                    self.direct.take(asked, &mut self.inputs);
                }
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

    /// What has changed before something was read is known when that is taken in.
    fn take_streams(&mut self, takes_reads: bool) {
        for feed in 0..self.streams.feeds.len() {
            let read = takes_reads.then(|| self.streams.feeds[feed].reads.try_recv().ok()).flatten();
            self.streams.take_changes(feed, (&self.keys, self.clock), &mut self.inputs);
            let fetched = self.streams.feeds[feed].fetched.try_iter().flatten();
            self.inputs.extend(fetched.map(Fetched::into_input));
            if let Some(read) = read {
                self.streams.take(read, &mut self.inputs);
            }
        }
        for share in (0..self.streams.shared.shares.len()).filter(|_| takes_reads) {
            self.streams.shared.take(share, (&self.keys, self.clock), &mut self.inputs);
        }
    }

    fn wake(&self) -> Instant {
        if !self.inputs.is_empty() {
            return Instant::now();
        }
        let mut wake = if self.is_behind() { self.commit_due } else { Instant::now() + IDLE };
        if !self.channels.room.takes_reads() {
            wake = wake.min(Instant::now() + LOOK);
        }
        if let Some(due) = self.core.next_due() {
            wake = wake.min(Instant::now() + self.clock.now().until(due));
        }
        if let Some(due) = self.streams.wake() {
            wake = wake.min(due);
        }
        if let Some(wait) = self.budgets.wait(unix_nanos) {
            wake = wake.min(Instant::now() + wait);
        }
        if let Some(draining) = &self.draining {
            wake = wake.min(draining.deadline).min(draining.report_due);
        }
        wake
    }

    fn step(&mut self) {
        let now = self.clock.now();
        self.budgets.look(&self.deployment, unix_nanos, &mut self.inputs);
        self.core.step(self.inputs.drain(..), now, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Invoke { delivery, trigger, attempt, replay, follows, envelope, broker } => {
                    let job = Job { delivery, trigger, attempt, replay, follows, envelope, broker };
                    let of = &self.deployment.triggers[trigger as usize];
                    if of.budget.is_some() && self.budgets.refuses(of.uid) {
                        self.inputs.push(report::over_budget(&self.deployment, job));
                        continue;
                    }
                    match of.subscriber {
                        Subscriber::Http(_) => backlog::push_errand(&mut self.errands, &self.deployment, job),
                        Subscriber::Function(_) => self.jobs.push(&self.deployment, job),
                        Subscriber::Nobody(reason) => {
                            self.inputs.push(report::for_nobody(&self.deployment, job, reason))
                        }
                    }
                }
                Effect::Journal { delivery, report, fate } if self.direct.has(report.position()) => {
                    self.meter.attempted(&report, &fate);
                    let charged =
                        self.budgets.charge(&report, &fate, &self.deployment, self.clock, &mut self.inputs);
                    let mut attempt = self.direct.attempted(delivery, report);
                    charged.into_iter().for_each(|charged| charged.onto(&mut attempt, &self.deployment));
                    self.unwritten.put(attempt);
                }
                Effect::Journal { delivery, report, fate } => {
                    self.meter.attempted(&report, &fate);
                    let of = report.position();
                    self.streams.shared.note(of, &fate);
                    let charged =
                        self.budgets.charge(&report, &fate, &self.deployment, self.clock, &mut self.inputs);
                    let spent = self.spent.with(delivery, report.price(), &fate);
                    let mut attempt = report.settle(delivery, fate, spent, now);
                    charged.into_iter().for_each(|charged| charged.onto(&mut attempt, &self.deployment));
                    self.unwritten.put(self.streams.own(of, attempt));
                }
                Effect::Park { delivery, parked } => {
                    self.spent.forget(delivery);
                    let of = parked.envelope.position;
                    let aside = report::aside(delivery, &parked, now);
                    self.unwritten.put(self.streams.own(of, aside));
                }
                Effect::GiveUp { delivery, envelope, .. } if self.direct.has(envelope.position) => {
                    self.direct.refuse(envelope.position, report::GONE.to_owned(), Duration::ZERO);
                    self.inputs.push(Input::Journaled { delivery, parked: None });
                }
                Effect::Refuse { position, trigger, until } => {
                    let name = self.deployment.name_of(trigger);
                    let why = match self.budgets.is_spent(trigger) {
                        true => format!("what {name} may take today is used up"),
                        false => format!("{name} pauses, for it failed many times in a row"),
                    };
                    self.direct.refuse(position, why, now.until(until));
                }
                Effect::Answer { position } if self.direct.has(position) => self.direct.settled(position),
                Effect::Answer { position } => self.streams.shared.settled(position),
                Effect::GiveUp { delivery, trigger, attempts, replay, record, envelope, broker } => {
                    self.spent.forget(delivery);
                    let left = Left { trigger, attempts, replay, record, envelope, broker };
                    let given_up = report::given_up(&self.deployment, delivery, &left);
                    self.unwritten.put(self.streams.own(left.envelope.position, given_up));
                }
                Effect::Fetch { stub, source, partition, id } if id & AFAR != 0 => {
                    let here = self.streams.fetch(stub, (source, partition), id);
                    self.inputs.extend(here.map(Fetched::into_input));
                }
                Effect::Fetch { stub, id, .. } => self.unwritten.batch.fetches.push((stub, id)),
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
            self.unwritten.batch.progress = Some(progress);
        }
    }

    fn write(&mut self) {
        self.unwritten.hand_over(&self.channels.scribe, &self.channels.porter);
    }

    fn drained(&mut self) -> Option<Drained> {
        let now = Instant::now();
        let draining = self.draining.as_mut()?;
        let events = self.core.events_in_flight();
        let over = now >= draining.deadline;
        let by = draining.deadline.max(now + FAREWELL);
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
        self.streams.end(&self.core, by);
        self.unwritten.end(&self.channels.scribe);
        Some(if events == 0 { Drained::AllSettled } else { Drained::Unsettled(events) })
    }
}
