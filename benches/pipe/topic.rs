//! A topic on a real Kafka of this machine, filled beforehand, and what a bare client makes of it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::{brokers, sample};

pub(crate) const PARTITIONS: i32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Topic {
    pub(crate) address: String,
    pub(crate) name: String,
}

impl Topic {
    pub(crate) fn new(name: &str) -> Topic {
        let topic = Topic { address: brokers::kafka(), name: brokers::unique(name) };
        let new = NewTopic::new(&topic.name, PARTITIONS, TopicReplication::Fixed(1));
        let made = block_on(topic.admin().create_topics([&new], &AdminOptions::new()));
        assert!(made.expect("the broker answers").iter().all(Result::is_ok));
        topic
    }

    /// With so many structured events of the sample, or of another type.
    pub(crate) fn filled(name: &str, events: usize, ty: &str) -> Topic {
        let topic = Topic::new(name);
        let producer = topic.producer("50");
        let headers = structured();
        for number in 0..events {
            let value = sample::json(number).replace("order.created", ty);
            let key = format!("customer-{number:06}");
            let record = BaseRecord::to(&topic.name).key(&*key).payload(&*value).headers(headers.clone());
            send(&producer, record);
        }
        producer.flush(PATIENCE).expect("the broker takes it");
        topic
    }

    pub(crate) fn producer(&self, linger_ms: &str) -> ThreadedProducer<DefaultProducerContext> {
        let mut config = self.client();
        config.set("compression.type", "lz4").set("linger.ms", linger_ms);
        config.set("enable.idempotence", "true").set("queue.buffering.max.messages", "500000");
        config.create().expect("a producer")
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    /// A consumer without a group, of what comes from now on.
    pub(crate) fn follow(&self) -> BaseConsumer {
        let mut config = self.client();
        config.set("group.id", "bench").set("enable.auto.commit", "false").set("fetch.queue.backoff.ms", "2");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut list = rdkafka::TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&self.name, partition, rdkafka::Offset::Beginning)
                .expect("a partition of it");
        }
        consumer.assign(&list).expect("it is assigned");
        consumer
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a client")
    }
}

impl Drop for Topic {
    /// It may be large.
    fn drop(&mut self) {
        let _ = block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new()));
    }
}

pub(crate) fn structured() -> rdkafka::message::OwnedHeaders {
    rdkafka::message::OwnedHeaders::new()
        .insert(rdkafka::message::Header { key: "content-type", value: Some("application/cloudevents+json") })
}

/// As soon as there is room.
pub(crate) fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    mut record: BaseRecord<'_, str, str>,
) {
    while let Err((error, back)) = producer.send(record) {
        let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
        assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
        std::thread::sleep(Duration::from_millis(1));
        record = back;
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(future)
}
