//! `weir publish` to Kafka: kafka://host:port/topic, in binary mode, the record's key from the partitionkey.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::interrupt;
use super::outbox::Outbox;
use crate::client::kafka;
use crate::event::{binary, structured};

pub const SCHEME: &str = "kafka://";
/// How long a broker may take to acknowledge an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where events are produced to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) servers: String,
    pub(super) topic: String,
}

impl Target {
    /// Of what follows [`SCHEME`].
    pub fn parse(rest: &str) -> Result<Target, String> {
        let (servers, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let names_a_port =
            |server: &str| server.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
        if !servers.split(',').all(names_a_port) || topic.is_empty() || !topic.chars().all(legal) {
            return Err(format!(
                "'{SCHEME}{rest}' is no topic of Kafka: write it as {SCHEME}127.0.0.1:9092/orders"
            ));
        }
        Ok(Target { servers: servers.to_owned(), topic: topic.to_owned() })
    }
}

/// What the brokers have said so far.
#[derive(Debug, Default)]
struct Acknowledged {
    count: AtomicU64,
    bar: Option<ProgressBar>,
    failed: Mutex<Option<KafkaError>>,
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        match result {
            Ok(_) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                self.bar.iter().for_each(|bar| bar.inc(1));
            }
            Err((error, _)) => {
                let mut failed = self.failed.lock().expect("no panic holds this lock");
                failed.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// So many events, in their order, and how many of them are acknowledged; with why not all are.
pub fn produce(
    target: &Target,
    events: &Outbox,
    total: u64,
    rate: Option<u32>,
    bar: &ProgressBar,
) -> (u64, Result<(), String>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &target.servers).set("client.id", "weir-publish");
    // Each once and in order, on every replica.
    config.set("enable.idempotence", "true").set("message.timeout.ms", PATIENCE.as_millis().to_string());
    config.set("log_level", "2");
    let context = Acknowledged { bar: Some(bar.clone()), ..Acknowledged::default() };
    let create = |config: &ClientConfig| config.create_with_context(context);
    let producer = match kafka::make(&config, create) {
        Ok(producer) => producer,
        Err(error) => return (0, Err(format!("the Kafka client can't be made: {error}"))),
    };
    let result = known(&producer, &target.topic)
        .and_then(|()| send(&producer, &target.topic, events, total, rate))
        .and_then(|()| producer.flush(PATIENCE).map_err(|e| format!("not all is acknowledged: {e}")));
    let acknowledged = producer.context();
    let failed = acknowledged.failed.lock().expect("no panic holds this lock").take();
    let result = failed.map_or(result, |error| Err(format!("{}: {error}", target.topic)));
    (acknowledged.count.load(Ordering::Relaxed), result)
}

/// A topic that is not there would be waited for until the last event has timed out.
fn known(producer: &BaseProducer<Acknowledged>, topic: &str) -> Result<(), String> {
    let metadata = producer.client().fetch_metadata(Some(topic), Duration::from_secs(10));
    let metadata = metadata.map_err(|e| format!("Kafka does not answer: {e}"))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.filter(|found| found.error().is_none() && !found.partitions().is_empty()) {
        Some(_) => Ok(()),
        None => Err(format!("there is no topic {topic}")),
    }
}

fn send(
    producer: &BaseProducer<Acknowledged>,
    topic: &str,
    events: &Outbox,
    total: u64,
    rate: Option<u32>,
) -> Result<(), String> {
    let begun = Instant::now();
    for number in 0..total {
        if let Some(rate) = rate {
            let due = begun + Duration::from_secs_f64(number as f64 / f64::from(rate));
            while Instant::now() < due && !interrupt::is_asked_for() {
                producer.poll((due - Instant::now()).min(Duration::from_millis(100)));
            }
        }
        if interrupt::is_asked_for() {
            return Err("interrupted".to_owned());
        }
        let json = events.event(number);
        let event = structured::decode(&json).expect("it was checked when it was made");
        let key = event.partition_key();
        let message = binary::encode_kafka(&event);
        let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header { key: name, value: Some(&**value) })
        });
        let mut record = BaseRecord::<str, [u8]>::to(topic).headers(headers);
        record.key = key.as_deref();
        record.payload = message.body.as_deref();
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    producer.poll(Duration::from_millis(100));
                }
                Err((error, _)) => return Err(format!("{topic}: {error}")),
            }
        }
        producer.poll(Duration::ZERO);
        if producer.context().failed.lock().expect("no panic holds this lock").is_some() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_brokers_and_a_topic() {
        let target = Target::parse("a:1,b:2/orders.v1").unwrap();
        assert_eq!((&*target.servers, &*target.topic), ("a:1,b:2", "orders.v1"));
        for wrong in ["", "a:1", "a:1/", "a/orders", "a:1,b/orders", "a:1/or ders", "a:1/x/y"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
