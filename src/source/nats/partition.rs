//! One partition: a durable of its own, of which one worker at a time has the pin. Who has it waits for what its predecessor
//! had (`tenure.rs`), reads what is parked, and then begins; who is to give it back lets what has begun end.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::Info;
use crossbeam_channel::Sender;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::consumer::Consumed;
use super::durable::{Durable, Parking, Unfit};
use super::gauge::Gauge;
use super::handover::DECLINED;
use super::line::{Confirmed, Heard, Line, confirmation};
use super::look::{Found, Look};
use super::message::{PIN, Place};
use super::peers::Share;
use super::shelf::Shelf;
use super::tenure::{Next, Said, Tenure};
use crate::dispatch::StubKey;
use crate::event::Epoch;
use crate::event::parked::Label;
use crate::source::kafka::news::{Commit, Fetched, News, Read};
use crate::source::queue::Arrival;

/// Messages that are handed over together.
const BATCH: usize = 512;
/// How often it is looked whether the durable is what it was.
pub(super) const LOOK: Duration = Duration::from_secs(5);
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long the server may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How often trouble that goes on is told of.
const SAID_AGAIN: Duration = Duration::from_secs(30);
/// How often the durable is asked what is unacknowledged, while that is waited for.
const GATE: Duration = Duration::from_millis(100);

/// What the loop, or whoever reads its orders, wants of a partition.
#[derive(Debug)]
pub(super) enum Told {
    Commit(Commit),
    Leave(Commit),
    Hold(bool),
    /// This parked record is done.
    Over(u64),
    Fetch(StubKey, u64),
    End(Option<Commit>, Instant),
}

/// Where it says what it has.
#[derive(Clone, Debug)]
pub(super) struct Says {
    pub(super) changes: Sender<News>,
    pub(super) reads: Sender<Read>,
    pub(super) fetched: Sender<Vec<Fetched>>,
}

/// What it is told from all around.
pub(super) struct Hears {
    pub(super) orders: UnboundedReceiver<Told>,
    /// Which partitions are this worker's to have.
    pub(super) shares: watch::Receiver<Vec<Share>>,
    /// Counts how often what was asked for may have been lost.
    pub(super) link: watch::Receiver<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Another has it, or nobody.
    Out,
    /// Ours by its pin, and not begun.
    Gated,
    Ours,
    /// What has begun of it ends.
    Leaving,
    /// All is over, until the server knows, or then.
    Closing(Instant),
}

pub(super) type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What has been done beside.
pub(super) enum Done {
    Asked(Result<Said, String>),
    Loaded(Epoch, Result<Vec<Label>, String>),
    Fetched(Epoch, Option<Fetched>),
    Idle(Result<Option<Said>, String>),
}

enum Woken {
    Order(Option<Told>),
    Shares(bool),
    Link(bool),
    Confirmed(Confirmed),
    Looked(Found),
    Done(Option<Done>),
    Message(Option<async_nats::Message>),
    Due,
}

pub(super) struct Partition {
    pub(super) number: u32,
    pub(super) consumed: Arc<Consumed>,
    pub(super) durable: Durable,
    pub(super) parking: Parking,
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) line: Line,
    pub(super) says: Says,
    pub(super) gauge: Gauge,
    pub(super) shelf: Shelf,
    pub(super) phase: Phase,
    pub(super) tenure: Option<Tenure<Arrival>>,
    /// The pin before: what still comes by it is declined.
    pub(super) former: Option<String>,
    pub(super) is_pinned: bool,
    pub(super) epoch: Epoch,
    /// Handed over, and not known to be done.
    pub(super) begun: BTreeSet<u64>,
    /// To be handed over when what is parked is known.
    pub(super) early: Vec<Arrival>,
    pub(super) reached: u64,
    pub(super) doings: FuturesUnordered<Doing<Done>>,
    /// What is done though the partition is given back: parked records are removed, pins released.
    pub(super) lasting: FuturesUnordered<Doing<()>>,
    pub(super) is_asking: bool,
    pub(super) gate_due: Instant,
    pub(super) holds: bool,
    /// Its consumer was made anew: what is known of the one before is to be forgotten.
    pub(super) is_another: bool,
    pub(super) share: Share,
    /// Which partitions this worker has.
    pub(super) had: Arc<[AtomicBool]>,
    pub(super) idle_due: Instant,
    /// The worker stops: it takes none any more.
    pub(super) stops: Arc<AtomicBool>,
    pub(super) ends: bool,
    /// When the durable was made, while it is there.
    pub(super) known: Option<String>,
    pub(super) is_ready: bool,
    pub(super) looking: Look,
    pub(super) look_due: Instant,
    pub(super) trouble: Option<(String, Instant)>,
}

impl Partition {
    pub(super) async fn open(
        number: u32,
        consumed: Arc<Consumed>,
        (client, context): (Client, Context),
        (says, gauge): (Says, Gauge),
        (stops, had): (Arc<AtomicBool>, Arc<[AtomicBool]>),
    ) -> Result<Partition, String> {
        let durable = consumed.durable.of_partition(number);
        let parking = consumed.durable.parking();
        let mut line = Line::open(&client, &durable.stream, &durable.name, consumed.most).await?;
        let of = consumed.durable.partitions.unwrap_or(1) as usize;
        line.bytes /= of;
        line.by_pin(durable.pin());
        let shelf = Shelf::new(context.clone(), &parking, (consumed.uid, number));
        let now = Instant::now();
        Ok(Partition {
            number,
            consumed,
            durable,
            parking,
            client,
            context,
            line,
            says,
            gauge,
            shelf,
            phase: Phase::Out,
            tenure: None,
            former: None,
            is_pinned: false,
            epoch: Epoch(0),
            begun: BTreeSet::new(),
            early: Vec::new(),
            reached: 0,
            doings: FuturesUnordered::new(),
            lasting: FuturesUnordered::new(),
            is_asking: false,
            gate_due: now,
            holds: false,
            is_another: false,
            share: Share::default(),
            had,
            idle_due: now,
            stops,
            ends: false,
            known: None,
            is_ready: false,
            looking: Look::default(),
            look_due: now,
            trouble: None,
        })
    }

    /// Until it is told to end, or nobody is there to tell it.
    pub(super) async fn run(mut self, mut hears: Hears) {
        loop {
            self.turn().await;
            if self.ends && self.phase == Phase::Out {
                return self.farewell().await;
            }
            let woken = {
                let wake = self.wake();
                let Partition { line, doings, lasting, looking, .. } = &mut self;
                tokio::select! {
                    biased;
                    order = hears.orders.recv() => Woken::Order(order),
                    changed = hears.shares.changed() => Woken::Shares(changed.is_ok()),
                    changed = hears.link.changed() => Woken::Link(changed.is_ok()),
                    told = confirmation(&mut line.confirming) => Woken::Confirmed(told),
                    found = looking.found() => Woken::Looked(found),
                    done = doings.next(), if !doings.is_empty() => Woken::Done(done),
                    _ = lasting.next(), if !lasting.is_empty() => Woken::Due,
                    message = line.subscriber.next() => Woken::Message(message),
                    () = tokio::time::sleep_until(wake.into()) => Woken::Due,
                }
            };
            let now = Instant::now();
            match woken {
                Woken::Order(Some(told)) => self.obey(told, now),
                Woken::Order(None) | Woken::Shares(false) | Woken::Link(false) => return,
                Woken::Shares(true) => {
                    self.share = hears.shares.borrow_and_update()[self.number as usize];
                }
                Woken::Link(true) => {
                    hears.link.borrow_and_update();
                    self.line.forget_asked();
                    self.looking.forget();
                    self.look_due = now;
                }
                Woken::Confirmed(told) => {
                    self.gauge.answered(&told);
                    self.line.confirmed(&told, now);
                }
                Woken::Looked(found) => self.looked(found, now),
                Woken::Done(done) => self.done(done, now),
                Woken::Message(message) => self.take(message, now).await,
                Woken::Due => {}
            }
        }
    }

    pub(super) fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    fn is_wanted(&self) -> bool {
        self.share.is_own && !self.stops()
    }

    /// Its own, and nobody else says that they have it.
    pub(super) fn is_free(&self) -> bool {
        self.share.is_free && self.is_wanted()
    }

    async fn turn(&mut self) {
        let now = Instant::now();
        self.had[self.number as usize].store(self.phase != Phase::Out, Ordering::Relaxed);
        for _ in 0..BATCH {
            let Some(message) = self.line.ready() else { break };
            self.take(Some(message), now).await;
        }
        match self.phase {
            Phase::Gated if !self.is_wanted() || self.is_contested() => self.let_go(now),
            Phase::Ours if !self.is_wanted() && !self.stops() => {
                self.lose(true, "it is another worker's by now")
            }
            Phase::Closing(by) if now >= by || self.line.is_answered() && self.lasting.is_empty() => {
                self.close().await;
            }
            _ => {}
        }
        if self.client.connection_state() != State::Connected {
            self.look_due = self.look_due.max(now + LOOK_AGAIN / 5);
            if let Phase::Closing(_) = self.phase
                && self.ends
            {
                self.phase = Phase::Out;
            }
            return;
        }
        if now >= self.look_due && !self.looking.is_under_way() {
            self.looking.begin(&self.durable, &self.parking, &self.context, self.known.is_none());
        }
        self.ask_at_the_gate(now);
        self.look_for_parked(now);
        self.line.answer(now).await;
        self.line.touch(now).await;
        let asks = match self.phase {
            Phase::Out => self.is_wanted(),
            Phase::Gated => true,
            Phase::Ours => !self.holds,
            Phase::Leaving | Phase::Closing(_) => false,
        };
        if self.is_ready && asks {
            // All that is unacknowledged has to come, or nothing would ever begin.
            let is_shut = self.tenure.as_ref().is_some_and(|tenure| !tenure.is_open());
            self.line.ask(now, is_shut.then_some(self.durable.max_ack_pending as usize)).await;
        }
        // What has begun ends before another can have the pin, and no other's is taken with this one's.
        if self.is_pinned && self.phase != Phase::Out {
            self.line.stay(now).await;
        }
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let mut wake = self.line.due(now);
        if !self.looking.is_under_way() {
            wake = wake.min(self.look_due);
        }
        if self.tenure.as_ref().is_some_and(|tenure| !tenure.is_open()) {
            wake = wake.min(self.gate_due);
        }
        if let Phase::Closing(_) = self.phase {
            wake = wake.min(now + LOOK_AGAIN / 10);
        }
        wake.min(now + self.durable.pin() / 3).max(now + Duration::from_millis(1))
    }

    /// What is unacknowledged, to whomever it was handed out?
    fn ask_at_the_gate(&mut self, now: Instant) {
        let is_shut = self.tenure.as_ref().is_some_and(|tenure| !tenure.is_open());
        let waits = matches!(self.phase, Phase::Gated | Phase::Ours) && is_shut;
        if !waits || self.is_asking || now < self.gate_due {
            return;
        }
        (self.is_asking, self.gate_due) = (true, now + GATE);
        let (context, durable) = (self.context.clone(), self.durable.clone());
        self.doings.push(Box::pin(async move {
            let asked = async {
                let stream = durable.stream(&context).await.map_err(|unfit| unfit.to_string())?;
                let info = durable.info(&stream).await.map_err(|unfit| unfit.to_string())?;
                info.ok_or_else(|| "it is not there".to_owned())
            };
            let asked = tokio::time::timeout(PATIENCE, asked).await;
            let asked = asked.unwrap_or_else(|_| Err("NATS does not answer".to_owned()));
            Done::Asked(asked.map(|info| Said::of(&info)))
        }));
    }

    fn done(&mut self, done: Option<Done>, now: Instant) {
        match done {
            None => {}
            Some(Done::Asked(said)) => {
                self.is_asking = false;
                if let (Ok(said), Some(tenure)) = (said, &mut self.tenure) {
                    tenure.said(said);
                    self.open_gate();
                }
            }
            Some(Done::Loaded(epoch, _)) if epoch != self.epoch || self.phase != Phase::Gated => {}
            Some(Done::Loaded(_, Ok(parked))) => self.begin(parked),
            Some(Done::Loaded(_, Err(why))) => {
                self.say(format!("what is parked of partition {} can't be read: {why}", self.number), now);
                self.load(LOOK_AGAIN);
            }
            Some(Done::Fetched(epoch, fetched)) if epoch == self.epoch && self.phase == Phase::Ours => {
                match fetched {
                    // A loop that is gone needs nothing.
                    Some(fetched) => drop(self.says.fetched.send(vec![fetched])),
                    // Whoever had it was done with it after it was read here.
                    None => self.lose(true, "what is parked of it is to be read again"),
                }
            }
            Some(Done::Idle(said)) => self.is_idle(said, now),
            Some(Done::Fetched(..)) => {}
        }
    }

    async fn take(&mut self, message: Option<async_nats::Message>, now: Instant) {
        let message = match self.line.hear(message, now) {
            Heard::Message(message) => message,
            Heard::Word => return,
            Heard::Unpinned => return self.unpinned(now),
            Heard::Gone(why) => {
                tracing::debug!(
                    source = self.consumed.name,
                    partition = self.number,
                    why,
                    "a consumer is gone"
                );
                self.is_ready = false;
                self.look_due = self.look_due.min(now + LOOK_AGAIN / 5);
                return;
            }
        };
        let Some(reply) = message.reply.clone() else { return };
        let Some(place) = Place::of(&reply) else { return };
        let pin = message.headers.as_ref().and_then(|headers| headers.get(PIN));
        let pin = pin.map(|pin| pin.as_str().to_owned()).unwrap_or_default();
        self.adopt(&pin, place.delivery);
        if self.tenure.as_ref().is_some_and(|tenure| tenure.pin != pin) && self.former.as_ref() != Some(&pin)
        {
            // It was lost, and found again before anybody said so.
            self.unpinned(now);
        }
        match (self.phase, &self.tenure) {
            (Phase::Out, _) if self.former.as_ref() != Some(&pin) && self.is_wanted() => {
                self.line.repin(Some(pin.clone()));
                self.tenure = Some(Tenure::new(pin, place.delivery));
                (self.phase, self.is_pinned, self.gate_due) = (Phase::Gated, true, now);
                self.epoch = Epoch(self.epoch.0 + 1);
            }
            (Phase::Out, _) => return self.decline(reply, pin).await,
            (_, Some(tenure)) if tenure.pin == pin => {}
            _ => return self.line.decline(reply, DECLINED).await,
        }
        let is_new = self.line.came(place.sequence, (reply, message.length), now);
        let Some(tenure) = &mut self.tenure else { return };
        tenure.delivered(place.sequence, place.delivery, !self.line.held.has(place.sequence));
        if !is_new || !matches!(self.phase, Phase::Gated | Phase::Ours) {
            return;
        }
        self.gauge.came(place.sequence, place.published);
        let arrival = self.consumed.arrival(&message, &place, (self.number, self.epoch));
        match tenure.came(place.sequence, arrival) {
            Next::Waits => self.open_gate(),
            Next::Begin(arrival) => self.hand_over(vec![arrival]),
            Next::Astray => self.lose(true, "a message came that stands before others that have begun"),
        }
    }

    fn looked(&mut self, found: Found, now: Instant) {
        match found {
            Ok(found) => {
                self.look_due = now + LOOK;
                self.found(&found.1);
            }
            Err(unfit) => {
                self.look_due = now + if matches!(unfit, Unfit::Wrong(_)) { LOOK } else { LOOK_AGAIN };
                self.is_ready = false;
                self.say(unfit.to_string(), now);
            }
        }
    }

    fn found(&mut self, info: &Info) {
        self.line.waits(info.config.ack_wait);
        self.gauge.look(info);
        // Who had it may have had as much.
        let most = u32::try_from(info.config.max_ack_pending).unwrap_or(0);
        self.durable.max_ack_pending = self.durable.max_ack_pending.max(most);
        let made = info.created.to_string();
        if self.known.as_ref().is_some_and(|known| *known != made) {
            tracing::warn!(
                source = self.consumed.name,
                consumer = self.durable.name,
                "the consumer was made anew: what is under way of the one before is left"
            );
            match self.phase {
                Phase::Out => self.line.begin_again(),
                Phase::Ours => self.lose(false, "its consumer was made anew"),
                Phase::Gated => self.let_go(Instant::now()),
                Phase::Leaving | Phase::Closing(_) => {}
            }
            self.is_another = self.phase != Phase::Out;
        }
        (self.known, self.is_ready, self.trouble) = (Some(made), true, None);
    }

    pub(super) fn say(&mut self, why: String, now: Instant) {
        let is_new = self.trouble.as_ref().is_none_or(|(before, said)| *before != why || now >= *said);
        if is_new {
            tracing::error!(
                source = self.consumed.name,
                partition = self.number,
                why,
                "NATS can't be consumed just now: trying again"
            );
            self.trouble = Some((why, now + SAID_AGAIN));
        }
    }
}
