//! The way by brokers, Kafka and NATS: what the loop writes that has *parcels* (replies, dead letters and parked records for topics) is held
//! here until all of them are acknowledged, and only then goes to the scribe. So an answer's replies are all durable before
//! anything says that its delivery has ended, and what a kill leaves half done is done again.
//!
//! It waits for brokers as long as it takes, says so, and holds up nobody who has no parcels: those never come this way.

mod hold;
mod letter;
mod line;

use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, never, unbounded};
use foldhash::HashMap;
use foldhash::HashMapExt;

use super::attempt::Attempt;
use super::backings::Backings;
use super::scribe::Batch;
use super::tasks;
use crate::sink::kafka::topic;
use crate::sink::parcel::{Cluster, Instead, Outlet, Parcel};
use crate::sink::producer::Producer;
use crate::sink::receipt::{Receipt, Refusal, Unsent};
use crate::source::{Accepted, Refused};
use crate::telemetry::limit::Limit;
use crate::telemetry::metrics::Metrics;
use hold::{Hold, Owner, Post};
use line::{Line, Verdict};

/// How often lines that stand still are looked at, while there are any.
const LOOK: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(60);
/// Messages and receipts that are taken in at one turn.
const AT_ONCE: usize = 64;
const RECEIPTS: usize = 4096;

#[derive(Debug)]
pub struct Porter {
    scribe: Sender<Batch>,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Handle,
    hold: Hold,
    /// By the addresses of what they are for, which they keep.
    lines: HashMap<usize, Line>,
    producers: HashMap<usize, Shipper>,
    receipts: (Sender<Receipt>, Receiver<Receipt>),
    answers: (Sender<Answer>, Receiver<Answer>),
    /// Where the events of brokers live that have them in Kafka.
    backings: Backings,
    /// What is done, until the turn is over.
    done: Vec<Attempt>,
}

#[derive(Debug)]
struct Shipper {
    cluster: Arc<Cluster>,
    producer: Producer,
}

/// Whether a line's topic is there.
#[derive(Debug)]
struct Answer {
    line: usize,
    found: Result<bool, String>,
}

/// Each event can cause one.
static REFUSED: Limit = Limit::new("a record that is refused for good", 20);

impl Porter {
    /// Must be called on a tokio runtime.
    pub fn new(scribe: Sender<Batch>, backings: Backings, metrics: Arc<Metrics>) -> Porter {
        Porter {
            scribe,
            metrics,
            runtime: tokio::runtime::Handle::current(),
            hold: Hold::new(),
            lines: HashMap::new(),
            producers: HashMap::new(),
            receipts: unbounded(),
            answers: unbounded(),
            backings,
            done: Vec::new(),
        }
    }

    /// Runs until the loop and the listener have gone: what is held then has not settled, and is done again by the next
    /// worker, or has a publisher that was told nothing.
    pub fn run(mut self, attempts: &Receiver<Vec<Attempt>>, posted: &Receiver<Accepted>) {
        let (mut attempts, mut posted) = (attempts.clone(), posted.clone());
        let mut open = [true; 2];
        while open.contains(&true) {
            self.turn(&mut attempts, &mut posted, &mut open);
            let now = Instant::now();
            self.resume(now);
            self.hand_on();
            self.look(now);
        }
    }

    /// Waits until there is something to do, and takes in what there is. What is closed is not open any more.
    fn turn(
        &mut self,
        attempts: &mut Receiver<Vec<Attempt>>,
        posted: &mut Receiver<Accepted>,
        open: &mut [bool; 2],
    ) {
        let (has_room, has_room_for_posts) =
            (self.hold.has_room_for_attempts(), self.hold.has_room_for_posts());
        let mut select = Select::new();
        if has_room {
            select.recv(attempts);
        }
        if has_room_for_posts {
            select.recv(posted);
        }
        select.recv(&self.receipts.1);
        select.recv(&self.answers.1);
        let _ = select.ready_deadline(self.wake());
        let now = Instant::now();
        let receipts = self.receipts.1.clone();
        for receipt in receipts.try_iter().take(RECEIPTS) {
            self.take_receipt(receipt, now);
        }
        let answers = self.answers.1.clone();
        for answer in answers.try_iter() {
            self.take_answer(answer, now);
        }
        for _ in 0..if has_room { AT_ONCE } else { 0 } {
            match attempts.try_recv() {
                Ok(batch) => batch.into_iter().for_each(|attempt| self.take(attempt, now)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    (*attempts, open[0]) = (never(), false);
                    break;
                }
            }
        }
        for _ in 0..if has_room_for_posts { AT_ONCE } else { 0 } {
            match posted.try_recv() {
                Ok(accepted) => self.take_posted(accepted, now),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    (*posted, open[1]) = (never(), false);
                    break;
                }
            }
        }
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let look = now + if self.hold.len() > 0 { LOOK } else { IDLE };
        self.lines.values().filter_map(Line::due).fold(look, Instant::min)
    }

    fn take(&mut self, attempt: Attempt, now: Instant) {
        if attempt.parcels.is_empty() {
            return self.done.push(attempt);
        }
        let tokens = self.hold.put(attempt);
        self.line_up(tokens, now);
    }

    /// The broker was known to whoever accepted it. One that has no backing any more: its publisher comes again.
    fn take_posted(&mut self, accepted: Accepted, now: Instant) {
        let Accepted { broker, records, answer, slot } = accepted;
        let Some(outlet) = self.backings.of(broker) else {
            let _ = answer.send(Err(Refused::Busy));
            return;
        };
        let parcel = |record| Parcel::of_event(Arc::clone(&outlet), record, Instead::Told);
        let post = Post { answer, refused: None, _slot: slot };
        let tokens = self.hold.put_post(post, records.into_iter().map(parcel).collect());
        self.line_up(tokens, now);
    }

    fn line_up(&mut self, tokens: Range<usize>, now: Instant) {
        for token in tokens {
            let outlet = &self.hold.parcel(token).expect("it was put there").outlet;
            let key = address(outlet);
            let mut is_new = false;
            let line = self.lines.entry(key).or_insert_with(|| {
                is_new = true;
                Line::new(Arc::clone(outlet), now)
            });
            line.put(token, now);
            if is_new {
                // Whether the topic is there is known at once, and not only when a record has waited for it.
                self.inquire(key, now);
            }
            self.advance(key, now);
        }
    }

    /// Sends what may go out of a line.
    fn advance(&mut self, key: usize, now: Instant) {
        loop {
            let line = self.lines.get_mut(&key).expect("a line stays as long as it is asked for");
            let Some(token) = line.next(now) else { return };
            if self.hold.is_forgotten(token) {
                line.forget(token);
                self.hold.end(token);
                continue;
            }
            let producer =
                match producer(&mut self.producers, &line.outlet, (&self.receipts.0, &self.runtime)) {
                    Ok(producer) => producer,
                    Err(why) => {
                        let wait = line.wait(now);
                        say(line, &why, wait, now);
                        return;
                    }
                };
            let parcel = self.hold.parcel(token).expect("what stands in line is held");
            match producer.send(parcel, token) {
                Ok(()) => line.sent(token),
                Err(Unsent::Full) => return line.full(now),
                Err(Unsent::Refused(refusal)) => {
                    let verdict = line.not_taken(token, &refusal, now);
                    self.judge(key, token, verdict, &refusal, now);
                }
            }
        }
    }

    fn take_receipt(&mut self, receipt: Receipt, now: Instant) {
        let Receipt { token, result } = receipt;
        // Of a producer that was given up, and of what another has sent again since.
        let Some(parcel) = self.hold.parcel(token) else { return };
        let key = address(&parcel.outlet);
        let line = self.lines.get_mut(&key).expect("a line stays as long as something is under way");
        match result {
            Ok(offset) => {
                if line.acknowledged(now) {
                    tracing::info!(
                        sink = line.outlet.name,
                        topic = line.outlet.topic,
                        "{} takes records again",
                        line.outlet.cluster.broker()
                    );
                }
                self.metrics.sinks.acknowledged.add(1);
                let bytes = if parcel.instead == Instead::Told { parcel.bytes() } else { 0 };
                if bytes > 0 {
                    self.metrics.sinks.events.add(1);
                    self.metrics.sinks.event_bytes.add(bytes as u64);
                }
                let owner = self.hold.acknowledged(token, offset);
                self.finish(owner);
            }
            Err(refusal) => {
                let verdict = line.came_back(token, &refusal, now);
                let address = address(&line.outlet.cluster);
                if self.producers.get(&address).is_some_and(|shipper| shipper.producer.is_broken()) {
                    tracing::warn!(
                        sink = line.outlet.name,
                        why = refusal.why,
                        "the client of a sink is opened anew"
                    );
                    // What it still has comes back.
                    self.producers.remove(&address);
                }
                self.judge(key, token, verdict, &refusal, now);
            }
        }
        self.advance(key, now);
    }

    fn judge(&mut self, key: usize, token: usize, verdict: Verdict, refusal: &Refusal, now: Instant) {
        let line = self.lines.get_mut(&key).expect("a line stays as long as it is asked for");
        match verdict {
            Verdict::Again => {
                self.metrics.sinks.again.add(1);
                let wait = line.due().map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
                say(line, &refusal.why, wait, now);
            }
            Verdict::Inquire => self.inquire(key, now),
            Verdict::Final => match self.hold.refused(token, refusal) {
                Ok(owner) => {
                    self.metrics.sinks.refused.add(1);
                    if REFUSED.admits() {
                        let becomes = match owner {
                            Some(Owner::Post(_)) => "its publisher is told",
                            _ => "it is kept as a dead letter in the worker's own store",
                        };
                        tracing::error!(
                            sink = line.outlet.name,
                            topic = line.outlet.topic,
                            why = refusal.why,
                            "{} refuses a record for good: {becomes}",
                            line.outlet.cluster.broker()
                        );
                    }
                    self.finish(owner);
                }
                Err(()) => {
                    line.insist(token, now);
                    say(line, &refusal.why, Duration::ZERO, now);
                }
            },
        }
    }

    fn finish(&mut self, owner: Option<Owner>) {
        match owner {
            None => {}
            Some(Owner::Attempt(attempt)) => self.done.push(*attempt),
            // Whoever asked may have gone.
            Some(Owner::Post(post)) => drop(post.answer.send(post.refused.map_or(Ok(()), Err))),
        }
    }

    /// Asks whether a line's topic is there, and has it made where that is wanted. The line waits meanwhile, no other does.
    fn inquire(&mut self, key: usize, now: Instant) {
        let line = self.lines.get_mut(&key).expect("a line stays as long as it is asked for");
        let producer = match producer(&mut self.producers, &line.outlet, (&self.receipts.0, &self.runtime)) {
            Ok(producer) => producer.clone(),
            Err(why) => {
                let wait = line.wait(now);
                return say(line, &why, wait, now);
            }
        };
        line.inquires = true;
        let (outlet, answers, runtime) =
            (Arc::clone(&line.outlet), self.answers.0.clone(), self.runtime.clone());
        tasks::thread("topic", move || {
            let mut found = producer.has_topic(&outlet.topic);
            if let (Ok(false), Some(new)) = (&found, outlet.create) {
                found = runtime.block_on(topic::create(&outlet, new)).and_then(|()| {
                    tracing::info!(
                        sink = outlet.name,
                        topic = outlet.topic,
                        partitions = new.partitions,
                        replication = new.replication,
                        "the topic was not there: it is made"
                    );
                    producer.has_topic(&outlet.topic)
                });
            }
            let _ = answers.send(Answer { line: key, found });
        });
    }

    fn take_answer(&mut self, answer: Answer, now: Instant) {
        let Answer { line: key, found } = answer;
        let Some(line) = self.lines.get_mut(&key) else { return };
        line.inquires = false;
        match found {
            Ok(true) => line.found(now),
            Ok(false) => {
                line.is_lost = true;
                let wait = line.wait(now);
                if line.may_say(now) {
                    let outlet = &line.outlet;
                    tracing::error!(
                        sink = outlet.name,
                        topic = outlet.topic,
                        waiting = line.len(),
                        retry_in_ms = wait.as_millis() as u64,
                        "there is no such topic: records wait for it. Make it (kafka-topics.sh --bootstrap-server {} \
                         --create --topic {} --partitions …), or say numPartitions and replicationFactor in the \
                         KafkaSink",
                        outlet.cluster.servers(),
                        outlet.topic,
                    );
                }
            }
            Err(why) => {
                line.is_lost = true;
                let wait = line.wait(now);
                say(line, &why, wait, now);
            }
        }
        self.advance(key, now);
    }

    /// Lines whose time has come go on; those that nobody needs go.
    fn resume(&mut self, now: Instant) {
        let due = self.lines.iter().filter(|(_, line)| line.due().is_some_and(|due| due <= now));
        let due: Vec<(usize, bool)> = due.map(|(key, line)| (*key, line.is_lost)).collect();
        for (key, is_lost) in due {
            if is_lost {
                self.inquire(key, now);
            } else {
                self.advance(key, now);
            }
        }
        self.lines.retain(|_, line| !line.is_idle() || line.inquires || Arc::strong_count(&line.outlet) > 1);
        let lines = &self.lines;
        self.producers.retain(|_, shipper| {
            lines.values().any(|line| Arc::ptr_eq(&line.outlet.cluster, &shipper.cluster))
                || Arc::strong_count(&shipper.cluster) > 1
        });
    }

    fn hand_on(&mut self) {
        self.metrics.sinks.waiting.set(self.hold.len() as u64);
        if self.done.is_empty() {
            return;
        }
        // A scribe that is gone has said why.
        let attempts = std::mem::take(&mut self.done);
        let _ = self.scribe.send(Batch { attempts, ..Batch::default() });
    }

    /// A broker that says nothing at all is told of, too.
    fn look(&mut self, now: Instant) {
        for line in self.lines.values_mut() {
            if let Some(still) = line.stands_still(now) {
                tracing::error!(
                    sink = line.outlet.name,
                    topic = line.outlet.topic,
                    waiting = line.len(),
                    seconds = still.as_secs(),
                    "{} has acknowledged nothing for that long: records wait, and what they belong to",
                    line.outlet.cluster.broker()
                );
            }
        }
    }
}

fn producer<'p>(
    producers: &'p mut HashMap<usize, Shipper>,
    outlet: &Outlet,
    (receipts, runtime): (&Sender<Receipt>, &tokio::runtime::Handle),
) -> Result<&'p Producer, String> {
    Ok(match producers.entry(address(&outlet.cluster)) {
        Entry::Occupied(open) => &open.into_mut().producer,
        Entry::Vacant(place) => {
            let (producer, running) = Producer::open(&outlet.cluster, receipts.clone())?;
            if let Some(running) = running {
                let _runtime = runtime.enter();
                tasks::task(running);
            }
            &place.insert(Shipper { cluster: Arc::clone(&outlet.cluster), producer }).producer
        }
    })
}

fn address<T>(of: &Arc<T>) -> usize {
    Arc::as_ptr(of) as usize
}

fn say(line: &mut Line, why: &str, wait: Duration, now: Instant) {
    if line.may_say(now) {
        tracing::error!(
            sink = line.outlet.name,
            topic = line.outlet.topic,
            why,
            waiting = line.len(),
            retry_in_ms = wait.as_millis() as u64,
            "{} does not take records: they wait, and what they belong to",
            line.outlet.cluster.broker()
        );
    }
}
