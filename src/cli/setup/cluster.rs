//! The brokers of a document: which topics they have, and those that are made or grown there.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use tokio::runtime::Runtime;

use crate::client::kafka;

/// How long the brokers may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Cluster {
    admin: AdminClient<DefaultClientContext>,
    options: AdminOptions,
    runtime: Runtime,
}

/// Names with their partitions.
pub(super) type Topics = BTreeMap<String, usize>;

impl Cluster {
    /// No broker is asked yet.
    pub(super) fn new(config: &ClientConfig) -> Result<Cluster, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("the runtime could not be started: {e}"))?;
        let admin: AdminClient<DefaultClientContext> = kafka::make(config, |config| config.create())
            .map_err(|e| format!("the Kafka client can't be made: {e}"))?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        Ok(Cluster { admin, options, runtime })
    }

    /// All that may be seen: asked for by name, a topic might be made by that.
    pub(super) fn topics(&self) -> Result<Topics, String> {
        let metadata = self.admin.inner().fetch_metadata(None, PATIENCE);
        let metadata = metadata.map_err(|e| format!("Kafka does not answer: {e}"))?;
        let found = metadata.topics().iter().filter(|found| found.error().is_none());
        Ok(found.map(|found| (found.name().to_owned(), found.partitions().len())).collect())
    }

    /// False: somebody else has made it meanwhile.
    pub(super) fn make(
        &self,
        name: &str,
        partitions: usize,
        replication: Option<u16>,
        settings: &[(&str, &str)],
    ) -> Result<bool, String> {
        let count = i32::try_from(partitions).map_err(|_| format!("{partitions} partitions are too many"))?;
        // -1: as the brokers have it.
        let replication = TopicReplication::Fixed(replication.map_or(-1, i32::from));
        let new = settings
            .iter()
            .fold(NewTopic::new(name, count, replication), |new, (name, value)| new.set(name, value));
        let made = self.runtime.block_on(self.admin.create_topics([&new], &self.options));
        match one(made)? {
            Ok(()) => Ok(true),
            Err(RDKafkaErrorCode::TopicAlreadyExists) => Ok(false),
            Err(code) => Err(code.to_string()),
        }
    }

    pub(super) fn grow(&self, name: &str, partitions: usize) -> Result<(), String> {
        let new = NewPartitions::new(name, partitions);
        let grown = self.runtime.block_on(self.admin.create_partitions([&new], &self.options));
        one(grown)?.map_err(|code| code.to_string())
    }

    /// Those of a topic's settings that are not as they are to be: name, what it is.
    pub(super) fn other_settings(
        &self,
        name: &str,
        wanted: &[(&'static str, &str)],
    ) -> Result<Vec<(&'static str, String)>, String> {
        let topic = ResourceSpecifier::Topic(name);
        let asked = self.admin.describe_configs([&topic], &self.options);
        let found = self.runtime.block_on(asked).map_err(|e| e.to_string())?;
        let found = found.into_iter().next().ok_or("the brokers say nothing of it")?;
        let found = found.map_err(|code| code.to_string())?;
        let said = |name: &str| found.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        let other = wanted.iter().map(|(name, value)| (*name, said(name), *value));
        Ok(other.filter(|(_, found, value)| found != value).map(|(name, found, _)| (name, found)).collect())
    }
}

/// What the brokers say of the one topic that they were asked about.
fn one(results: KafkaResult<Vec<TopicResult>>) -> Result<Result<(), RDKafkaErrorCode>, String> {
    let results = results.map_err(|e| e.to_string())?;
    let result = results.into_iter().next().ok_or("the brokers say nothing of it")?;
    Ok(result.map(drop).map_err(|(_, code)| code))
}
