//! The porter by itself: what it holds, and what it hands on once Kafka has it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use weir::event::{Uid, record, structured};
use weir::sink::dead_letter::DeadLetter;
use weir::sink::parcel::{Cluster, Contents, Instead, NewTopic, Outlet, Parcel, Plain};
use weir::telemetry::metrics::Metrics;
use weir::worker::attempt::Attempt;
use weir::worker::backings::Backings;
use weir::worker::porter::Porter;
use weir::worker::scribe::Batch;

use crate::brokers;
use crate::topic::Topic;

const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    attempts: Option<Sender<Vec<Attempt>>>,
    written: Receiver<Batch>,
    thread: Option<JoinHandle<()>>,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn start() -> Stage {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (attempts, received) = bounded(64);
        let (scribe, written) = unbounded();
        let porter = {
            let _inside = runtime.enter();
            Porter::new(scribe, Backings::default(), Metrics::new())
        };
        let thread = Some(std::thread::spawn(move || porter.run(&received, &never_posted())));
        Stage { attempts: Some(attempts), written, thread, _runtime: runtime }
    }

    fn put(&self, attempts: Vec<Attempt>) {
        self.attempts.as_ref().unwrap().send(attempts).unwrap();
    }

    /// So many attempts, in the order in which they came to the scribe.
    fn written(&self, count: usize) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        while attempts.len() < count {
            attempts.extend(self.written.recv_timeout(PATIENCE).expect("it is acknowledged").attempts);
        }
        assert_eq!(attempts.len(), count);
        attempts
    }
}

/// Nobody posts anything, and will not.
fn never_posted() -> Receiver<weir::source::Accepted> {
    bounded(0).1
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.attempts.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn outlet(topic: &Topic) -> Outlet {
    Outlet {
        name: format!("KafkaSink default/{}", topic.name),
        cluster: Arc::new(Cluster::new([("bootstrap.servers".to_owned(), brokers::kafka())])),
        topic: topic.name.clone(),
        is_structured: false,
        create: None,
        stream: None,
        partitions: None,
    }
}

fn event(id: &str, key: &str, bytes: usize) -> Vec<u8> {
    // Of which nothing is left to compress.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    });
    let data: String = noise.filter(|c| !matches!(c, '"' | '\\')).take(bytes).collect();
    let json = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","partitionkey":"{key}","data":"{data}"}}"#
    );
    let mut bytes = Vec::new();
    record::encode(&structured::decode(json.as_bytes()).unwrap(), &mut bytes);
    bytes
}

fn letter() -> Vec<u8> {
    let letter = DeadLetter {
        delivery: Uid(1),
        position: Default::default(),
        broker: Uid(2),
        trigger: "default/t",
        function: "default/f",
        attempts: 1,
        replay: 0,
        outcome: weir::dispatch::Outcome::Permanent,
        reason: weir::dispatch::Reason::Guest,
        message: "no",
        ended: 1,
        record: b"whole",
    };
    let mut bytes = Vec::new();
    letter.encode(&mut bytes);
    bytes
}

fn sent(outlet: &Arc<Outlet>, record: Vec<u8>) -> Parcel {
    Parcel::of_event(Arc::clone(outlet), record, Instead::Letter(letter()))
}

#[test]
fn an_attempt_is_handed_on_once_all_of_its_parcels_are_in_kafka() {
    let (replies, parked) = (Topic::new("replies", 3, &[]), Topic::new("parked", 3, &[]));
    let (to_replies, to_parked) = (Arc::new(outlet(&replies)), Arc::new(outlet(&parked)));
    let stage = Stage::start();
    let filler = Plain { value: Some(b"before".to_vec()), ..Plain::default() };
    let plain = Plain {
        key: Some(vec![7]),
        headers: vec![("weir".to_owned(), Some(b"1".to_vec())), ("null".to_owned(), None)],
        value: Some(b"aside".to_vec()),
    };
    let record = |plain, instead| Parcel {
        outlet: Arc::clone(&to_parked),
        partition: Some(2),
        timestamp: Some(1_700_000_000_000),
        contents: Contents::Plain(plain),
        instead,
    };
    let two = vec![sent(&to_replies, event("a", "k", 10)), sent(&to_replies, event("b", "k", 10))];
    let both = vec![sent(&to_replies, event("c", "k", 10)), record(plain, Instead::Parked)];
    stage.put(vec![
        Attempt { wall_ns: 1, parcels: two, ..Attempt::default() },
        Attempt { wall_ns: 2, parcels: vec![record(filler, Instead::Parked)], ..Attempt::default() },
        Attempt { wall_ns: 3, parcels: both, ..Attempt::default() },
        Attempt { wall_ns: 4, ..Attempt::default() },
    ]);
    let mut written = stage.written(4);
    // What has been handed on is there: nothing is waited for.
    let ids: Vec<_> = replies.records().iter().map(|record| record.id().to_owned()).collect();
    assert_eq!(ids, ["a", "b", "c"], "one key is one partition, in the order in which they came");
    let aside = parked.records();
    assert_eq!(aside.iter().map(|r| (r.partition, r.offset)).collect::<Vec<_>>(), [(2, 0), (2, 1)]);
    assert_eq!(aside[1].value.as_deref(), Some(&b"aside"[..]));
    written.sort_by_key(|attempt| attempt.wall_ns);
    assert_eq!(written.iter().map(|a| a.parked_at).collect::<Vec<_>>(), [None, Some(0), Some(1), None]);
    assert!(written.iter().all(|attempt| attempt.parcels.is_empty() && attempt.dead_letters.is_empty()));
}

#[test]
fn one_that_is_too_large_is_kept_here_and_those_beside_it_get_through() {
    let topic = Topic::new("small", 1, &[("max.message.bytes", "20000")]);
    let to = Arc::new(outlet(&topic));
    let stage = Stage::start();
    // Each is small enough, and all together are not; but for one.
    let sizes = [9000, 9000, 2_000_000, 9000, 30_000, 9000];
    let attempts = sizes.iter().enumerate().map(|(n, size)| Attempt {
        wall_ns: n as u64,
        parcels: vec![sent(&to, event(&n.to_string(), "k", *size))],
        ..Attempt::default()
    });
    stage.put(attempts.collect());
    let mut written = stage.written(sizes.len());
    written.sort_by_key(|attempt| attempt.wall_ns);
    let kept: Vec<_> = written.iter().map(|attempt| attempt.dead_letters.len()).collect();
    assert_eq!(kept, [0, 0, 1, 0, 1, 0]);
    let ids: Vec<_> = topic.records().iter().map(|record| record.id().to_owned()).collect();
    assert_eq!(ids, ["0", "1", "3", "5"]);
    let letter = DeadLetter::decode(&written[2].dead_letters[0]).unwrap();
    assert!(
        letter.message.starts_with(&format!("no ({} refused its dead letter: ", to.name)),
        "{}",
        letter.message
    );
}

#[test]
fn a_topic_that_is_not_there_is_made_or_waited_for_and_hinders_no_other() {
    let (made, waited, other) = (Topic::absent("made"), Topic::absent("waited"), Topic::new("other", 1, &[]));
    let new = NewTopic { partitions: 3, replication: 1 };
    let to_made = Arc::new(Outlet { create: Some(new), ..outlet(&made) });
    let (to_waited, to_other) = (Arc::new(outlet(&waited)), Arc::new(outlet(&other)));
    let stage = Stage::start();
    let attempt = |wall_ns, to: &Arc<Outlet>| Attempt {
        wall_ns,
        parcels: vec![sent(to, event("a", "k", 10))],
        ..Attempt::default()
    };
    stage.put(vec![attempt(1, &to_waited), attempt(2, &to_made), attempt(3, &to_other)]);
    let mut numbers: Vec<_> = stage.written(2).iter().map(|attempt| attempt.wall_ns).collect();
    numbers.sort();
    assert_eq!((numbers, made.partitions()), (vec![2, 3], 3));
    assert_eq!(stage.written.recv_timeout(Duration::from_millis(200)).err(), Some(RecvTimeoutError::Timeout));
    waited.create(1, &[]);
    assert_eq!(stage.written(1)[0].wall_ns, 1);
    assert_eq!(waited.records().len(), 1);
}

#[test]
fn a_porter_that_is_not_needed_any_more_ends_whatever_it_holds() {
    let stage = Stage::start();
    let to = Arc::new(outlet(&Topic::absent("never")));
    stage.put(vec![Attempt { parcels: vec![sent(&to, event("a", "k", 10))], ..Attempt::default() }]);
    drop(stage);
}
