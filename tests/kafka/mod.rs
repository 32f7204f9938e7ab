//! A topic on a real Kafka of its own, with a group that consumes it, seen by others than the worker.

#![allow(dead_code, unreachable_pub)] // Each test binary uses what it needs of this.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use super::brokers;
use super::worker::{Home, eventually, guests, patience};

pub struct Topic {
    pub address: String,
    pub name: String,
    pub partitions: i32,
    producer: ThreadedProducer<DefaultProducerContext>,
    reader: BaseConsumer,
}

/// A record as an independent consumer has it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub headers: BTreeMap<String, Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Topic {
    pub fn new(partitions: i32) -> Topic {
        Topic::named(&brokers::unique("orders"), partitions)
    }

    pub fn named(name: &str, partitions: i32) -> Topic {
        let topic = Topic::there(name, partitions);
        topic.create();
        topic
    }

    /// One that is there.
    pub fn there(name: &str, partitions: i32) -> Topic {
        Topic::at(&brokers::kafka(), name, partitions)
    }

    /// The same of other brokers.
    pub fn at(address: &str, name: &str, partitions: i32) -> Topic {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address).set("linger.ms", "1").set("message.max.bytes", "16000000");
        let mut reading = config.clone();
        reading.set("group.id", name).set("enable.auto.commit", "false");
        // Or what a broker is slow to take may stand behind what came after it.
        config.set("enable.idempotence", "true").set("message.timeout.ms", "0");
        Topic {
            address: address.to_owned(),
            name: name.to_owned(),
            partitions,
            producer: config.create().unwrap(),
            reader: reading.create().unwrap(),
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.address).create().unwrap()
    }

    pub fn create(&self) {
        self.create_with(&[]);
    }

    pub fn create_with(&self, config: &[(&str, &str)]) {
        let new = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(1));
        let new = config.iter().fold(new, |new, (name, value)| new.set(name, value));
        let admin = self.admin();
        let made = block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        // A broker that has made it may not know of it yet.
        eventually("it is there", || {
            let metadata = admin.inner().fetch_metadata(Some(&self.name), patience()).unwrap();
            (metadata.topics()[0].partitions().len() == self.partitions as usize).then_some(())
        });
    }

    pub fn delete(&self) {
        let gone = block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new())).unwrap();
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    }

    /// An event in binary mode.
    pub fn publish(&self, partition: i32, key: Option<&str>, ty: &str, id: &str, data: &str) {
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", id),
            ("ce_source", "/shop"),
            ("ce_type", ty),
            ("content-type", "application/json"),
        ];
        let headers = headers.map(|(name, value)| (name, Some(value)));
        self.produce(partition, key.map(str::as_bytes), &headers, Some(data.as_bytes()));
    }

    /// Whatever is wanted.
    pub fn produce(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        headers: &[(&str, Option<&str>)],
        value: Option<&[u8]>,
    ) {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: *value }));
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.name).partition(partition).headers(headers);
        record.key = key;
        record.payload = value;
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((error, back)) => {
                    let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
                    assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
                    std::thread::yield_now();
                    record = back;
                }
            }
        }
    }

    pub fn flush(&self) {
        self.producer.flush(patience()).unwrap();
    }

    /// Documents: this source to the broker `default`, with what else is wanted.
    pub fn documents(&self, more: &str) -> String {
        self.documents_from("earliest", more)
    }

    pub fn documents_from(&self, initial: &str, more: &str) -> String {
        format!(
            "apiVersion: sources.knative.dev/v1\nkind: KafkaSource\nmetadata: {{name: orders}}\nspec:\n  \
             bootstrapServers: ['{}']\n  topics: [{}]\n  consumerGroup: {}\n  initialOffset: {initial}\n  \
             sink: {{ref: {{apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}}}\n{more}",
            self.address, self.name, self.name
        )
    }

    /// A home with a function `audit`, which takes everything, and its trigger.
    pub fn home(&self, more: &str) -> Home {
        let home = Home::new(&self.documents(&format!("{AUDIT}{more}")));
        home.write("audit.wasm", &guests::audit());
        home
    }

    /// What the group has committed: offset and metadata.
    pub fn committed(&self) -> BTreeMap<i32, (i64, String)> {
        let mut asked = TopicPartitionList::new();
        (0..self.partitions).for_each(|partition| {
            asked.add_partition(&self.name, partition);
        });
        // A broker that has just started may not know yet who coordinates the group.
        let told = eventually("the group's coordinator answers", || {
            self.reader.committed_offsets(asked.clone(), patience()).ok()
        });
        let elements = told.elements();
        let of = |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match e.offset() {
            Offset::Offset(offset) => Some((e.partition(), (offset, e.metadata().to_owned()))),
            _ => None,
        };
        elements.iter().filter_map(of).collect()
    }

    pub fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&self.name, partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(metadata);
        self.reader.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }

    /// Gives another group what this one has committed, offsets alone.
    pub fn carry_over(&self, group: &str) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("group.id", group);
        let other: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for (partition, (offset, _)) in self.committed() {
            list.add_partition_offset(&self.name, partition, Offset::Offset(offset)).unwrap();
        }
        other.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }

    /// As KEDA computes it: what stands beyond the committed offsets; all of it where nothing is committed.
    pub fn lag(&self) -> i64 {
        let committed = self.committed();
        let of = |partition: i32| {
            let (_, end) = self.reader.fetch_watermarks(&self.name, partition, patience()).unwrap();
            end - committed.get(&partition).map_or(0, |(offset, _)| *offset)
        };
        (0..self.partitions).map(of).sum()
    }

    pub fn until_done(&self) {
        eventually("all is committed", || (self.lag() == 0).then_some(()));
    }

    /// The parking of its group.
    pub fn parking_of(&self) -> Topic {
        let name = format!("{}.parked", self.name);
        Topic::there(&name, self.partitions)
    }

    /// What stands beyond what another group has committed here.
    pub fn lag_of(&self, group: &str) -> i64 {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("group.id", group);
        let reader: BaseConsumer = config.create().unwrap();
        let mut asked = TopicPartitionList::new();
        (0..self.partitions).for_each(|partition| {
            asked.add_partition(&self.name, partition);
        });
        let told = reader.committed_offsets(asked, patience()).unwrap();
        let beyond = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let (_, end) = reader.fetch_watermarks(&self.name, element.partition(), patience()).unwrap();
            end - if let Offset::Offset(offset) = element.offset() { offset } else { 0 }
        };
        told.elements().iter().map(beyond).sum()
    }

    /// As soon as the broker has forgotten it.
    pub fn recreate(&self) {
        let new = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(1));
        eventually("the topic can be made anew", || {
            let made = block_on(self.admin().create_topics([&new], &AdminOptions::new())).unwrap();
            made.iter().all(Result::is_ok).then_some(())
        });
    }

    /// All that stands in it, read by someone else.
    pub fn records(&self) -> Vec<Seen> {
        records(&self.address, &self.name)
    }
}

pub const AUDIT: &str = "---\napiVersion: weir.dev/v1alpha1\nkind: Function\nmetadata: {name: audit}\nspec: {module: audit.wasm}\n\
    ---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: audit}\nspec:\n  broker: default\n  \
    subscriber: {ref: {apiVersion: weir.dev/v1alpha1, kind: Function, name: audit}}\n";

/// A trigger that calls the server of this port at this path.
pub fn called(server: u16, name: &str, path: &str, order: &str, delivery: &str) -> String {
    format!(
        "---\napiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata:\n  name: {name}\n  annotations: {{weir.dev/delivery.order: {order}}}\n\
         spec:\n  broker: default\n  subscriber: {{uri: '{}'}}\n  delivery: {delivery}\n",
        format_args!("http://127.0.0.1:{server}{path}")
    )
}

#[track_caller]
pub fn once_each(counts: &BTreeMap<String, usize>, events: usize) {
    assert_eq!(counts.len(), events, "some were lost");
    let twice: Vec<_> = counts.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "some ran more than once: {twice:?}");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// All that stands in a topic.
pub fn records(address: &str, topic: &str) -> Vec<Seen> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", brokers::unique("reader"));
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), patience()).unwrap();
    let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|p| p.id()).collect();
    let mut list = TopicPartitionList::new();
    let mut left = BTreeMap::new();
    for partition in partitions {
        let (first, end) = consumer.fetch_watermarks(topic, partition, patience()).unwrap();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        if first < end {
            left.insert(partition, end);
        }
    }
    consumer.assign(&list).unwrap();
    let begun = Instant::now();
    let mut seen = Vec::new();
    while !left.is_empty() {
        assert!(begun.elapsed() < patience(), "{topic} can't be read to its end");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        if left.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
            left.remove(&message.partition());
        }
        let headers = message.headers().map(|headers| {
            headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
        });
        seen.push(Seen {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            value: message.payload().map(<[u8]>::to_vec),
        });
    }
    seen
}
