//! Brokers that have just started may name none of themselves in an answer, and a client then forgets all that it knew: at once it
//! looks for them again itself, but after some tens of seconds of such answers it no longer does. `KAFKA_DOWN_SECONDS`: for how
//! long they are given at least.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::kafka::{Topic, once_each};
use crate::of_environment;
use crate::worker::{Running, eventually};

const METADATA: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;

/// Stands between a worker and its broker, and may answer in the broker's place that there is none.
struct Between {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    names_none: AtomicBool,
    answered: AtomicUsize,
}

impl Between {
    fn start(broker: &str, topic: &str) -> Between {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let (own, broker, topic) = (Arc::clone(&state), broker.to_owned(), topic.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&broker) else { continue };
                let (state, topic) = (Arc::clone(&own), topic.clone());
                std::thread::spawn(move || join(client, server, &topic, &state));
            }
        });
        Between { address, state }
    }

    fn name_none(&self, names_none: bool) {
        self.state.names_none.store(names_none, Ordering::SeqCst);
    }

    fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }
}

/// Until one of the two ends.
fn join(client: TcpStream, server: TcpStream, topic: &str, state: &State) {
    // Whole messages at a time, of whoever answers.
    let answers = Arc::new(Mutex::new(client.try_clone().unwrap()));
    let (mut from, to) = (server.try_clone().unwrap(), Arc::clone(&answers));
    let back = std::thread::spawn(move || {
        while let Some(answer) = read(&mut from) {
            if write(&mut to.lock().unwrap(), &answer).is_err() {
                break;
            }
        }
        let _ = to.lock().unwrap().shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (client, server);
    while let Some(request) = read(&mut from) {
        let word = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let sent = if word(0) == METADATA && state.names_none.load(Ordering::SeqCst) {
            state.answered.fetch_add(1, Ordering::SeqCst);
            write(&mut answers.lock().unwrap(), &none(word(2), &request[4..8], topic))
        } else {
            write(&mut to, &request)
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    back.join().unwrap();
}

/// That there are no brokers, and a topic that nobody leads, as Kafka's protocol has it from version 9 of the question on.
fn none(version: i16, correlation: &[u8], topic: &str) -> Vec<u8> {
    assert!((9..=13).contains(&version), "this answers no question of version {version}");
    let mut answer = correlation.to_vec();
    answer.push(0);
    answer.extend(0_i32.to_be_bytes()); // how long to wait
    answer.push(1); // no brokers
    answer.push(0); // no name of the cluster
    answer.extend((-1_i32).to_be_bytes()); // no controller
    answer.push(2); // one topic
    answer.extend(LEADER_NOT_AVAILABLE.to_be_bytes());
    answer.push(u8::try_from(topic.len() + 1).unwrap());
    answer.extend(topic.as_bytes());
    if version >= 10 {
        answer.extend([0; 16]); // its id
    }
    answer.push(0); // not one of Kafka's own
    answer.push(1); // no partitions
    answer.extend(i32::MIN.to_be_bytes()); // what may be done with it: not asked
    answer.push(0);
    if version <= 10 {
        answer.extend(i32::MIN.to_be_bytes()); // and with the cluster
    }
    if version >= 13 {
        answer.extend(0_i16.to_be_bytes()); // no error
    }
    answer.push(0);
    answer
}

fn read(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut message = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut message).ok()?;
    Some(message)
}

fn write(to: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    to.write_all(&[&length, message].concat())
}

#[test]
fn a_worker_that_was_told_of_no_brokers_finds_them_again() {
    let topic = Topic::new(2);
    let between = Between::start(&topic.address, &topic.name);
    let home = topic.home("");
    let publish = |ids: std::ops::Range<i32>| {
        ids.for_each(|n| topic.publish(n % 2, None, "order.created", &n.to_string(), "{}"));
        topic.flush();
    };
    let running = Running::start(&home, &["--map-host", &format!("{}={}", topic.address, between.address)]);
    publish(0..20);
    topic.until_done();
    between.name_none(true);
    let begun = Instant::now();
    eventually("it has been told so", || (between.answered() >= 10).then_some(()));
    std::thread::sleep(
        Duration::from_secs(of_environment("KAFKA_DOWN_SECONDS", 0)).saturating_sub(begun.elapsed()),
    );
    between.name_none(false);
    publish(20..40);
    topic.until_done();
    assert_eq!(running.terminate().code, Some(0));
    once_each(&home.succeeded("default/audit"), 40);
}
