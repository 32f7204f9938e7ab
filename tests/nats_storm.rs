//! Three workers share a durable, and nobody is safe: killed, stopped, started again, and the server stopped and started three times,
//! while events come. Nothing is lost; what is repeated was unacknowledged when a worker was killed or the server stopped; in the end the
//! lag is 0, as KEDA computes it.
//!
//! Once with a durable that is shared message by message, and once with partitions: there each key stays in its order, too.
//!
//! Short and seeded here; `NATS_STORM_SEED`, `NATS_STORM_EVENTS` and `NATS_STORM_TURNS` make it long and random.

#[path = "brokers/mod.rs"]
mod brokers;
mod nats;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use nats::{Stream, keys};
use server::Server;
use worker::{Home, Running, eventually};

const WORKERS: usize = 3;
/// So many messages may be unacknowledged at once, all workers' together.
const UNACKNOWLEDGED: usize = 200;
const PARTITIONS: u32 = 5;
const KEYS: usize = 14;
const OPTIONS: [&str; 6] =
    ["--set", "dispatch.max-in-flight=100", "--set", "breaker.failures=0", "--set", "executors=1"];
/// All that the workers together can have sent and the subscriber not yet read.
const UNREAD: usize = WORKERS * 100;

/// Each stops the server that both use.
static ALONE: Mutex<()> = Mutex::new(());

fn of_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What came of it.
struct Storm {
    homes: Vec<Home>,
    /// The ids that the subscriber got, in that order.
    got: Vec<String>,
    events: usize,
    /// How many deliveries the subscriber had seen before a worker was killed, or the server stopped, and after it, with what
    /// had been sent and not read.
    kills: Vec<Range<usize>>,
    restarts: usize,
}

/// `spec`: of the source. `order`: of the trigger for the subscriber.
fn storm(
    stream: &Stream,
    (spec, order): (&str, &str),
    publish: impl Fn(Range<usize>),
    until_done: impl Fn(),
) -> Storm {
    let seed = of_environment("NATS_STORM_SEED", 20_261_122);
    let events = of_environment("NATS_STORM_EVENTS", 1_800);
    let turns = of_environment("NATS_STORM_TURNS", 6);
    println!("NATS_STORM_SEED={seed}");
    let mut dice = Dice(seed | 1);
    let server = Server::start();
    let trigger = format!(
        "{}---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: nap\n{order}spec:\n  broker: default\n  \
         subscriber: {{uri: '{}'}}\n  delivery: {{retry: 9, backoffDelay: PT0.1S}}\n",
        nats::AUDIT,
        server.url("/nap/20")
    );
    let documents = nats::patient(&stream.documents_with(spec, &trigger));
    let homes: Vec<Home> = (0..WORKERS)
        .map(|_| {
            let home = Home::new(&documents);
            home.write("audit.wasm", &worker::guests::audit());
            home
        })
        .collect();
    let mut running: Vec<Option<Running>> =
        homes.iter().map(|home| Some(Running::start(home, &OPTIONS))).collect();
    let mut kills = Vec::new();
    let seen = || server.got("/nap/20").len();
    let mut restarts = 0;
    for turn in 0..turns {
        let published = (turn + 1) * events / turns;
        publish((turn * events / turns) as usize..published as usize);
        eventually("something is delivered", || {
            (server.got("/nap/20").len() as u64 > published / 2).then_some(())
        });
        if turn % 2 == 1 {
            println!("turn {turn}: the server is stopped and started");
            let before = seen();
            brokers::restart_nats();
            kills.push(before..seen() + UNREAD);
            restarts += 1;
        }
        let which = dice.below(WORKERS as u64) as usize;
        let what = dice.below(4);
        println!("turn {turn}: {what} of worker {which}");
        match (running[which].take(), what) {
            (None, _) => running[which] = Some(Running::start(&homes[which], &OPTIONS)),
            (Some(worker), 0 | 1) => {
                let before = seen();
                worker.kill();
                kills.push(before..seen() + UNREAD);
                if what == 0 {
                    running[which] = Some(Running::start(&homes[which], &OPTIONS));
                }
            }
            (Some(worker), _) => {
                assert_eq!(worker.terminate().code, Some(0), "a stop is clean");
                if what == 2 {
                    running[which] = Some(Running::start(&homes[which], &OPTIONS));
                }
            }
        }
        if running.iter().all(Option::is_none) {
            running[0] = Some(Running::start(&homes[0], &OPTIONS));
        }
    }
    let delivered = || server.got("/nap/20").iter().map(|got| got.id().to_owned()).collect::<BTreeSet<_>>();
    eventually("all are delivered", || (delivered().len() as u64 == events).then_some(()));
    until_done();
    for worker in running.into_iter().flatten() {
        assert_eq!(worker.terminate().code, Some(0));
    }
    let got = server.got("/nap/20").iter().map(|got| got.id().to_owned()).collect();
    Storm { homes, got, events: events as usize, kills, restarts }
}

impl Storm {
    fn lost_nothing_and_repeated_what_a_kill_leaves(&self) {
        let Storm { homes, got, events, kills, restarts } = self;
        let mut audited: BTreeMap<String, usize> = BTreeMap::new();
        for home in homes {
            home.succeeded("default/audit")
                .into_iter()
                .for_each(|(id, n)| *audited.entry(id).or_default() += n);
        }
        assert_eq!(audited.len(), *events, "some were lost on their way to the function");
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        let mut repeats = 0;
        for (at, id) in got.iter().enumerate() {
            let Some(&earlier) = first.get(id) else {
                first.insert(id.clone(), at);
                continue;
            };
            repeats += 1;
            let of_a_kill = kills.iter().any(|kill| earlier < kill.end && at >= kill.start);
            assert!(
                of_a_kill,
                "event {id} was repeated (delivery {earlier}, again {at}), and no kill explains that"
            );
        }
        println!(
            "{events} events, {} kills and stops, {restarts} of the server, {repeats} repeats",
            kills.len()
        );
        assert!(repeats <= UNACKNOWLEDGED * kills.len(), "more than can have been unacknowledged");
        assert!(kills.len() > *restarts, "the seed kills no worker: take another");
    }
}

#[test]
fn nothing_is_lost_in_a_storm_and_repeats_are_what_a_kill_leaves() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stream = Stream::new();
    let spec = format!("maxAckPending: {UNACKNOWLEDGED}");
    let until_done = || {
        stream.until_done();
        eventually("nothing is parked", || {
            stream.lag_of_parking().is_none_or(|lag| lag.sum() == 0).then_some(())
        });
    };
    let storm = storm(&stream, (&spec, ""), |ids| stream.publish_all(ids), until_done);
    storm.lost_nothing_and_repeated_what_a_kill_leaves();
}

#[test]
fn each_key_keeps_its_order_in_a_storm_over_partitions() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stream = Stream::partitioned(PARTITIONS);
    let each = UNACKNOWLEDGED / PARTITIONS as usize;
    let spec =
        format!("partitions: {PARTITIONS}\n  subjects: ['{}.*']\n  maxAckPending: {each}", stream.name);
    let order = "  annotations: {weir.dev/delivery.order: key}\n";
    let publish = |ids: Range<usize>| stream.publish_keyed(&keys::events(ids, KEYS));
    let until_done = || stream.until_partitions_are_done(PARTITIONS);
    let storm = storm(&stream, (&spec, order), publish, until_done);
    keys::in_order(&storm.got, KEYS);
    storm.lost_nothing_and_repeated_what_a_kill_leaves();
}
