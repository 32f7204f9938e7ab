//! A worker's share of a stream: messages of a durable consumer that others may have, too. It asks for as many as there is
//! room for, says of what takes long that it is being worked on, and answers for each when all that it set off is durable.
//!
//! That NATS is away is no end: it waits, says so, and goes on; what it holds meanwhile it knows.

use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Event};
use bytes::Bytes;
use crossbeam_channel::Sender;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::durable::{Durable, Parking, Unfit};
use super::held::Answer;
use super::line::{Confirmed, Heard, Line, confirmation};
use super::look::{Found, Look};
use super::message::Place;
use super::news::{News, Order, Parked, Read};
use super::{Message, Reading};
use crate::client::nats::Login;
use crate::event::parked::{AFAR, Label, ParkedRecord};
use crate::event::{Envelope, Epoch, Position, Uid, record};
use crate::source::queue::Arrival;
use crate::telemetry::limit::Limit;
use crate::time::unix_nanos;

/// Messages that are handed over together.
const BATCH: usize = 512;
/// Orders that are carried out together.
const ORDERS: usize = 4096;
/// How often it is looked whether stream and consumer are what they were.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often trouble that goes on is told of.
const SAID_AGAIN: Duration = Duration::from_secs(30);
/// How long the last answers may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// What is due so soon is not sent back to wait.
const SOON: Duration = Duration::from_millis(20);
/// When a parked record is offered again that this worker can't read: one of a newer version can.
const UNREADABLE: Duration = Duration::from_secs(3600);

/// What is consumed, and how.
#[derive(Debug)]
pub struct Consumed {
    /// As the log has it: `default/orders`.
    pub name: String,
    pub durable: Durable,
    /// What positions have as their source.
    pub uid: Uid,
    pub reading: Reading,
    /// Where its events go.
    pub broker: Uid,
    /// Where messages go that claim to be events and are none.
    pub undecodable: Uid,
    /// So many messages may be under way here.
    pub most: usize,
}

/// Its ends of the channels.
#[derive(Debug)]
pub struct Ends {
    pub news: Sender<News>,
    pub orders: UnboundedReceiver<Order>,
}

pub struct Consumer {
    consumed: Consumed,
    parking: Parking,
    login: Login,
    ends: Ends,
}

/// Connected, or to be.
struct Open {
    consumed: Consumed,
    parking: Parking,
    client: Client,
    context: Context,
    news: Sender<News>,
    epoch: Epoch,
    main: Line,
    parked: Line,
    read: Read,
    /// The stream and its consumer, while both are there: when they were made.
    known: Option<(String, String)>,
    is_ready: bool,
    looking: Look,
    look_due: Instant,
    trouble: Option<(String, Instant)>,
}

enum Woken {
    Orders(usize),
    Heard(Option<Event>),
    Main(Option<async_nats::Message>),
    Parked(Option<async_nats::Message>),
    Confirmed(Confirmed),
    ParkedConfirmed(Confirmed),
    Looked(Found),
    Due,
}

static FOREIGN: Limit = Limit::new("a parked record that can't be read", 1);
static CLIENT: Limit = Limit::new("the NATS client says", 1);

impl Consumer {
    pub fn new(consumed: Consumed, login: Login, ends: Ends) -> Consumer {
        Consumer { parking: consumed.durable.parking(), consumed, login, ends }
    }

    /// Until the loop ends it, or is gone.
    pub async fn run(self) {
        let Consumer { consumed, parking, login, ends } = self;
        let Ends { news, mut orders } = ends;
        let (said, mut heard) = unbounded_channel();
        let said = move |event| drop(said.send(event));
        let opened = async {
            let client = login.connect(said).await?;
            let Durable { stream, name, .. } = &consumed.durable;
            let main = Line::open(&client, stream, name, consumed.most).await?;
            let most = consumed.most.div_ceil(2);
            let parked = Line::open(&client, &parking.stream, &parking.durable, most).await?;
            Ok::<_, String>((client, main, parked))
        };
        let (client, main, parked) = match opened.await {
            Ok(opened) => opened,
            // What could be wrong was looked at before.
            Err(why) => return tracing::error!(source = consumed.name, why, "NATS can't be consumed"),
        };
        let context = jetstream::new(client.clone());
        let mut open = Open {
            consumed,
            parking,
            client,
            context,
            news,
            epoch: Epoch(0),
            main,
            parked,
            read: Read::default(),
            known: None,
            is_ready: false,
            looking: Look::default(),
            look_due: Instant::now(),
            trouble: None,
        };
        let mut ordered = Vec::new();
        loop {
            open.turn().await;
            let woken = {
                let wake = open.wake();
                let Open { main, parked, looking, .. } = &mut open;
                tokio::select! {
                    biased;
                    count = orders.recv_many(&mut ordered, ORDERS) => Woken::Orders(count),
                    event = heard.recv() => Woken::Heard(event),
                    told = confirmation(&mut main.confirming) => Woken::Confirmed(told),
                    told = confirmation(&mut parked.confirming) => Woken::ParkedConfirmed(told),
                    found = looking.found() => Woken::Looked(found),
                    message = main.subscriber.next() => Woken::Main(message),
                    message = parked.subscriber.next() => Woken::Parked(message),
                    () = tokio::time::sleep_until(wake.into()) => Woken::Due,
                }
            };
            let now = Instant::now();
            match woken {
                // A loop that is gone wants nothing any more.
                Woken::Orders(0) => break,
                Woken::Orders(_) => {
                    if !ordered.drain(..).all(|order| open.carry_out(order)) {
                        break;
                    }
                }
                Woken::Heard(event) => open.heard(event),
                Woken::Confirmed(told) => open.main.confirmed(&told, now),
                Woken::ParkedConfirmed(told) => open.parked.confirmed(&told, now),
                Woken::Looked(found) => open.looked(found, now),
                Woken::Main(message) => open.take(message, now),
                Woken::Parked(message) => open.take_parked(message, now).await,
                Woken::Due => {}
            }
        }
        open.end().await;
    }
}

impl Open {
    /// What is to be done between two things that happen.
    async fn turn(&mut self) {
        let now = Instant::now();
        for _ in 0..BATCH {
            let Some(message) = self.main.ready() else { break };
            self.take(Some(message), now);
        }
        if !self.read.arrivals.is_empty() || !self.read.parked.is_empty() {
            // A loop that is gone needs nothing.
            let _ = self.news.send(News::Read(std::mem::take(&mut self.read)));
        }
        // What is sent to nobody would wait, and this with it.
        if self.client.connection_state() != State::Connected {
            self.look_due = self.look_due.max(now + LOOK_AGAIN / 5);
            return;
        }
        if now >= self.look_due && !self.looking.is_under_way() {
            self.looking.begin(&self.consumed.durable, &self.parking, &self.context, self.known.is_none());
        }
        for line in [&mut self.main, &mut self.parked] {
            line.answer(now).await;
            line.touch(now).await;
            if self.is_ready {
                line.ask(now, None).await;
            }
        }
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let wake = self.main.due(now).min(self.parked.due(now));
        let wake = if self.looking.is_under_way() { wake } else { wake.min(self.look_due) };
        wake.max(now + Duration::from_millis(1))
    }

    /// False: it was the last.
    fn carry_out(&mut self, order: Order) -> bool {
        match order {
            Order::Settled { sequence, buried } => {
                self.main.done(sequence, if buried { Answer::Term } else { Answer::Ack });
            }
            Order::Unparked(sequence) => self.parked.done(sequence, Answer::Ack),
            Order::End => return false,
        }
        true
    }

    fn heard(&mut self, event: Option<Event>) {
        let source = &self.consumed.name;
        match event {
            Some(Event::Connected) => {
                tracing::info!(source, "connected to NATS");
                self.main.forget_asked();
                self.parked.forget_asked();
                self.looking.forget();
                self.look_due = Instant::now();
            }
            Some(Event::Disconnected) => {
                tracing::warn!(
                    source,
                    "NATS is away: what is under way goes on, and is answered for when it is back"
                );
            }
            Some(Event::SlowConsumer(_)) => {
                // What the client has dropped comes again after a while.
                self.main.forget_asked();
                self.parked.forget_asked();
                if CLIENT.admits() {
                    tracing::warn!(
                        source,
                        "messages came faster than they could be taken in: they come again"
                    );
                }
            }
            Some(event) if CLIENT.admits() => tracing::warn!(source, "the NATS client says: {event}"),
            _ => {}
        }
    }

    fn looked(&mut self, found: Found, now: Instant) {
        match found {
            Ok(found) => {
                self.look_due = now + LOOK;
                self.found(&found.0, &found.1);
            }
            Err(unfit) => {
                self.look_due = now + if matches!(unfit, Unfit::Wrong(_)) { LOOK } else { LOOK_AGAIN };
                self.is_ready = false;
                self.say(unfit.to_string(), now);
            }
        }
    }

    fn found(&mut self, stream: &Stream, info: &Info) {
        let source = &self.consumed.name;
        let of_stream = stream.cached_info();
        let now = (of_stream.created.to_string(), info.created.to_string());
        self.main.waits(info.config.ack_wait);
        self.parked.waits(self.parking.ack_wait);
        match &self.known {
            None => {
                self.begin();
                self.tell(stream, info, "going on");
            }
            Some(known) if known.0 != now.0 => {
                tracing::warn!(
                    source = self.consumed.name,
                    stream = self.consumed.durable.stream,
                    "the stream was made anew: what is under way of the one before is left"
                );
                self.begin();
                self.tell(stream, info, "it was another stream");
            }
            Some(known) if known.1 != now.1 => {
                self.main.held.forget_acknowledged();
                self.main.forget_asked();
                self.tell(stream, info, "it was another consumer");
            }
            Some(_) if self.trouble.is_some() => tracing::info!(source, "all is there again: going on"),
            Some(_) => {}
        }
        (self.known, self.is_ready, self.trouble) = (Some(now), true, None);
    }

    fn begin(&mut self) {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.main.begin_again();
        self.read = Read::default();
        let _ = self.news.send(News::Begun(self.epoch));
    }

    fn tell(&self, stream: &Stream, info: &Info, was: &str) {
        let state = &stream.cached_info().state;
        tracing::info!(
            source = self.consumed.name,
            stream = self.consumed.durable.stream,
            consumer = self.consumed.durable.name,
            first = state.first_sequence,
            last = state.last_sequence,
            from = info.delivered.stream_sequence + 1,
            to_read = info.num_pending,
            unacknowledged = info.num_ack_pending,
            "consumer taken: {was}"
        );
    }

    fn say(&mut self, why: String, now: Instant) {
        let is_new = self.trouble.as_ref().is_none_or(|(before, said)| *before != why || now >= *said);
        if is_new {
            tracing::error!(
                source = self.consumed.name,
                why,
                "NATS can't be consumed just now: trying again"
            );
            self.trouble = Some((why, now + SAID_AGAIN));
        }
    }

    /// Nobody answers for a consumer: what is there?
    fn lost(&mut self, why: &str) {
        tracing::debug!(source = self.consumed.name, why, "a consumer is gone");
        self.is_ready = false;
        self.look_due = self.look_due.min(Instant::now() + LOOK_AGAIN / 5);
    }

    fn take(&mut self, message: Option<async_nats::Message>, now: Instant) {
        let message = match self.main.hear(message, now) {
            Heard::Message(message) => message,
            Heard::Word | Heard::Unpinned => return,
            Heard::Gone(why) => return self.lost(&why),
        };
        let Some((reply, place)) = message.reply.clone().and_then(|reply| {
            let place = Place::of(&reply)?;
            Some((reply, place))
        }) else {
            return;
        };
        if self.main.came(place.sequence, (reply, message.length), now) {
            let arrival = self.consumed.arrival(&message, &place, (0, self.epoch));
            self.read.arrivals.push(arrival);
        }
    }

    /// A parked delivery: of whichever worker has parked it, and due or not.
    async fn take_parked(&mut self, message: Option<async_nats::Message>, now: Instant) {
        let message = match self.parked.hear(message, now) {
            Heard::Message(message) => message,
            Heard::Word | Heard::Unpinned => return,
            Heard::Gone(why) => return self.lost(&why),
        };
        let Some(place) = message.reply.as_ref().and_then(|reply| Place::of(reply)) else { return };
        let Some(reply) = message.reply.clone() else { return };
        if !self.parked.came(place.sequence, (reply, message.length), now) {
            return;
        }
        let Some((due, parked)) = self.consumed.parked(place.sequence, &message.payload) else {
            if FOREIGN.admits() {
                tracing::error!(
                    source = self.consumed.name,
                    stream = self.parking.stream,
                    sequence = place.sequence,
                    "a record that is no parked delivery of this source, or of a newer version, is left where it is"
                );
            }
            return self.parked.release(place.sequence, UNREADABLE).await;
        };
        let wait = Duration::from_nanos(due.saturating_sub(unix_nanos()));
        match wait > SOON {
            true => self.parked.release(place.sequence, wait).await,
            false => self.read.parked.push(parked),
        }
    }

    async fn end(mut self) {
        if self.client.connection_state() != State::Connected {
            tracing::warn!(
                source = self.consumed.name,
                "NATS is away at the end: what is done and not answered for is handed out again"
            );
            return;
        }
        let by = Instant::now() + FAREWELL;
        self.main.give_back().await;
        self.parked.give_back().await;
        self.main.finish(by).await;
        self.parked.finish(by).await;
        let _ = tokio::time::timeout_at(by.into(), self.client.flush()).await;
    }
}

impl Consumed {
    pub(super) fn arrival(
        &self,
        message: &async_nats::Message,
        place: &Place,
        (partition, epoch): (u32, Epoch),
    ) -> Arrival {
        let position = Position { source: self.uid, partition, offset: place.sequence };
        let of_it = (message.headers.as_ref(), &*message.payload);
        let read = Message::of(&message.subject, place.sequence, place.published / 1_000_000, of_it);
        let mut bytes = Vec::with_capacity(512);
        let broker = match self.reading.event(&read) {
            Ok(event) => {
                record::encode(&event, &mut bytes);
                self.broker
            }
            Err(why) => {
                record::encode(&self.reading.undecodable(&read, &why), &mut bytes);
                self.undecodable
            }
        };
        let envelope = Envelope::new(position, epoch, bytes.into()).expect("it was encoded here");
        Arrival { envelope, broker }
    }

    /// With when it is due, in nanoseconds since 1970.
    fn parked(&self, sequence: u64, bytes: &Bytes) -> Option<(u64, Parked)> {
        let parked = ParkedRecord::decode(bytes).ok().filter(|parked| parked.position.source == self.uid)?;
        let label = Label::of(sequence | AFAR, &parked).ok()?;
        let record = Bytes::copy_from_slice(parked.record);
        let envelope = Envelope::new(parked.position, Epoch(0), record).ok()?;
        Some((parked.due, Parked { label, envelope, broker: parked.broker }))
    }
}
