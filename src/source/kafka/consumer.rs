//! One member of a consumer group: a thread that reads what it is assigned, in batches, commits what it is told is done, and
//! gives partitions back when what has begun of them has ended. Whatever runs elsewhere, it never waits for longer than a
//! moment: the group hears of it in time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError, bounded};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::runtime::Handle;

use super::farewell::Farewell;
use super::firsts::Firsts;
use super::gauge::Gauge;
use super::group::{Change, Group, Place, list_of};
use super::inlet::{Content, Inlet};
use super::news::{Commit, News, Order, Read};
use super::parked::Wanted;
use super::start::Start;
use super::{Reading, Record};
use crate::client::kafka;
use crate::dispatch::Progress;
use crate::event::{Envelope, Epoch, Position, Stream, Uid};
use crate::source::queue::Arrival;
use crate::telemetry::limit::Limit;
use crate::telemetry::metrics::Partitions;

/// How long it waits for a message, or for room in the channel, before it looks after the group again.
pub(super) const MOMENT: Duration = Duration::from_millis(20);
/// How long a broker may take to answer a question.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing comes of a partition that does not end there before it is looked into.
const STILL: Duration = Duration::from_secs(3);

static HELD: Limit = Limit::new("partitions are read no further", 1);
static READ_ON: Limit = Limit::new("partitions are read on", 1);

/// What is consumed, and how.
#[derive(Debug)]
pub struct Consumed {
    /// As the log has it: `default/orders`.
    pub name: String,
    pub group: String,
    /// In order.
    pub topics: Vec<String>,
    /// Of each topic: what positions have as their source.
    pub uids: BTreeMap<String, Uid>,
    pub start: Start,
    pub reading: Reading,
    /// Where its events go.
    pub broker: Uid,
    /// Where records go that claim to be events and are none.
    pub undecodable: Uid,
    pub firsts: Arc<Firsts>,
}

/// Its ends of the channels.
#[derive(Debug)]
pub struct Ends {
    pub changes: Sender<News>,
    pub reads: Sender<Read>,
    pub orders: Receiver<Order>,
    /// To whoever reads what is parked.
    pub wanted: Sender<Wanted>,
    pub cells: Arc<Partitions>,
}

pub struct Consumer {
    pub(super) consumed: Consumed,
    /// For those who make what is not there.
    pub(super) cluster: ClientConfig,
    pub(super) runtime: Handle,
    pub(super) parks: bool,
    pub(super) client: Arc<BaseConsumer<Group>>,
    pub(super) inlet: Inlet<Group>,
    pub(super) ends: Ends,
    pub(super) owned: BTreeMap<Place, Owned>,
    pub(super) epoch: u32,
    /// Read, and not handed over.
    pub(super) unsaid: Option<Read>,
    pub(super) commit_due: Instant,
    /// Partitions that the group waits for.
    pub(super) leaving: Vec<Place>,
    /// Those of which nothing is read: the client remembers that, whoever has them meanwhile.
    pub(super) paused: BTreeSet<Place>,
    /// It is over, and what is still to be done has its time.
    pub(super) ends_by: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Owned {
    pub(super) stream: Stream,
    pub(super) epoch: Epoch,
    /// Where it parks.
    pub(super) parking: Place,
    /// Commits that say less are not sent.
    pub(super) done: Progress,
    pub(super) parked: Option<Progress>,
    /// Something of it is not committed.
    pub(super) moved: bool,
    pub(super) leaving: bool,
    /// What is done is known for the last time.
    pub(super) left: bool,
    /// What is read next, if nothing is left out, and since when that is so.
    pub(super) next: u64,
    pub(super) since: Instant,
    /// Asked whether anything stands from there to the end.
    pub(super) asked: Option<Receiver<u64>>,
    pub(super) seen: u64,
    pub(super) gauge: Gauge,
}

/// The settings of a member of the group, over those of the cluster.
pub fn configure(client: &mut ClientConfig, group: &str) {
    for (name, value) in [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // What to do where nothing can be read any more is decided here.
        ("auto.offset.reset", "error"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // The default of a second would cap a consumer that keeps little in memory.
        ("fetch.queue.backoff.ms", "2"),
        ("queued.max.messages.kbytes", "32768"),
        // A topic that comes into being is found by then.
        ("topic.metadata.refresh.interval.ms", "10000"),
        ("allow.auto.create.topics", "false"),
        ("socket.keepalive.enable", "true"),
    ] {
        client.set(name, value);
    }
}

impl Consumer {
    /// Joins the group; nothing is read before `run`. Must be called on a tokio runtime. `cluster`: without the settings of
    /// a member.
    pub fn join(
        member: &ClientConfig,
        cluster: ClientConfig,
        consumed: Consumed,
        ends: Ends,
    ) -> KafkaResult<Consumer> {
        let group = Group::of(consumed.name.clone());
        let create = |config: &ClientConfig| config.create_with_context(group);
        let client: Arc<BaseConsumer<Group>> = kafka::make_for_long(member, create)?;
        let topics: Vec<&str> = consumed.topics.iter().map(String::as_str).collect();
        client.subscribe(&topics)?;
        let inlet = Inlet::new(&client);
        Ok(Consumer {
            consumed,
            cluster,
            runtime: Handle::current(),
            parks: false,
            client,
            inlet,
            ends,
            owned: BTreeMap::new(),
            epoch: 0,
            unsaid: None,
            commit_due: Instant::now(),
            leaving: Vec::new(),
            paused: BTreeSet::new(),
            ends_by: None,
        })
    }

    /// Until the loop ends it, or is gone.
    pub fn run(mut self) -> Farewell {
        loop {
            self.look_after_the_group();
            if !self.obey() {
                break;
            }
            self.commit();
            self.say();
            if self.unsaid.is_none() {
                self.read();
            }
        }
        let by = self.ends_by.unwrap_or_else(|| Instant::now() + PATIENCE);
        Farewell::begin(self.client, self.consumed.name, by)
    }

    /// Rebalances, errors, answers to commits.
    fn look_after_the_group(&mut self) {
        self.serve(Duration::ZERO);
        let client = Arc::clone(&self.client);
        while let Some(change) = client.context().next_change() {
            match change {
                Change::Assigned(places) => self.assigned(&places),
                Change::Revoked(places) => self.revoked(places),
                Change::Lost(places) => self.lost(&places),
            }
        }
    }

    /// Lets the client say what it has to say.
    pub(super) fn serve(&self, wait: Duration) {
        match self.client.poll(wait) {
            None => {}
            // None comes this way: the partitions are led elsewhere before they are assigned.
            Some(Ok(message)) => {
                tracing::error!(topic = rdkafka::Message::topic(&message), "a record came by the wrong way");
            }
            Some(Err(error)) => self.failed(&error),
        }
    }

    fn failed(&self, error: &KafkaError) {
        let name = &self.consumed.name;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                tracing::warn!(source = %name, %error, "a topic is not there: waiting for it");
            }
            // The client has said so by itself, and says it again with each attempt to connect.
            _ if kafka::is_of_a_connection(error) => tracing::debug!(source = %name, %error, "Kafka"),
            _ => tracing::warn!(source = %name, %error, "Kafka"),
        }
    }

    /// False: it is over.
    fn obey(&mut self) -> bool {
        loop {
            match self.ends.orders.try_recv() {
                Ok(order) => {
                    if !self.carry_out(order) {
                        return false;
                    }
                }
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// False: it was the last.
    pub(super) fn carry_out(&mut self, order: Order) -> bool {
        match order {
            Order::Commit(commits) => commits.into_iter().for_each(|commit| self.note(commit, false)),
            Order::Leave(commit) => {
                self.note(commit, true);
                self.leave();
            }
            Order::Hold(stream, holds) => self.hold(stream, holds),
            Order::Over(..) => {}
            Order::End { commits, by } => {
                commits.into_iter().for_each(|commit| self.note(commit, true));
                let places: Vec<Place> = self.owned.keys().cloned().collect();
                self.ends_by = Some(by);
                self.commit_last(&places, by);
                return false;
            }
        }
        true
    }

    fn note(&mut self, commit: Commit, last: bool) {
        let same = |owned: &&mut Owned| owned.stream == commit.stream && owned.epoch == commit.epoch;
        if let Some(owned) = self.owned.values_mut().find(same) {
            owned.moved |= owned.done != commit.progress || owned.parked != commit.parked;
            (owned.done, owned.parked, owned.left) = (commit.progress, commit.parked, last);
        }
    }

    fn hold(&mut self, stream: Stream, holds: bool) {
        let Some((place, _)) = self.owned.iter().find(|(_, owned)| owned.stream == stream) else { return };
        let list = list_of(std::slice::from_ref(place));
        if holds {
            self.paused.insert(place.clone());
        } else {
            self.paused.remove(place);
        }
        let done = if holds { self.client.pause(&list) } else { self.client.resume(&list) };
        let (source, (topic, partition)) = (&self.consumed.name, place);
        if holds && HELD.admits() {
            tracing::info!(
                source,
                topic,
                partition,
                "a partition is read no further for now: what is done ahead of what is not has no room in its commit"
            );
        } else if !holds && READ_ON.admits() {
            tracing::info!(source, topic, partition, "a partition is read on");
        }
        if let Err(error) = done {
            tracing::warn!(source = %self.consumed.name, %error, "a partition can't be held or gone on with");
        }
    }

    pub(super) fn tell(&self, news: News) {
        // A loop that is gone needs to know nothing.
        let _ = self.ends.changes.send(news);
    }

    /// Hands over what was read; what finds no room is kept, and nothing more is read.
    fn say(&mut self) {
        let Some(read) = self.unsaid.take() else { return };
        if let Err(SendTimeoutError::Timeout(read)) = self.ends.reads.send_timeout(read, MOMENT) {
            self.unsaid = Some(read);
        }
    }

    fn read(&mut self) {
        let Consumer { consumed, inlet, owned, .. } = self;
        let mut read = Read::default();
        let mut reset = Vec::new();
        let mut place: Place = Default::default();
        let mut current: Option<&mut Owned> = None;
        for message in inlet.take(MOMENT) {
            if current.is_none() || (message.topic(), message.partition()) != (&place.0, place.1) {
                place = (message.topic().to_owned(), message.partition());
                current = owned.get_mut(&place).filter(|owned| !owned.leaving);
            }
            // Of one that is not ours any more.
            let Some(owned) = &mut current else { continue };
            match message.content() {
                Content::Record(record) => {
                    owned.next = u64::try_from(record.offset).unwrap_or(0) + 1;
                    owned.gauge.times.note(owned.next - 1, record.timestamp);
                    read.arrivals.push(consumed.arrival(&record, owned));
                }
                // Nobody asked.
                Content::End { .. } => {}
                Content::Failed(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    reset.push(place.clone());
                }
                Content::Failed(error) => tracing::warn!(
                    source = %consumed.name, topic = place.0, partition = place.1, %error, "reading failed"
                ),
            }
        }
        if !read.arrivals.is_empty() {
            self.unsaid = Some(read);
        }
        for place in reset {
            self.begin_again(&place);
        }
    }

    /// Where nothing comes though a partition does not end there: what stands from there on are gaps, perhaps, and markers
    /// of transactions, which hold up nobody.
    pub(super) fn look_for_gaps(&mut self) {
        let Consumer { inlet, owned, ends, .. } = self;
        let mut read = Read::default();
        for (place, owned) in owned.iter_mut().filter(|(_, owned)| !owned.leaving) {
            if let Some(passed) = owned.asked.as_ref().and_then(|asked| asked.try_recv().ok()) {
                owned.asked = None;
                if passed > owned.next {
                    owned.next = passed;
                    read.passed.push((owned.stream, owned.epoch, passed));
                }
            }
            let behind = inlet.end(&place.0, place.1).is_some_and(|end| owned.next < end);
            let moved = std::mem::replace(&mut owned.seen, owned.next) != owned.next;
            if !behind || moved {
                owned.since = Instant::now();
            } else if owned.asked.is_none() && owned.since.elapsed() > STILL {
                owned.since = Instant::now();
                let (answer, asked) = bounded(1);
                let wanted = Wanted::Passed { place: place.clone(), from: owned.next, answer };
                owned.asked = ends.wanted.send(wanted).ok().map(|()| asked);
            }
        }
        if !read.passed.is_empty() {
            self.unsaid = Some(read);
        }
    }
}

impl Consumed {
    fn arrival(&self, record: &Record<'_>, owned: &Owned) -> Arrival {
        let (source, partition) = owned.stream;
        let position = Position { source, partition, offset: record.offset.try_into().unwrap_or(0) };
        let (event, broker) = match self.reading.event(record) {
            Ok(event) => {
                self.firsts.note(&event.ty);
                (event, self.broker)
            }
            Err(why) => (self.reading.undecodable(record, &why), self.undecodable),
        };
        let envelope = Envelope::of(position, owned.epoch, &event);
        Arrival { envelope, broker }
    }
}
