//! The way in of each source: how an event is given to it, and who is told if it comes to nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::kafka::Topic;
use crate::nats::Stream;
use crate::played::Event;
use crate::table::Source;
use crate::worker::{Connection, Home, Running, eventually};

const PARTITIONS: i32 = 3;

pub(crate) enum Way {
    Queue,
    Direct(Senders),
    Kafka(Topic),
    Nats(Box<Stream>),
    /// Cut into partitions by the server, each event by the word that stands for its key.
    NatsPartitions(Box<Stream>),
}

/// Who post events in direct mode: each keeps its event until the answer says that it is done, and sends it again otherwise.
#[derive(Default)]
pub(crate) struct Senders {
    /// The worker that answers now.
    worker: Arc<Mutex<Option<SocketAddr>>>,
    /// Told that it will not do.
    told: Arc<Mutex<BTreeSet<String>>>,
    senders: Vec<JoinHandle<()>>,
}

/// A sender waits so long before it sends again.
const AGAIN: Duration = Duration::from_millis(50);

impl Way {
    pub(crate) fn new(source: Source) -> Way {
        match source {
            Source::Queue => Way::Queue,
            Source::Direct => Way::Direct(Senders::default()),
            Source::Kafka => Way::Kafka(Topic::new(PARTITIONS)),
            Source::Nats => Way::Nats(Box::new(Stream::new())),
            Source::NatsPartitions => {
                Way::NatsPartitions(Box::new(Stream::partitioned(PARTITIONS.cast_unsigned())))
            }
        }
    }

    /// The document of its source.
    pub(crate) fn documents(&self) -> String {
        match self {
            Way::Queue | Way::Direct(_) => String::new(),
            Way::Kafka(topic) => topic.documents(""),
            Way::Nats(stream) => stream.documents(""),
            Way::NatsPartitions(stream) => {
                let spec = format!("partitions: {PARTITIONS}\n  subjects: ['{}.*']", stream.name);
                stream.documents_with(&spec, "")
            }
        }
    }

    pub(crate) fn options(&self) -> &[&str] {
        match self {
            Way::Direct(_) => &["--set", "http.mode=direct"],
            Way::Queue | Way::Kafka(_) | Way::Nats(_) | Way::NatsPartitions(_) => &[],
        }
    }

    /// The worker that there is now; or there is none.
    pub(crate) fn goes_to(&self, running: Option<&Running>) {
        if let Way::Direct(senders) = self {
            *senders.worker.lock().unwrap() = running.map(Running::http);
        }
    }

    pub(crate) fn give(&mut self, running: &Running, event: &Event) {
        let key = event.key.as_deref().unwrap_or(&event.id);
        let subject = if matches!(self, Way::NatsPartitions(_)) { key } else { "created" };
        match self {
            Way::Queue => running.publish(event.ty, &event.id, &http_headers(event), event.data),
            Way::Direct(senders) => senders.send(event.clone()),
            Way::Kafka(topic) => {
                let place = key.bytes().map(i32::from).sum::<i32>();
                topic.publish(place % PARTITIONS, event.key.as_deref(), event.ty, &event.id, event.data);
                topic.flush();
            }
            Way::Nats(stream) | Way::NatsPartitions(stream) => {
                let mut headers = vec![
                    ("ce-specversion", "1.0"),
                    ("ce-id", event.id.as_str()),
                    ("ce-source", "/shop"),
                    ("ce-type", event.ty),
                    ("content-type", "application/json"),
                ];
                headers.extend(http_headers(event));
                stream.produce(subject, &headers, event.data.as_bytes());
            }
        }
    }

    /// What claims to be an event and is none. True: whoever gave it was told so.
    pub(crate) fn give_garbage(&self, running: &Running) -> bool {
        const HEADERS: [(&str, &str); 2] = [("specversion", "1.0"), ("type", "order.created")];
        match self {
            Way::Queue | Way::Direct(_) => {
                let headers = HEADERS.map(|(name, value)| (format!("ce-{name}"), value));
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                let answer = running.connect().post("/", &headers, b"{}").unwrap();
                assert_eq!(answer.status, 400, "{}", answer.text());
                true
            }
            Way::Kafka(topic) => {
                let headers = HEADERS.map(|(name, value)| (format!("ce_{name}"), value));
                let headers: Vec<_> =
                    headers.iter().map(|(name, value)| (name.as_str(), Some(*value))).collect();
                topic.produce(0, None, &headers, Some(b"{}"));
                topic.flush();
                false
            }
            Way::Nats(stream) | Way::NatsPartitions(stream) => {
                let headers = HEADERS.map(|(name, value)| (format!("ce-{name}"), value));
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                stream.produce("odd", &headers, b"{}");
                false
            }
        }
    }

    /// Events whose senders were told that they will not do.
    pub(crate) fn told(&self) -> BTreeSet<String> {
        match self {
            Way::Direct(senders) => senders.told.lock().unwrap().clone(),
            Way::Queue | Way::Kafka(_) | Way::Nats(_) | Way::NatsPartitions(_) => BTreeSet::new(),
        }
    }

    /// The source, too, has it that all is done.
    pub(crate) fn until_done(&mut self, home: &Home) {
        match self {
            Way::Queue => {}
            Way::Direct(senders) => {
                senders.senders.drain(..).for_each(|sender| sender.join().unwrap());
            }
            Way::Kafka(topic) => topic.until_done(),
            Way::Nats(stream) => stream.until_done(),
            Way::NatsPartitions(stream) => stream.until_partitions_are_done(PARTITIONS.cast_unsigned()),
        }
        eventually("nothing is under way", || {
            let status = home.status();
            (status.events_in_flight == 0 && status.held == 0 && status.parked == 0).then_some(())
        });
    }
}

impl Senders {
    fn send(&mut self, event: Event) {
        let (worker, told) = (Arc::clone(&self.worker), Arc::clone(&self.told));
        self.senders.push(std::thread::spawn(move || {
            loop {
                let address = *worker.lock().unwrap();
                let posted =
                    address.and_then(|address| Connection::open(address).ok()).and_then(|mut open| {
                        let headers = http_headers(&event);
                        crate::worker::running::post(&mut open, event.ty, &event.id, &headers, event.data)
                            .ok()
                    });
                match posted.map(|response| response.status) {
                    Some(200 | 202) => return,
                    Some(status) if (400..500).contains(&status) && status != 429 => {
                        told.lock().unwrap().insert(event.id);
                        return;
                    }
                    _ => std::thread::sleep(AGAIN),
                }
            }
        }));
    }
}

fn http_headers(event: &Event) -> Vec<(&str, &str)> {
    event.key.iter().map(|key| ("ce-partitionkey", key.as_str())).collect()
}
