//! Topics of a real Kafka, looked at by a client of its own.

#![allow(dead_code)] // Each suite uses what it needs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Topics {
    pub(crate) address: String,
    admin: AdminClient<DefaultClientContext>,
    producer: BaseProducer,
    runtime: tokio::runtime::Runtime,
}

impl Topics {
    pub(crate) fn of(address: String) -> Topics {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (admin, producer) = (config.create().unwrap(), config.create().unwrap());
        Topics { address, admin, producer, runtime }
    }

    pub(crate) fn make(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let made = self.runtime.block_on(self.admin.create_topics([&new], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        self.until_it_has(name, partitions as usize);
    }

    /// A broker that has made something may not know of it yet.
    fn until_it_has(&self, name: &str, partitions: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.partitions(name) != Some(partitions) {
            assert!(Instant::now() < deadline, "{name} is not there with {partitions} partitions");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn grow(&self, name: &str, partitions: usize) {
        let new = NewPartitions::new(name, partitions);
        let grown =
            self.runtime.block_on(self.admin.create_partitions([&new], &AdminOptions::new())).unwrap();
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
        self.until_it_has(name, partitions);
    }

    /// `None`: there is no such topic.
    pub(crate) fn partitions(&self, name: &str) -> Option<usize> {
        let metadata = self.admin.inner().fetch_metadata(None, PATIENCE).unwrap();
        let found = metadata.topics().iter().find(|found| found.name() == name);
        found.map(|found| found.partitions().len())
    }

    pub(crate) fn settings(&self, name: &str) -> BTreeMap<String, String> {
        let topic = ResourceSpecifier::Topic(name);
        let asked = self.admin.describe_configs([&topic], &AdminOptions::new());
        let found = self.runtime.block_on(asked).unwrap().remove(0).unwrap();
        found.entries.into_iter().map(|entry| (entry.name, entry.value.unwrap_or_default())).collect()
    }

    /// At a time in milliseconds since 1970.
    pub(crate) fn produce(&self, topic: &str, partition: i32, time: i64) {
        let record = BaseRecord::<(), str>::to(topic).partition(partition).timestamp(time).payload("1");
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Forgets what stands before that.
    pub(crate) fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let list = list(topic, partition, offset);
        self.runtime.block_on(self.admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    pub(crate) fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let consumer = self.consumer(group);
        consumer.commit(&list(topic, partition, offset), CommitMode::Sync).unwrap();
    }

    /// How many members it has; `None`: there is no such group.
    pub(crate) fn members(&self, group: &str) -> Option<usize> {
        let groups = self.consumer("somebody-else").fetch_group_list(Some(group), PATIENCE).unwrap();
        let found = groups.groups().iter().find(|found| found.name() == group)?;
        (found.state() != "Dead").then(|| found.members().len())
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("group.id", group);
        config.create().unwrap()
    }
}

fn list(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    list
}
