//! What must hold when a storm over the parking has passed, counted once over the whole journal: it may have millions of
//! entries, so each is kept in a few words.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir::dispatch::{Outcome, Progress};
use weir::event::Uid;
use weir::journal::{self, Entry};
use weir::sink::parking::Parking;
use weir::sink::queue::QueueSink;
use weir::worker::archive::PROGRESS;
use weir::worker::query::Store;

use super::crowd::{PUBLISHERS, Plan};
use super::worker::Home;

/// What stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Events in the queue, those included that were sent again because a kill came before the 202.
    pub(crate) stored: u64,
    pub(crate) attempts: u64,
    pub(crate) charges: u64,
    pub(crate) most_attempts: u32,
}

/// An event of the queue, as the journal tells of it.
#[derive(Debug)]
struct Told {
    delivery: Uid,
    publisher: u64,
    number: u64,
    attempts: u32,
    succeeded: bool,
    /// In which worker's life the last attempt ended.
    life: usize,
}

/// An entry, in order.
#[derive(Clone, Copy, Debug)]
struct Attempted {
    offset: u64,
    succeeded: bool,
}

/// Checks a data directory at rest. `kills`: when each was over, in nanoseconds since 1970.
pub(crate) fn check(home: &Home, plan: Plan, kills: &[u64]) -> Account {
    let store = Store::open(&home.data()).unwrap();
    let mut events: HashMap<u64, Told> = HashMap::new();
    let mut entries = Vec::new();
    let mut charges = HashSet::new();
    let (mut paid, mut wall_ns) = (0, 0);
    assert_eq!(store.journal.first(), 0, "the journal has kept everything");
    let totals = journal::read(&store.journal, |entry| {
        let succeeded = entry.outcome == Outcome::Succeeded;
        let life = kills.partition_point(|&kill| kill < entry.ended);
        paid += u64::from(count(&mut events, entry, life));
        charges.insert(entry.charge());
        entries.push(Attempted { offset: entry.position.offset, succeeded });
        wall_ns += entry.wall_ns;
    });
    // The chain of digests and sums holds, or it could not be read.
    let totals = totals.unwrap();
    assert_eq!((totals.entries, totals.wall_ns), (entries.len() as u64, wall_ns));
    assert_eq!(charges.len() as u64, paid, "one charge for each attempt at each delivery");

    let stored = nothing_is_left(&store, &events);
    all_that_was_taken_is_there(plan, &events);
    keys_are_in_order(plan, &events, &entries);
    drop(store);
    let cost = home.cost();
    assert_eq!((cost.entries, cost.wall_ns), (totals.entries, totals.wall_ns));
    assert_eq!((cost.table.total.attempts, cost.table.total.wall_ns), (totals.entries, totals.wall_ns));
    let most_attempts = events.values().map(|told| told.attempts).max().unwrap();
    Account { stored, attempts: totals.entries, charges: paid, most_attempts }
}

/// Counts an attempt; false: a kill made it repeat. Attempts of a delivery are counted on without a gap, the next only
/// after a failure, and the same twice only in two lives.
fn count(events: &mut HashMap<u64, Told>, entry: &Entry<'_>, life: usize) -> bool {
    let (publisher, number) = entry.event_id.split_once('-').unwrap();
    let [publisher, number] = [publisher, number].map(|text| text.parse().unwrap());
    let delivery = entry.delivery;
    let told = events.entry(entry.position.offset).or_insert(Told {
        delivery,
        publisher,
        number,
        attempts: 0,
        succeeded: false,
        life,
    });
    assert_eq!((told.delivery, told.publisher, told.number), (delivery, publisher, number));
    assert!(!entry.fenced, "{entry:?}");
    let is_new = entry.attempt == told.attempts + 1 && !told.succeeded;
    let is_repeat = entry.attempt == told.attempts && life > told.life;
    assert!(is_new || is_repeat, "in life {life} came {entry:?} after {told:?}");
    told.attempts = entry.attempt;
    told.succeeded |= entry.outcome == Outcome::Succeeded;
    told.life = life;
    is_new
}

/// Every event of the queue has been done, and neither there nor in the parking there is anything to do. Returns how many
/// there were.
fn nothing_is_left(store: &Store, events: &HashMap<u64, Told>) -> u64 {
    let progress = store.queue.state(PROGRESS).unwrap().unwrap();
    let Progress { watermark, runs } = Progress::decode(&progress).unwrap();
    let next = QueueSink::open(Arc::clone(&store.queue), watermark).unwrap().next();
    assert_eq!((watermark, runs), (next, Vec::new()), "all that is in the queue has settled");
    assert_eq!(events.len() as u64, next, "every event of the queue was attempted");
    for (offset, told) in events {
        assert!(*offset < next && told.succeeded, "event {offset} was never done: {told:?}");
    }
    let parking = Parking::open(Arc::clone(&store.parking)).unwrap();
    assert_eq!(parking.shelf().live(), 0, "nothing is parked");
    assert_eq!(store.dead_letters.flushed(), 0, "nothing has failed for good");
    next
}

fn all_that_was_taken_is_there(plan: Plan, events: &HashMap<u64, Told>) {
    let mut there = vec![vec![false; plan.events as usize]; PUBLISHERS as usize];
    events.values().for_each(|told| there[told.publisher as usize][told.number as usize] = true);
    for (publisher, numbers) in there.iter().enumerate() {
        let lost = numbers.iter().position(|there| !there);
        assert_eq!(lost, None, "of publisher {publisher}, answered 202 and never done");
    }
}

/// Of a key, no event is attempted before all that stand before it in the queue are done; and they stand there in the
/// order in which they were sent first.
fn keys_are_in_order(plan: Plan, events: &HashMap<u64, Told>, entries: &[Attempted]) {
    let mut offsets: Vec<u64> = events.keys().copied().collect();
    offsets.sort_unstable();
    let mut keys: HashMap<(u64, u64), Key> = HashMap::new();
    let mut places: HashMap<u64, ((u64, u64), u64)> = HashMap::new();
    for offset in offsets {
        let Told { publisher, number, .. } = events[&offset];
        let Some(key) = plan.key(number) else { continue };
        let id = (publisher, key);
        let key = keys.entry(id).or_default();
        // What was sent again stands there twice, and nothing new between the two.
        assert!(key.sent.is_none_or(|sent| number > sent) || key.numbers.contains(&number));
        key.sent = key.sent.max(Some(number));
        key.numbers.insert(number);
        places.insert(offset, (id, key.stored));
        key.stored += 1;
    }
    for entry in entries {
        let Some((id, place)) = places.get(&entry.offset) else { continue };
        let key = keys.get_mut(id).unwrap();
        assert!(*place <= key.done, "of key {id:?}, event {} ran before its turn", entry.offset);
        key.done += u64::from(*place == key.done && entry.succeeded);
    }
}

/// The events of a key.
#[derive(Debug, Default)]
struct Key {
    sent: Option<u64>,
    numbers: HashSet<u64>,
    stored: u64,
    done: u64,
}
