//! Three workers in a group, and nobody is safe: killed, stopped, started again, and the broker stopped and started, while
//! events come. Nothing is lost; what is repeated was not committed as done when a worker was killed or the broker stopped; keys stay in order.
//!
//! Short and seeded here; `KAFKA_STORM_SEED`, `KAFKA_STORM_EVENTS`, `KAFKA_STORM_TURNS` and `KAFKA_STORM_SESSION` make it long and random.

#[path = "brokers/mod.rs"]
mod brokers;
mod kafka;
#[path = "subscribers/server.rs"]
mod server;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kafka::Topic;
use server::Server;
use weir::dispatch::Progress;
use weir::event::parked::ParkedRecord;
use worker::{Home, Running, eventually};

const PARTITIONS: i32 = 12;
const WORKERS: usize = 3;
const OPTIONS: [&str; 6] =
    ["--set", "dispatch.max-in-flight=200", "--set", "breaker.failures=0", "--set", "executors=1"];
/// All that the workers together can have sent and the subscriber not yet read.
const UNREAD: usize = WORKERS * 200;

/// `KAFKA_STORM_SESSION`: the longer, the busier the machine may be; whoever is not heard of for so long is as good as killed.
fn start(home: &Home) -> Running {
    let session = format!("kafka.session-timeout={}s", of_environment("KAFKA_STORM_SESSION", 12));
    Running::start(home, &[&OPTIONS[..], &["--set", &session]].concat())
}

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

/// What is committed as done, at one moment.
struct Commits(BTreeMap<i32, Progress>);

impl Commits {
    fn of(topic: &Topic) -> Commits {
        let decode = |(partition, (offset, metadata)): (i32, (i64, String))| {
            let map = metadata.strip_prefix("weir:").map(|text| STANDARD_NO_PAD.decode(text).unwrap());
            let plain = Progress { watermark: offset as u64, runs: vec![] };
            (partition, map.map_or(plain, |map| Progress::decode(&map).unwrap()))
        };
        Commits(topic.committed().into_iter().map(decode).collect())
    }

    fn has(&self, (partition, offset): (i32, u64)) -> bool {
        self.0.get(&partition).is_some_and(|progress| progress.is_complete(offset))
    }
}

/// A kill, of a worker or of the broker: what was committed before it, and how many deliveries the subscriber had seen.
struct Kill {
    commits: Commits,
    seen: usize,
    /// What was delivered up to here may not have been committed: of a worker that was killed what it had sent; of a broker
    /// that was stopped all until the group goes on, as workers notice late that it is not what it was.
    until: usize,
}

impl Kill {
    /// Just before it: others may repeat what it leaves as soon as it has come.
    fn of(topic: &Topic, server: &Server) -> Kill {
        let (seen, commits) = (server.count(PATH), Commits::of(topic));
        Kill { commits, seen, until: usize::MAX }
    }
}

const PATH: &str = "/nap/20";

#[test]
fn nothing_is_lost_in_a_storm_and_repeats_are_what_a_kill_leaves() {
    let seed = of_environment("KAFKA_STORM_SEED", 20_261_122);
    let events = of_environment("KAFKA_STORM_EVENTS", 2_400);
    let turns = of_environment("KAFKA_STORM_TURNS", 6);
    println!("KAFKA_STORM_SEED={seed}");
    let mut dice = Dice(seed | 1);
    let (topic, server) = (Topic::new(PARTITIONS), Server::start());
    let documents = topic.documents(&format!(
        "{}---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {{name: nap}}\nspec:\n  broker: default\n  \
         subscriber: {{uri: '{}'}}\n  delivery: {{retry: 9, backoffDelay: PT0.1S}}\n",
        kafka::AUDIT,
        server.url("/nap/20")
    ));
    let homes: Vec<Home> = (0..WORKERS)
        .map(|_| {
            let home = Home::new(&documents);
            home.write("audit.wasm", &worker::guests::audit());
            home
        })
        .collect();
    let mut running: Vec<Option<Running>> = homes.iter().map(|home| Some(start(home))).collect();
    let mut places = BTreeMap::new();
    let mut ends = [0_u64; PARTITIONS as usize];
    let mut kills: Vec<Kill> = Vec::new();
    for turn in 0..turns {
        for n in turn * events / turns..(turn + 1) * events / turns {
            let key = dice.below(60);
            let partition = (key % PARTITIONS as u64) as i32;
            topic.publish(partition, Some(&format!("k{key}")), "order.created", &n.to_string(), "{}");
            places.insert(n, (partition, ends[partition as usize], key));
            ends[partition as usize] += 1;
        }
        topic.flush();
        eventually("something is delivered", || {
            let most = (turn + 1) * events / turns;
            (server.count(PATH) as u64 > most / 2).then_some(())
        });
        // A broker that was stopped a turn ago has its group again.
        let delivered = server.count(PATH);
        kills.iter_mut().for_each(|kill| kill.until = kill.until.min(delivered + UNREAD));
        if turn % 4 == 2 {
            println!("turn {turn}: the broker is stopped and started");
            // The group may come to nothing with it, and then what was not committed is done again: as soon as the broker is
            // back, so this is asked before.
            kills.push(Kill::of(&topic, &server));
            brokers::restart_kafka();
        }
        let which = dice.below(WORKERS as u64) as usize;
        let what = dice.below(4);
        println!("turn {turn}: {what} of worker {which}");
        match (running[which].take(), what) {
            (None, _) => running[which] = Some(start(&homes[which])),
            (Some(worker), 0 | 1) => {
                let kill = Kill::of(&topic, &server);
                worker.kill();
                kills.push(Kill { until: server.count(PATH) + UNREAD, ..kill });
                if what == 0 {
                    running[which] = Some(start(&homes[which]));
                }
            }
            (Some(worker), _) => {
                let ended = worker.terminate();
                assert_eq!(ended.code, Some(0), "a stop is clean: {}", ended.log);
                if what == 2 {
                    running[which] = Some(start(&homes[which]));
                }
            }
        }
        if running.iter().all(Option::is_none) {
            running[0] = Some(start(&homes[0]));
        }
    }
    topic.until_done();
    let delivered = || server.got("/nap/20").iter().map(|got| got.id().to_owned()).collect::<BTreeSet<_>>();
    eventually("all are delivered", || (delivered().len() as u64 == events).then_some(()));
    topic.until_done();
    for worker in running.into_iter().flatten() {
        assert_eq!(worker.terminate().code, Some(0));
    }

    let mut audited: BTreeMap<String, usize> = BTreeMap::new();
    for home in &homes {
        home.succeeded("default/audit").into_iter().for_each(|(id, n)| *audited.entry(id).or_default() += n);
    }
    assert_eq!(audited.len() as u64, events, "some were lost on their way to the function");

    let parked = kafka::records(&topic.address, &format!("{}.parked", topic.name));
    let parked: BTreeSet<(u32, u64)> = parked
        .iter()
        .map(|seen| ParkedRecord::decode(seen.value.as_ref().unwrap()).unwrap().position)
        .map(|position| (position.partition, position.offset))
        .collect();
    let mut first: BTreeMap<u64, usize> = BTreeMap::new();
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    let mut repeats = 0;
    for (at, got) in server.got("/nap/20").iter().enumerate() {
        let n: u64 = got.id().parse().unwrap();
        let (partition, offset, key) = places[&n];
        let Some(&earlier) = first.get(&n) else {
            first.insert(n, at);
            let before = newest.insert(key, n);
            assert!(before.is_none_or(|before| before < n), "key {key}: {n} came after {before:?}");
            continue;
        };
        repeats += 1;
        // It began before a kill, and was not committed as done then.
        let of_a_kill = kills
            .iter()
            .any(|kill| earlier < kill.until && at >= kill.seen && !kill.commits.has((partition, offset)));
        let was_parked = parked.contains(&(partition as u32, offset));
        assert!(
            of_a_kill || was_parked && !kills.is_empty(),
            "event {n} at {partition}/{offset} was repeated (delivery {earlier}, again {at}), and no kill explains that"
        );
    }
    println!("{events} events, {} kills, {repeats} repeats, {} parked", kills.len(), parked.len());
    assert!(!kills.is_empty(), "the seed kills nobody: take another");
}
