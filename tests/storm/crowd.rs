//! A crowd of publishers that sends so many events and no more, in batches, each again until it is answered 202.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::dice::Dice;
use super::worker::Connection;

pub(crate) const PUBLISHERS: u64 = 4;
const MOST_IN_A_BATCH: u64 = 300;
/// About as many events as a key has.
const OF_A_KEY: u64 = 20;

/// Who sends what. An event is told by its publisher and its number there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Of each publisher.
    pub(crate) events: u64,
    keys: u64,
}

impl Plan {
    pub(crate) fn of(events: u64) -> Plan {
        let events = events / PUBLISHERS;
        Plan { events, keys: (events / 4 / OF_A_KEY).max(1) }
    }

    pub(crate) fn all(self) -> u64 {
        self.events * PUBLISHERS
    }

    /// Every second one, as long as the function is not mended.
    fn fails(number: u64) -> bool {
        number % 2 == 1
    }

    /// A quarter has one; of a key every second fails, too.
    pub(crate) fn key(self, number: u64) -> Option<u64> {
        (number % 8 < 2).then_some(number / 8 % self.keys)
    }

    fn batch(self, publisher: u64, numbers: std::ops::Range<u64>) -> String {
        let mut batch = String::from("[");
        for number in numbers {
            let between = if batch.len() > 1 { "," } else { "" };
            let data = if Plan::fails(number) { r#""!""# } else { "1" };
            let event = format!(
                r#"{between}{{"specversion":"1.0","type":"task","source":"/shop","id":"{publisher}-{number}","data":{data}"#
            );
            batch += &event;
            if let Some(key) = self.key(number) {
                write!(batch, r#","partitionkey":"{publisher}-{key}""#).unwrap();
            }
            batch.push('}');
        }
        batch + "]"
    }
}

#[derive(Debug)]
pub(crate) struct Crowd {
    /// Where the worker listens now.
    pub(crate) target: Arc<Mutex<SocketAddr>>,
    taken: Arc<AtomicU64>,
    publishers: Vec<JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn gather(plan: Plan, target: SocketAddr, dice: &mut Dice) -> Crowd {
        let target = Arc::new(Mutex::new(target));
        let taken = Arc::new(AtomicU64::new(0));
        let publish = |publisher| {
            let (target, taken, dice) = (Arc::clone(&target), Arc::clone(&taken), dice.fork());
            std::thread::spawn(move || publish(plan, publisher, dice, &target, &taken))
        };
        let publishers = (0..PUBLISHERS).map(publish).collect();
        Crowd { target, taken, publishers }
    }

    /// Events that were answered 202.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// When all have been.
    pub(crate) fn leave(self) {
        self.publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    }
}

fn publish(plan: Plan, publisher: u64, mut dice: Dice, target: &Mutex<SocketAddr>, taken: &AtomicU64) {
    let mut connection = None;
    let mut next = 0;
    while next < plan.events {
        let end = plan.events.min(next + dice.within(1..MOST_IN_A_BATCH));
        let batch = plan.batch(publisher, next..end);
        while !send(&mut connection, target, &batch) {
            // Between two workers there is nobody to connect to.
            std::thread::sleep(Duration::from_millis(2));
        }
        taken.fetch_add(end - next, Ordering::Relaxed);
        next = end;
    }
}

/// True: answered 202.
fn send(connection: &mut Option<Connection>, target: &Mutex<SocketAddr>, batch: &str) -> bool {
    let open = match connection.take() {
        Some(connection) => Ok(connection),
        None => Connection::open(*target.lock().unwrap()),
    };
    let answer = open.and_then(|mut open| {
        let headers = [("content-type", "application/cloudevents-batch+json")];
        open.post("/", &headers, batch.as_bytes()).map(|response| (open, response))
    });
    let Ok((open, response)) = answer else { return false };
    *connection = Some(open);
    assert!(matches!(response.status, 202 | 503), "{}: {}", response.status, response.text());
    response.status == 202
}
