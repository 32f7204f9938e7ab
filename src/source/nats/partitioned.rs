//! A worker's part of a stream that is cut into partitions. The workers that read it tell each other that they live; from that
//! each knows which partitions are its own, and asks for those alone. Who has one, pins decide (`partition.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, Event, Message, jetstream};
use crossbeam_channel::{Receiver, never, select};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::consumer::Consumed;
use super::gauge::Gauge;
use super::partition::{Hears, Partition, Says, Told};
use super::peers::{Peers, Share};
use crate::client::nats::Login;
use crate::event::parked::AFAR;
use crate::source::kafka::news::Order;
use crate::source::kafka::parked::Wanted;
use crate::telemetry::limit::Limit;
use crate::telemetry::metrics::Partitions;

/// How often a worker says that it lives, and how long it counts after it last did.
const BEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(4);
/// How long a worker that begins listens before it asks for anything.
const LISTENS: Duration = Duration::from_millis(1500);
/// The version of what they tell each other.
const FORMAT: u64 = 1;

/// Its ends of the channels.
#[derive(Debug)]
pub struct Channels {
    pub changes: crossbeam_channel::Sender<crate::source::kafka::News>,
    pub reads: crossbeam_channel::Sender<crate::source::kafka::news::Read>,
    pub fetched: crossbeam_channel::Sender<Vec<crate::source::kafka::news::Fetched>>,
    pub wishes: UnboundedReceiver<Wish>,
    /// What its partitions are measured by.
    pub cells: Arc<Partitions>,
}

/// What the loop wants.
#[derive(Debug)]
pub enum Wish {
    Order(Order),
    Wanted(Wanted),
}

/// Hands on what the loop wants, until the loop is gone.
pub fn hand_on(mut orders: Receiver<Order>, mut wanted: Receiver<Wanted>, to: &UnboundedSender<Wish>) {
    let mut open = 2;
    while open > 0 {
        let wish = select! {
            recv(orders) -> order => order.map(Wish::Order).map_err(|_| orders = never()),
            recv(wanted) -> wish => wish.map(Wish::Wanted).map_err(|_| wanted = never()),
        };
        match wish {
            Ok(wish) => {
                if to.send(wish).is_err() {
                    return;
                }
            }
            Err(()) => open -= 1,
        }
    }
}

pub struct Partitioned {
    consumed: Arc<Consumed>,
    login: Login,
    channels: Channels,
}

/// What all of its partitions have in common.
struct Front {
    consumed: Arc<Consumed>,
    client: Client,
    peers: Peers,
    own: String,
    subject: String,
    shares: watch::Sender<Vec<Share>>,
    /// Which of them this worker has, as it tells others.
    had: Arc<[AtomicBool]>,
    /// From when on it has heard of all that others have.
    knows: Instant,
    orders: Vec<UnboundedSender<Told>>,
    stops: Arc<AtomicBool>,
    /// From when on it asks for what is its own.
    listens: Instant,
    beat_due: Instant,
    /// Its own word has come back to it: it can hear others.
    has_heard: bool,
    is_deaf: bool,
    has_left: bool,
}

static CLIENT: Limit = Limit::new("the NATS client says", 1);

impl Partitioned {
    pub fn new(consumed: Consumed, login: Login, channels: Channels) -> Partitioned {
        Partitioned { consumed: Arc::new(consumed), login, channels }
    }

    /// Until the loop ends it, or is gone.
    pub async fn run(self) {
        let Partitioned { consumed, login, channels } = self;
        let Channels { changes, reads, fetched, mut wishes, cells } = channels;
        let (said, mut heard) = unbounded_channel();
        let said = move |event| drop(said.send(event));
        let count = consumed.durable.partitions.unwrap_or(1);
        let (link, linked) = watch::channel(0u64);
        let (shares, shared) = watch::channel(vec![Share::default(); count as usize]);
        let had: Arc<[AtomicBool]> = (0..count).map(|_| AtomicBool::new(false)).collect();
        let stops = Arc::new(AtomicBool::new(false));
        let (mut orders, mut runs) = (Vec::new(), Vec::new());
        let opened = async {
            let client = login.connect(said).await?;
            let context = jetstream::new(client.clone());
            for number in 0..count {
                let says = Says { changes: changes.clone(), reads: reads.clone(), fetched: fetched.clone() };
                let of = (client.clone(), context.clone());
                let all = (Arc::clone(&stops), Arc::clone(&had));
                let stream = &consumed.durable.stream;
                let gauge = Gauge::new(cells.of(&consumed.name, format!("{stream}/{number}")));
                let own = Arc::clone(&consumed);
                let partition = Partition::open(number, own, of, (says, gauge), all).await?;
                let (sender, told) = unbounded_channel();
                orders.push(sender);
                let hears = Hears { orders: told, shares: shared.clone(), link: linked.clone() };
                runs.push(partition.run(hears));
            }
            let subject = consumed.durable.peers();
            let peers = client.subscribe(subject.clone()).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((client, subject, peers))
        };
        let (client, subject, mut beats) = match opened.await {
            Ok(opened) => opened,
            // What could be wrong was looked at before.
            Err(why) => return tracing::error!(source = consumed.name, why, "NATS can't be consumed"),
        };
        let own = client.new_inbox();
        let now = Instant::now();
        let mut front = Front {
            consumed,
            client,
            peers: Peers::new(own.clone(), SILENCE),
            own,
            subject,
            shares,
            had,
            knows: now + SILENCE,
            orders,
            stops,
            listens: now + LISTENS,
            beat_due: now,
            has_heard: false,
            is_deaf: false,
            has_left: false,
        };
        let front = async {
            let mut ends = false;
            loop {
                front.turn().await;
                tokio::select! {
                    biased;
                    wish = wishes.recv(), if !ends => match wish {
                        Some(wish) => ends = front.carry_out(wish),
                        None => return,
                    },
                    event = heard.recv() => front.heard(event, &link),
                    Some(message) = beats.next() => front.beat_heard(&message).await,
                    () = tokio::time::sleep_until(front.wake().into()) => {}
                }
            }
        };
        tokio::select! {
            () = front => {}
            _ = join_all(runs) => {}
        }
    }
}

impl Front {
    async fn turn(&mut self) {
        let now = Instant::now();
        if self.client.connection_state() != State::Connected {
            self.peers.excuse(now);
            self.beat_due = self.beat_due.max(now + BEAT / 4);
            return;
        }
        if self.stops.load(Ordering::Relaxed) && !self.has_left {
            self.has_left = true;
            self.say(true).await;
        }
        if now >= self.beat_due {
            self.beat_due = now + BEAT;
            self.say(self.has_left).await;
            self.peers.look(now);
        }
        if !self.has_heard && !self.is_deaf && now > self.listens + SILENCE {
            self.is_deaf = true;
            tracing::warn!(
                source = self.consumed.name,
                subject = self.subject,
                "this worker does not even hear itself: without the right to publish and subscribe to that subject workers do \
                 not share partitions out, and whoever asks first has them"
            );
        }
        if now >= self.listens {
            self.share_out();
        }
    }

    fn wake(&self) -> Instant {
        if self.listens > Instant::now() { self.beat_due.min(self.listens) } else { self.beat_due }
    }

    fn share_out(&mut self) {
        let (peers, knows) = (&self.peers, self.has_heard && Instant::now() >= self.knows);
        let mut changed = false;
        self.shares.send_if_modified(|shares| {
            let share = |number| {
                let is_own = peers.has(number);
                Share { is_own, is_free: is_own && knows && !peers.is_had(number) }
            };
            let now: Vec<Share> = (0..shares.len() as u32).map(share).collect();
            changed = now.iter().zip(&*shares).any(|(now, before)| now.is_own != before.is_own);
            let is_other = *shares != now;
            *shares = now;
            is_other
        });
        if changed {
            let own = self.shares.borrow().iter().filter(|share| share.is_own).count();
            tracing::info!(
                source = self.consumed.name,
                workers = peers.count(),
                partitions = own,
                "partitions shared out"
            );
        }
    }

    async fn say(&self, left: bool) {
        let partitions = self.consumed.durable.partitions;
        let had = self.had.iter().enumerate().filter(|(_, is_had)| is_had.load(Ordering::Relaxed));
        let has: Vec<usize> = had.map(|(number, _)| number).collect();
        let beat =
            json!({"weir": FORMAT, "id": self.own, "partitions": partitions, "has": has, "left": left});
        // A client that is closed says so elsewhere.
        let _ = self.client.publish(self.subject.clone(), beat.to_string().into()).await;
    }

    async fn beat_heard(&mut self, message: &Message) {
        let Ok(beat) = serde_json::from_slice::<Json>(&message.payload) else { return };
        let (Some(FORMAT), Some(id)) = (beat["weir"].as_u64(), beat["id"].as_str()) else { return };
        self.has_heard |= id == self.own;
        let (now, partitions) = (Instant::now(), self.consumed.durable.partitions.map(u64::from));
        if beat["partitions"].as_u64() != partitions && CLIENT.admits() {
            tracing::error!(
                source = self.consumed.name,
                own = partitions,
                other = %beat["partitions"],
                "another worker reads by the same consumer and says another number of partitions: give it another 'consumer'"
            );
        }
        let has = beat["has"].as_array().into_iter().flatten().filter_map(Json::as_u64);
        let has: Vec<u32> =
            has.filter_map(|n| u32::try_from(n).ok()).take(self.shares.borrow().len()).collect();
        if beat["left"] == Json::Bool(true) {
            self.peers.left(id, has, now);
        } else if self.peers.heard(id, has, now) && !self.has_left {
            // It is new, and is to know of this one before it asks for anything.
            self.say(false).await;
        }
    }

    fn heard(&mut self, event: Option<Event>, link: &watch::Sender<u64>) {
        let source = &self.consumed.name;
        match event {
            Some(Event::Connected) => {
                tracing::info!(source, "connected to NATS");
                self.peers.excuse(Instant::now());
                self.beat_due = Instant::now();
                self.knows = self.beat_due + SILENCE;
                if !self.has_heard {
                    self.listens = Instant::now() + LISTENS;
                }
                link.send_modify(|times| *times += 1);
            }
            Some(Event::Disconnected) => {
                tracing::warn!(
                    source,
                    "NATS is away: what is under way goes on, and is answered for when it is back"
                );
            }
            Some(Event::SlowConsumer(_)) => link.send_modify(|times| *times += 1),
            Some(event) if CLIENT.admits() => tracing::warn!(source, "the NATS client says: {event}"),
            _ => {}
        }
    }

    /// True: it was the last.
    fn carry_out(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Order(Order::Commit(commits)) => {
                commits.into_iter().for_each(|commit| self.tell(commit.stream.1, Told::Commit(commit)));
            }
            Wish::Order(Order::Leave(commit)) => self.tell(commit.stream.1, Told::Leave(commit)),
            Wish::Order(Order::Hold(stream, holds)) => self.tell(stream.1, Told::Hold(holds)),
            Wish::Order(Order::Over(stream, record)) => self.tell(stream.1, Told::Over(record)),
            Wish::Order(Order::End { mut commits, by }) => {
                self.stops.store(true, Ordering::Relaxed);
                for number in 0..self.orders.len() as u32 {
                    let own = commits.iter().position(|commit| commit.stream.1 == number);
                    let own = own.map(|at| commits.swap_remove(at));
                    self.tell(number, Told::End(own, by));
                }
                return true;
            }
            Wish::Wanted(Wanted::Fetch { stub, partition, offset }) => {
                self.tell(partition.cast_unsigned(), Told::Fetch(stub, offset & !AFAR));
            }
            // These are Kafka's.
            Wish::Wanted(Wanted::Load { .. } | Wanted::Passed { .. }) => {}
        }
        false
    }

    fn tell(&self, number: u32, told: Told) {
        if let Some(orders) = self.orders.get(number as usize) {
            // One that is gone has been told to end.
            let _ = orders.send(told);
        }
    }
}
