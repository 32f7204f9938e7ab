//! What an attempt leaves on disk, or the decision to make none: the marks, events, dead letters and parked records that
//! follow from what the core has said. Nothing else decides that, in the worker or in its simulation.

use crate::dispatch::{End, Fate, Key, Parked};
use crate::event::segment::{Ended, Mark};
use crate::event::{Stream, Uid};
use crate::journal::Entry;
use crate::journal::day::Use;
use crate::sink::parcel::Parcel;
use crate::sink::parking::ParkedRecord;
use crate::time::Moment;

/// What is to be written together.
#[derive(Debug, Default)]
pub struct Attempt {
    /// Whom to answer once all of this is durable.
    pub delivery: Option<Key>,
    /// The journal's entry, encoded. Empty: no attempt was made.
    pub entry: Vec<u8>,
    pub wall_ns: u64,
    /// What it takes of its trigger's budget. `None`: there is none.
    pub used: Option<Box<Use>>,
    /// Replies, or the event as a dead letter for a broker: records with their broker.
    pub events: Vec<(Uid, Vec<u8>)>,
    /// Dead letters for the worker's own store, encoded.
    pub dead_letters: Vec<Vec<u8>>,
    /// What is over with it.
    pub marks: Vec<Mark>,
    pub parked: Option<Aside>,
    /// What goes to Kafka. It is acknowledged before anything of this is written: an attempt with any takes the way through
    /// the porter.
    pub parcels: Vec<Parcel>,
    /// The offset of the one among them that was the delivery's parked record: its id.
    pub parked_at: Option<u64>,
    /// Parked records of Kafka's that are done with it: told back once it is durable.
    pub over: Vec<(Stream, u64)>,
}

/// A delivery to be parked.
#[derive(Debug)]
pub struct Aside {
    /// As `ParkedRecord::encode` wrote it.
    pub record: Vec<u8>,
    /// The parked record whose place it takes.
    pub was: Option<u64>,
    /// The same for what waits in one lane.
    pub lane: Vec<u8>,
}

/// What an attempt has made, as long as it is not known what becomes of its delivery.
#[derive(Debug)]
pub struct Made {
    pub entry: Vec<u8>,
    pub wall_ns: u64,
    /// Which delivery this was an attempt of, as the queue knows it.
    pub mark: Ended,
    /// Written if the delivery ends as delivered.
    pub replies: Vec<(Uid, Vec<u8>)>,
    /// Those that go to Kafka; sent then, too.
    pub parcels: Vec<Parcel>,
    /// Replies that have gone round too often, encoded as dead letters; written with the replies.
    pub looping: Vec<Vec<u8>>,
}

/// Where what failed for good goes.
#[derive(Debug)]
pub enum Buried {
    /// To a broker, as an event.
    Sent(Uid, Vec<u8>),
    /// To a topic of Kafka, as an event.
    Shipped(Parcel),
    /// To the worker's own store, encoded.
    Kept(Vec<u8>),
}

/// The same moment by the core's clock and in nanoseconds since 1970: what is parked is due by the latter.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub moment: Moment,
    pub wall: u64,
}

impl Attempt {
    /// One that was made, now that the core has said what becomes of the delivery. `bury` is asked where that ends badly.
    pub fn settled(
        made: Made,
        delivery: Key,
        fate: Fate,
        now: Now,
        bury: impl FnOnce(End) -> Buried,
    ) -> Attempt {
        let mut attempt = Attempt { entry: made.entry, wall_ns: made.wall_ns, ..Attempt::default() };
        match fate {
            Fate::Retried => {}
            Fate::Fenced if attempt.entry.is_empty() => {}
            Fate::Fenced => Entry::fence(&mut attempt.entry),
            Fate::Parked(parked) => attempt.park(delivery, &parked, now),
            Fate::Ended { end, record } => {
                attempt.delivery = Some(delivery);
                if end == End::Returned {
                    return attempt;
                }
                attempt.marks.push(record.map_or(Mark::Ended(made.mark), Mark::Unparked));
                match end {
                    End::Delivered => {
                        attempt.events = made.replies;
                        attempt.parcels = made.parcels;
                        attempt.dead_letters = made.looping;
                    }
                    End::DeadLettered | End::GivenUp => {
                        if !attempt.entry.is_empty() {
                            Entry::bury(&mut attempt.entry);
                        }
                        match bury(end) {
                            Buried::Sent(broker, record) => attempt.events.push((broker, record)),
                            Buried::Shipped(parcel) => attempt.parcels.push(parcel),
                            Buried::Kept(letter) => attempt.dead_letters.push(letter),
                        }
                    }
                    End::Returned => unreachable!("its sender has it still: nothing is left here"),
                }
            }
        }
        attempt
    }

    /// A delivery whose trigger is gone, without having been attempted once more. `record`: what it was parked as.
    pub fn given_up(delivery: Key, letter: Vec<u8>, ended: Ended, record: Option<u64>) -> Attempt {
        Attempt {
            delivery: Some(delivery),
            dead_letters: vec![letter],
            marks: vec![record.map_or(Mark::Ended(ended), Mark::Unparked)],
            ..Attempt::default()
        }
    }

    /// A delivery that is parked without having been attempted.
    pub fn aside(delivery: Key, parked: &Parked, now: Now) -> Attempt {
        let mut attempt = Attempt::default();
        attempt.park(delivery, parked, now);
        attempt
    }

    fn park(&mut self, delivery: Key, parked: &Parked, now: Now) {
        let trigger = parked.trigger;
        let position = parked.envelope.position;
        let record = ParkedRecord {
            delivery: Uid::of_delivery(position, trigger, parked.replay),
            position,
            broker: parked.broker,
            trigger,
            attempts: parked.attempts,
            failures: parked.failures,
            replay: parked.replay,
            due: now.wall.saturating_add(now.moment.until(parked.due).as_nanos() as u64),
            holds: parked.holds,
            letter: None,
            record: parked.envelope.record(),
        };
        self.delivery = Some(delivery);
        // A record that takes the place of another goes with it: only a first one ends something in the queue.
        if parked.was.is_none() {
            self.marks.push(Mark::Ended(Ended { offset: position.offset, trigger }));
        }
        let key = parked.envelope.event().partition_key().unwrap_or_default().into_owned();
        let lane = format!("{trigger}/{key}").into_bytes();
        self.parked = Some(Aside { record: record.encode(), was: parked.was, lane });
    }

    /// About how much of a write it is.
    pub fn bytes(&self) -> usize {
        let events = self.events.iter().map(|(_, record)| record.len()).sum::<usize>();
        let parked = self.parked.as_ref().map_or(0, |aside| aside.record.len());
        let parcels = self.parcels.iter().map(Parcel::bytes).sum::<usize>();
        self.entry.len() + events + self.dead_letters.iter().map(Vec::len).sum::<usize>() + parked + parcels
    }
}
