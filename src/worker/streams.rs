//! The partitions of brokers that are ours: what the loop has to keep of them beside what its core does, and what it says
//! to their consumers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender};

use super::attempt::{Aside, Attempt};
use super::report::Report;
use super::scribe::Settled;
use super::shares::{Share, Shares};
use crate::dispatch::{Core, Input, Keys, Progress, Stub, StubKey};
use crate::event::parked::{AFAR, Label};
use crate::event::segment::Mark;
use crate::event::{Envelope, Epoch, Position, Stream, Uid};
use crate::sink::parcel::{Contents, Instead, Outlet, Parcel, Plain};
use crate::source::kafka::firsts::MANY;
use crate::source::kafka::news::{Assignment, Commit, Fetched, Read};
use crate::source::kafka::{self, Done, Firsts, News, Order, Wanted};
use crate::time::{Clock, unix_nanos};

/// How often consumers are told how far their partitions are done.
const INTERVAL: Duration = Duration::from_millis(100);

/// The loop's ends of the channels to one consumer.
#[derive(Debug)]
pub struct Feed {
    /// Few, and never held back: who has which partition.
    pub changes: Receiver<News>,
    /// What was read. What changed before it was read has been said by then.
    pub reads: Receiver<Read>,
    pub orders: Sender<Order>,
    /// To and from whoever reads what is parked.
    pub wanted: Sender<Wanted>,
    pub fetched: Receiver<Vec<Fetched>>,
    /// The parking topic.
    pub parking: Arc<Outlet>,
    /// "default/orders".
    pub name: String,
    /// Its first events, until it is known whether they met any trigger.
    pub firsts: Option<Arc<Firsts>>,
}

#[derive(Debug)]
pub(super) struct Streams {
    pub(super) feeds: Vec<Feed>,
    /// Of those that have no partitions.
    pub(super) shared: Shares,
    partitions: BTreeMap<Stream, Partition>,
    /// How long what has begun gets to end when a partition is to be given back.
    patience: Duration,
    due: Instant,
    /// The embedded queue, which is none of them.
    queue: Uid,
}

#[derive(Debug)]
struct Partition {
    feed: usize,
    epoch: Epoch,
    told: Progress,
    /// Where it parks, and what is done there, if its consumer is told of that by commits.
    place: i32,
    done: Option<Done>,
    /// More of it is than was said.
    tells_parked: bool,
    /// Its consumer reads no more of it for now.
    holds: bool,
    /// It is to be given back, by then at the latest.
    leaves: Option<Instant>,
}

/// An event waits for a trigger that it meets, as its source wants it.
pub(super) fn tell_unmet(source: &str, partition: i32, envelope: &Envelope) {
    let (offset, ty) = (envelope.position.offset, envelope.event().ty.into_owned());
    tracing::warn!(
        source,
        partition,
        offset,
        ty,
        "an event met no trigger, and waits until it does: add one, or set weir.dev/unrouted to commit or dead-letter"
    );
}

impl Streams {
    pub(super) fn new(feeds: Vec<Feed>, shares: Vec<Share>, patience: Duration, queue: Uid) -> Streams {
        let shared = Shares::new(shares);
        Streams { feeds, shared, partitions: BTreeMap::new(), patience, due: Instant::now(), queue }
    }

    /// Wakes whoever waits when there is something of it.
    pub(super) fn select<'c>(&'c self, select: &mut Select<'c>, takes_reads: bool) {
        for feed in &self.feeds {
            select.recv(&feed.changes);
            select.recv(&feed.fetched);
            if takes_reads {
                select.recv(&feed.reads);
            }
        }
        for share in self.shared.shares.iter().filter(|_| takes_reads) {
            select.recv(&share.news);
        }
    }

    /// What one consumer has said of its partitions.
    pub(super) fn take_changes(
        &mut self,
        feed: usize,
        (keys, clock): (&Keys, Clock),
        inputs: &mut Vec<Input<Report>>,
    ) {
        while let Ok(news) = self.feeds[feed].changes.try_recv() {
            match news {
                News::Assigned(assignments) => {
                    for assignment in assignments {
                        let Assignment { stream, epoch, progress, parked, place, done } = assignment;
                        let told = progress.clone();
                        let tells_parked = false;
                        let (holds, leaves) = (false, None);
                        let partition =
                            Partition { feed, epoch, told, place, done, tells_parked, holds, leaves };
                        self.partitions.insert(stream, partition);
                        inputs.push(Input::Assigned {
                            source: stream.0,
                            partition: stream.1,
                            epoch,
                            progress,
                            ended: Vec::new(),
                            parked: stubs(parked, keys, clock),
                        });
                    }
                }
                News::Revoked(streams) => {
                    for (source, partition) in streams {
                        if let Some(known) = self.partitions.get_mut(&(source, partition)) {
                            known.leaves = Some(Instant::now() + self.patience);
                            inputs.push(Input::Recalled { source, partition });
                        }
                    }
                }
                News::Lost(streams) => {
                    for (source, partition) in streams {
                        self.partitions.remove(&(source, partition));
                        inputs.push(Input::Revoked { source, partition });
                    }
                }
            }
        }
    }

    /// What one consumer has read. What is to be given back is not begun.
    pub(super) fn take(&self, read: Read, inputs: &mut Vec<Input<Report>>) {
        let stays = |stream: Stream| self.partitions.get(&stream).is_some_and(|p| p.leaves.is_none());
        for arrival in read.arrivals {
            let Position { source, partition, .. } = arrival.envelope.position;
            if stays((source, partition)) {
                inputs.push(Input::Arrived { envelope: arrival.envelope, broker: arrival.broker });
            }
        }
        for (stream, epoch, offset) in read.passed.into_iter().filter(|(stream, ..)| stays(*stream)) {
            inputs.push(Input::Passed { source: stream.0, partition: stream.1, epoch, offset });
        }
    }

    /// What is written of an attempt: that a delivery of a broker's event has ended is nothing that the queue has to know, and
    /// what is parked of one is parked in Kafka, where whoever has its partition next finds it.
    pub(super) fn own(&self, position: Position, mut attempt: Attempt) -> Attempt {
        let stream = (position.source, position.partition);
        let is_afar = position.source != self.queue;
        let mut over = Vec::new();
        attempt.marks.retain(|mark| match mark {
            Mark::Ended(_) => !is_afar,
            Mark::Unparked(id) if id & AFAR != 0 => {
                over.push((stream, id & !AFAR));
                false
            }
            Mark::Unparked(_) => true,
        });
        let goes_afar = |aside: &mut Aside| aside.was.map_or(is_afar, |was| was & AFAR != 0);
        if let Some(aside) = attempt.parked.take_if(goes_afar) {
            over.extend(aside.was.map(|was| (stream, was & !AFAR)));
            // Of one that was lost in this turn nothing is left that could be parked.
            if let Some(number) = self.shared.of(position.source) {
                attempt.parcels.push(self.shared.parcel(number, aside));
            } else if let Some(partition) = self.partitions.get(&stream) {
                attempt.parcels.push(Parcel {
                    outlet: Arc::clone(&self.feeds[partition.feed].parking),
                    partition: Some(partition.place),
                    timestamp: None,
                    contents: Contents::Plain(Plain {
                        key: Some(aside.lane),
                        headers: Vec::new(),
                        value: Some(aside.record),
                    }),
                    instead: Instead::Parked,
                });
            }
        }
        attempt.over = over;
        attempt
    }

    /// Parked records that are done, durably.
    pub(super) fn over(&mut self, records: Vec<(Stream, u64)>) {
        for (stream, offset) in records {
            if let Some(partition) = self.partitions.get_mut(&stream) {
                match &mut partition.done {
                    Some(done) => {
                        done.add(offset);
                        partition.tells_parked = true;
                    }
                    // A consumer that is gone has said why.
                    None => drop(self.feeds[partition.feed].orders.send(Order::Over(stream, offset))),
                }
            } else if let Some(number) = self.shared.of(stream.0) {
                self.shared.over(number, offset);
            }
        }
    }

    /// Asks for a parked event, if it is not here.
    pub(super) fn fetch(&self, stub: StubKey, stream: Stream, id: u64) -> Option<Fetched> {
        let Some(partition) = self.partitions.get(&stream) else {
            return self.shared.fetch(stub, stream, id);
        };
        let wanted = Wanted::Fetch { stub, partition: partition.place, offset: id & !AFAR };
        // Whoever reads them lives as long as the loop.
        let _ = self.feeds[partition.feed].wanted.send(wanted);
        None
    }

    /// The worker stops: all is to be given back. What has not begun is left to others, however long it would have taken here.
    pub(super) fn recall(&mut self, by: Instant, inputs: &mut Vec<Input<Report>>) {
        for (&(source, partition), known) in self.partitions.iter_mut().filter(|(_, p)| p.leaves.is_none()) {
            known.leaves = Some(by);
            inputs.push(Input::Recalled { source, partition });
        }
        self.shared.recall(by, inputs);
    }

    /// Gives back what is to be given back and is quiet, or has had its time.
    pub(super) fn release(&mut self, core: &Core, inputs: &mut Vec<Input<Report>>) {
        let now = Instant::now();
        let over = |stream: &Stream, partition: &Partition| {
            partition.leaves.is_some_and(|by| by <= now || core.is_quiet(stream.0, stream.1))
        };
        let gone: Vec<Stream> =
            self.partitions.iter().filter(|(s, p)| over(s, p)).map(|(stream, _)| *stream).collect();
        for stream in gone {
            let partition = self.partitions.remove(&stream).expect("it was found");
            let commit = partition.commit(stream, core);
            self.order(partition.feed, Order::Leave(commit));
            inputs.push(Input::Revoked { source: stream.0, partition: stream.1 });
        }
        self.shared.release(core, inputs);
    }

    /// Tells consumers how far they are, and which of their partitions are too far ahead of what can be remembered.
    pub(super) fn commit(&mut self, core: &Core) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now + INTERVAL;
        let mut commits: BTreeMap<usize, Vec<Commit>> = BTreeMap::new();
        let mut orders = Vec::new();
        for (stream, partition) in &mut self.partitions {
            let Some(progress) = core.progress(stream.0, stream.1) else { continue };
            let holds = !kafka::fits(&progress, partition.holds) || !core.has_room_ahead(stream.0, stream.1);
            if holds != partition.holds {
                partition.holds = holds;
                if let Some((envelope, _)) = core.unmet(stream.0, stream.1).filter(|_| holds) {
                    tell_unmet(&self.feeds[partition.feed].name, partition.place, envelope);
                }
                orders.push((partition.feed, Order::Hold(*stream, holds)));
            }
            if progress != partition.told || std::mem::take(&mut partition.tells_parked) {
                partition.told = progress;
                let commit = partition.commit_of(*stream);
                commits.entry(partition.feed).or_default().push(commit);
            }
        }
        self.look_at_the_first(core);
        self.shared.look(core);
        orders.extend(commits.into_iter().map(|(feed, commits)| (feed, Order::Commit(commits))));
        for (feed, order) in orders {
            self.order(feed, order);
        }
    }

    /// Says so, once, where the first events of a source have all met no trigger.
    fn look_at_the_first(&mut self, core: &Core) {
        for (number, feed) in self.feeds.iter_mut().enumerate().filter(|(_, feed)| feed.firsts.is_some()) {
            let own = self.partitions.iter().filter(|(_, partition)| partition.feed == number);
            let met = own.map(|(stream, _)| core.met(stream.0, stream.1));
            let (met, unmet) = met.fold((0, 0), |sum, met| (sum.0 + met.0, sum.1 + met.1));
            if met > 0 {
                feed.firsts = None;
            } else if unmet >= MANY
                && let Some(firsts) = feed.firsts.take()
            {
                tracing::warn!(
                    source = feed.name,
                    events = unmet,
                    types = firsts.types(),
                    "none of the first events of a source met a trigger: they are committed and gone; weir explain says why"
                );
            }
        }
    }

    /// The last word. Consumers have until then for what they still have to do.
    pub(super) fn end(&self, core: &Core, by: Instant) {
        for (number, feed) in self.feeds.iter().enumerate() {
            let own = self.partitions.iter().filter(|(_, partition)| partition.feed == number);
            let commits = own.map(|(stream, partition)| partition.commit(*stream, core)).collect();
            // A consumer that is gone has said why.
            let _ = feed.orders.send(Order::End { commits, by });
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        let leaves = self.partitions.values().filter_map(|partition| partition.leaves).min();
        let commits = (!self.partitions.is_empty()).then_some(self.due);
        leaves.into_iter().chain(commits).chain(self.shared.leaves()).min()
    }

    fn order(&self, feed: usize, order: Order) {
        let _ = self.feeds[feed].orders.send(order);
    }
}

impl Partition {
    fn commit(&self, stream: Stream, core: &Core) -> Commit {
        let progress = core.progress(stream.0, stream.1).unwrap_or_else(|| self.told.clone());
        Commit { progress, ..self.commit_of(stream) }
    }

    fn commit_of(&self, stream: Stream) -> Commit {
        let parked = self.done.as_ref().map(Done::progress);
        Commit { stream, epoch: self.epoch, progress: self.told.clone(), parked }
    }
}

pub(super) fn stubs(labels: Vec<Label>, keys: &Keys, clock: Clock) -> Vec<Stub> {
    let (wall, now) = (unix_nanos(), clock.now());
    labels.into_iter().map(|label| label.into_stub(keys, now, wall)).collect()
}

/// What the scribe has written and read, as the core is told.
pub(super) fn take_settled(
    settled: Settled,
    queue: Uid,
    (keys, clock): (&Keys, Clock),
    inputs: &mut Vec<Input<Report>>,
) {
    let Settled { answers, fetched, unparked, evict_below, over: _ } = settled;
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
