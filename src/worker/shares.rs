//! The streams of brokers that this worker shares with others, message by message: what the loop has to keep of them beside
//! what its core does, and what it says to their consumers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use tokio::sync::mpsc::UnboundedSender;

use super::attempt::Aside;
use super::report::Report;
use super::streams;
use crate::dispatch::{Core, End, Fate, Input, Keys, StubKey};
use crate::event::parked::{AFAR, ParkedRecord};
use crate::event::{Envelope, Position, Stream, Uid};
use crate::sink::parcel::{Contents, Instead, Outlet, Parcel, Plain};
use crate::source::kafka::news::Fetched;
use crate::source::nats::news::{News, Order, Parked, Read};
use crate::time::Clock;

/// The loop's ends of the channels to one consumer.
#[derive(Debug)]
pub struct Share {
    /// What positions have as their source.
    pub source: Uid,
    /// What was read. The consumer holds no more than it may, so neither does the channel.
    pub news: Receiver<News>,
    pub orders: UnboundedSender<Order>,
    /// Where it parks.
    pub parking: Arc<Outlet>,
    /// "default/orders".
    pub name: String,
    /// Some of its events wait for a trigger, and that was said.
    pub waits: bool,
}

#[derive(Debug, Default)]
pub(super) struct Shares {
    pub(super) shares: Vec<Share>,
    /// Parked deliveries that are here, by their share and record.
    parked: HashMap<(usize, u64), (Envelope, Uid)>,
    /// Events that are under way and of which a delivery has become a dead letter.
    buried: HashSet<(usize, u64)>,
    /// All is to be given back, by then at the latest.
    leaves: Option<Instant>,
    left: Vec<bool>,
}

impl Shares {
    pub(super) fn new(shares: Vec<Share>) -> Shares {
        Shares { left: vec![false; shares.len()], shares, ..Shares::default() }
    }

    pub(super) fn of(&self, source: Uid) -> Option<usize> {
        self.shares.iter().position(|share| share.source == source)
    }

    /// What one consumer has read.
    pub(super) fn take(
        &mut self,
        number: usize,
        (keys, clock): (&Keys, Clock),
        inputs: &mut Vec<Input<Report>>,
    ) {
        let (source, partition) = (self.shares[number].source, 0);
        let Ok(news) = self.shares[number].news.try_recv() else { return };
        let Read { arrivals, parked } = match news {
            News::Begun(epoch) => {
                self.parked.retain(|(of, _), _| *of != number);
                self.buried.retain(|(of, _)| *of != number);
                return inputs.push(Input::Shared { source, partition, epoch });
            }
            News::Read(read) => read,
        };
        let arrived = |arrival: crate::source::queue::Arrival| Input::Arrived {
            envelope: arrival.envelope,
            broker: arrival.broker,
        };
        inputs.extend(arrivals.into_iter().map(arrived));
        if parked.is_empty() {
            return;
        }
        let mut labels = Vec::with_capacity(parked.len());
        for Parked { label, envelope, broker } in parked {
            self.parked.insert((number, label.id & !AFAR), (envelope, broker));
            labels.push(label);
        }
        let parked = streams::stubs(labels, keys, clock);
        inputs.push(Input::Unparked { source, partition, parked });
    }

    /// The record that a delivery is parked as.
    pub(super) fn parcel(&self, number: usize, aside: Aside) -> Parcel {
        // A record that is written again, as after a kill, is the same record.
        let id = ParkedRecord::decode(&aside.record).map(|r| format!("{}/{}", r.delivery, r.attempts));
        let id = id.expect("the worker encoded it");
        Parcel {
            outlet: Arc::clone(&self.shares[number].parking),
            partition: None,
            timestamp: None,
            contents: Contents::Plain(Plain {
                key: None,
                headers: vec![("Nats-Msg-Id".to_owned(), Some(id.into_bytes()))],
                value: Some(aside.record),
            }),
            instead: Instead::Parked,
        }
    }

    /// What becomes of a delivery of it.
    pub(super) fn note(&mut self, position: Position, fate: &Fate) {
        let is_buried = matches!(fate, Fate::Ended { end: End::DeadLettered | End::GivenUp, record: None });
        if is_buried && let Some(number) = self.of(position.source) {
            self.buried.insert((number, position.offset));
        }
    }

    /// The event has settled.
    pub(super) fn settled(&mut self, position: Position) {
        let Some(number) = self.of(position.source) else { return };
        let sequence = position.offset;
        let buried = !self.buried.is_empty() && self.buried.remove(&(number, sequence));
        self.order(number, Order::Settled { sequence, buried });
    }

    /// A parked record is done, durably.
    pub(super) fn over(&mut self, number: usize, sequence: u64) {
        self.parked.remove(&(number, sequence));
        self.order(number, Order::Unparked(sequence));
    }

    /// A parked event, which is here already.
    pub(super) fn fetch(&self, stub: StubKey, stream: Stream, id: u64) -> Option<Fetched> {
        let (envelope, broker) = self.parked.get(&(self.of(stream.0)?, id & !AFAR))?;
        Some(Fetched { stub, envelope: envelope.clone(), broker: *broker })
    }

    /// The worker stops.
    pub(super) fn recall(&mut self, by: Instant, inputs: &mut Vec<Input<Report>>) {
        self.leaves = Some(by);
        let recalled = |share: &Share| Input::Recalled { source: share.source, partition: 0 };
        inputs.extend(self.shares.iter().map(recalled));
    }

    /// Says so where events begin to wait for a trigger that they meet.
    pub(super) fn look(&mut self, core: &Core) {
        for share in &mut self.shares {
            let unmet = core.unmet(share.source, 0);
            if let Some((envelope, _)) = unmet
                && !share.waits
            {
                streams::tell_unmet(&share.name, 0, envelope);
            }
            share.waits = unmet.is_some();
        }
    }

    /// Gives back what is quiet, or has had its time.
    pub(super) fn release(&mut self, core: &Core, inputs: &mut Vec<Input<Report>>) {
        let Some(by) = self.leaves else { return };
        let is_late = by <= Instant::now();
        for number in 0..self.shares.len() {
            let source = self.shares[number].source;
            if !self.left[number] && (is_late || core.is_quiet(source, 0)) {
                self.left[number] = true;
                self.order(number, Order::End);
                inputs.push(Input::Revoked { source, partition: 0 });
            }
        }
    }

    pub(super) fn leaves(&self) -> Option<Instant> {
        self.leaves.filter(|_| self.left.contains(&false))
    }

    fn order(&self, number: usize, order: Order) {
        // A consumer that is gone has said why.
        let _ = self.shares[number].orders.send(order);
    }
}
