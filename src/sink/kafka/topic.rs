//! Topics that are made where they are not there.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as New, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use crate::client::kafka;
use crate::sink::parcel::{NewTopic, Outlet};

const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the outlet's topic; that it is there already is as good.
pub async fn create(outlet: &Outlet, new: NewTopic) -> Result<(), String> {
    let mut config = ClientConfig::new();
    for (name, value) in outlet.cluster.properties() {
        config.set(name, value);
    }
    let admin: AdminClient<DefaultClientContext> =
        kafka::make(&config, |config| config.create()).map_err(|e| e.to_string())?;
    let replication = TopicReplication::Fixed(new.replication.into());
    let topic = New::new(&outlet.topic, i32::try_from(new.partitions).unwrap_or(i32::MAX), replication);
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    let made = admin.create_topics([&topic], &options).await.map_err(|error| error.to_string())?;
    match made.into_iter().next() {
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(code.to_string()),
        None => Err("the broker said nothing of it".to_owned()),
    }
}
