//! A topic of the real Kafka: made for a test, and read by a consumer that knows nothing of the worker.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::brokers;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
}

/// A record as the consumer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Topic {
    /// One that is not there.
    pub(crate) fn absent(name: &str) -> Topic {
        Topic { name: brokers::unique(name) }
    }

    pub(crate) fn new(name: &str, partitions: i32, config: &[(&str, &str)]) -> Topic {
        let topic = Topic::absent(name);
        topic.create(partitions, config);
        topic
    }

    pub(crate) fn create(&self, partitions: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = client().create().unwrap();
        let mut new = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        for (name, value) in config {
            new = new.set(name, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        eventually(|| (self.partitions() == partitions as usize).then_some(()));
    }

    /// 0: it is not there.
    pub(crate) fn partitions(&self) -> usize {
        let consumer: BaseConsumer = client().create().unwrap();
        let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).unwrap();
        metadata.topics().iter().find(|found| found.name() == self.name).map_or(0, |t| t.partitions().len())
    }

    /// All that is in it now, by partition and offset.
    pub(crate) fn records(&self) -> Vec<Record> {
        let consumer: BaseConsumer = client().create().unwrap();
        let mut records = Vec::new();
        for partition in 0..self.partitions() as i32 {
            let (low, high) = consumer.fetch_watermarks(&self.name, partition, PATIENCE).unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(&self.name, partition, Offset::Offset(low)).unwrap();
            consumer.assign(&from).unwrap();
            let mut next = low;
            while next < high {
                let message = eventually(|| consumer.poll(Duration::from_millis(100))).unwrap();
                next = message.offset() + 1;
                records.push(Record::of(&message));
            }
        }
        records
    }

    /// All of it, once there are so many.
    pub(crate) fn await_records(&self, count: usize) -> Vec<Record> {
        eventually(|| {
            let records = self.records();
            (records.len() >= count).then_some(records)
        })
    }
}

impl Record {
    fn of(message: &BorrowedMessage<'_>) -> Record {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(text),
            headers: headers.map(|h| (h.key.to_owned(), text(h.value.unwrap_or_default()))).collect(),
            value: message.payload().map(<[u8]>::to_vec),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn id(&self) -> &str {
        self.header("ce_id")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.value.clone().unwrap_or_default()).unwrap()
    }
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers::kafka()).set("group.id", "looks-on");
    config.set("enable.auto.commit", "false").set("fetch.message.max.bytes", "16000000");
    config
}

#[track_caller]
pub(crate) fn eventually<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
